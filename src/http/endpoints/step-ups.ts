import { parsePublicId, printId } from '../../rules/format.js';
import { accept, refuse } from '../../rules/refusal.js';
import { isSignIn } from '../../rules/step-up.js';
import { findStepUp, openStepUp, stepUpStanding } from '../../store/step-ups.js';
import { openStepUpOperation, showStepUpOperation } from '../../wire/passkeys.js';
import { endpoint } from '../endpoint.js';
import { presentStepUp } from '../present-step-up.js';
import { limitOf, spent } from '../rate-limit.js';

// A person can be asked too often to look at what is asked.
const wishes = limitOf({ points: 20, duration: 600 });

/** A token asks its person to confirm what it is about to do. */
export const openStepUpRoute = endpoint(openStepUpOperation, async (deps, call) => {
  const { caller, body, now } = call;
  if (!isSignIn(caller)) {
    return refuse({ kind: 'not_allowed', detail: 'only a token that a person signed in with can ask its person' });
  }
  const { hasPasskey } = await stepUpStanding(deps.db, caller);
  if (!hasPasskey) {
    const detail = 'the person has no passkey to confirm with, so that none is asked for';
    return refuse({ kind: 'conflict', code: 'step_up_state', detail });
  }
  const limited = await spent(wishes(deps), caller.creatorId);
  if (limited) return limited;
  const row = await openStepUp(deps.db, caller, { act: body.act, ip: call.ip }, now);
  const headers = { location: `/v1/step-ups/${printId('stp', row.id)}` };
  return accept({ status: 201, headers, body: presentStepUp(row, deps.issuer, now) });
});

/** Tells the token that asked, and no other, where it stands. */
export const showStepUpRoute = endpoint(showStepUpOperation, async (deps, call) => {
  const id = parsePublicId('stp', call.params['id'] ?? '');
  const found = id && (await findStepUp(deps.db, id));
  if (found === undefined || found.row.tokenId !== call.caller.id) return refuse({ kind: 'not_found' });
  return accept({ status: 200, body: presentStepUp(found.row, deps.issuer, call.now) });
});
