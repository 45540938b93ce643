import { printId } from '../../rules/format.js';
import { accept } from '../../rules/refusal.js';
import { DEFAULT_DRAIN_SECONDS, DEFAULT_OVERLAP_SECONDS } from '../../rules/rotation.js';
import { areGuarded } from '../../rules/step-up.js';
import type { TokenFacts } from '../../rules/token.js';
import { rotateToken } from '../../store/rotation.js';
import { findToken, type TokenView } from '../../store/tokens.js';
import { rotateTokenOperation } from '../../wire/tokens.js';
import { endpoint, originOf } from '../endpoint.js';
import { mayBeEntrusted } from '../entrusted.js';
import { presentToken } from '../present.js';
import { requireStepUp } from '../step-up.js';
import { actorOf, visibleToken } from '../visible.js';

/** Makes a successor. Who rotates another token gets its secret, so it must hold what that token may do. */
export const rotateTokenRoute = endpoint(rotateTokenOperation, async (deps, call) => {
  const { caller, body } = call;
  const view = await visibleToken(deps, call, caller);
  if (!view.ok) return view;
  const allowed = mayBeEntrusted(caller, view.value);
  if (!allowed.ok) return allowed;
  if (leavesPerson(caller, view.value)) {
    const act = `take a new secret of ${printId('tok', view.value.token.id)} of ${view.value.token.workflow}`;
    const confirmed = await requireStepUp(deps, caller, call, act);
    if (!confirmed.ok) return confirmed;
  }
  const rotated = await rotateToken(deps.db, deps.secrets, {
    workspaceId: caller.workspaceId,
    id: view.value.token.id,
    expiresInDays: body.expires_in_days,
    overlapSeconds: body.overlap_seconds ?? DEFAULT_OVERLAP_SECONDS,
    drainSeconds: body.drain_seconds ?? DEFAULT_DRAIN_SECONDS,
    arrivedAt: call.now,
    actor: actorOf(caller),
    origin: originOf(caller, call),
    now: deps.now,
    signal: call.signal(),
  });
  if (!rotated.ok) return rotated;
  deps.metrics.tokens('rotated', 1);
  const successor = await findToken(deps.db, caller.workspaceId, rotated.value.id, deps.now());
  if (successor === undefined) throw new Error('a successor is not there');
  const headers = { location: `/v1/tokens/${printId('tok', rotated.value.id)}` };
  return accept({ status: 201, headers, body: { ...presentToken(successor), token: rotated.value.printed } });
});

/** Whether who rotates gets what decides who may do what, as by minting it. A sign-in token's successor is one too, whose
 *  own acts are asked about. */
function leavesPerson(caller: TokenFacts, { token }: TokenView): boolean {
  return token.id !== caller.id && areGuarded(token.scopes);
}
