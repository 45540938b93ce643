import { printId } from '../../rules/format.js';
import { accept } from '../../rules/refusal.js';
import { areGuarded } from '../../rules/step-up.js';
import { takeOver } from '../../store/take-over.js';
import { findToken } from '../../store/tokens.js';
import { takeOverTokenOperation } from '../../wire/leavers.js';
import { endpoint, originOf } from '../endpoint.js';
import { presentToken } from '../present.js';
import { requireStepUp } from '../step-up.js';
import { grantorOf, readableToken } from '../visible.js';

/** The named successor gets a token of its own in the place of one whose creator left. */
export const takeOverTokenRoute = endpoint(takeOverTokenOperation, async (deps, call) => {
  const { caller } = call;
  const view = await readableToken(deps, call, caller);
  if (!view.ok) return view;
  const { id, workflow, scopes } = view.value.token;
  if (areGuarded(scopes)) {
    const act = `take over ${printId('tok', id)} of ${workflow} with ${scopes.join(' ')}`;
    const confirmed = await requireStepUp(deps, caller, call, act);
    if (!confirmed.ok) return confirmed;
  }
  const taken = await takeOver(deps.db, deps.secrets, {
    workspaceId: caller.workspaceId,
    id,
    successorId: caller.creatorId,
    grantor: grantorOf(caller),
    issuer: { workspaceId: caller.workspaceId, tokenId: caller.id },
    origin: originOf(caller, call),
    now: deps.now,
    signal: call.signal(),
  });
  if (!taken.ok) return taken;
  deps.metrics.tokens('minted', 1);
  const successor = await findToken(deps.db, caller.workspaceId, taken.value.id, deps.now());
  if (successor === undefined) throw new Error('a token that was taken over is not there');
  const headers = { location: `/v1/tokens/${printId('tok', taken.value.id)}` };
  return accept({ status: 201, headers, body: { ...presentToken(successor), token: taken.value.printed } });
});
