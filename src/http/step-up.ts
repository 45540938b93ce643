import { accept, type Result, refuse } from '../rules/refusal.js';
import { isSignIn, MAX_ACT_LENGTH } from '../rules/step-up.js';
import type { TokenFacts } from '../rules/token.js';
import { stepUpStanding } from '../store/step-ups.js';
import type { Deps } from './deps.js';
import type { Exchange } from './exchange.js';

/** Lets a dangerous act pass: of a token that no person signed in with, of a person without a passkey, and of one whose
 *  passkey confirmed something for this token within the last five minutes. Call it when the act is otherwise allowed.
 *  `act` says what is done, to the person who confirms it: `revoke all tokens of the workspace`. Refuses
 *  `step_up_required` (RFC 9470 section 3). */
export async function requireStepUp(
  { db }: Deps,
  caller: TokenFacts,
  { now }: Pick<Exchange, 'now'>,
  act: string,
): Promise<Result<undefined>> {
  if (!isSignIn(caller)) return accept(undefined);
  const { hasPasskey, steppedUpUntil } = await stepUpStanding(db, caller);
  if (!hasPasskey || (steppedUpUntil !== null && now < steppedUpUntil)) return accept(undefined);
  return refuse({ kind: 'step_up_required', act: act.slice(0, MAX_ACT_LENGTH) });
}
