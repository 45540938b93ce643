import { accept, refuse } from '../../rules/refusal.js';
import { revokeToken } from '../../store/revocations.js';
import { findToken } from '../../store/tokens.js';
import { revokeTokenOperation } from '../../wire/tokens.js';
import { endpoint, originOf } from '../endpoint.js';
import { presentToken } from '../present.js';
import { actorOf, visibleToken } from '../visible.js';

export const revokeTokenRoute = endpoint(revokeTokenOperation, async (deps, call) => {
  const { caller, body, now } = call;
  const view = await visibleToken(deps, call, caller);
  if (!view.ok) return view;
  const cause = { reason: body.reason, note: body.note, origin: originOf(caller, call) };
  const revoked = await revokeToken(deps.db, actorOf(caller), view.value.token.id, cause, now);
  if (!revoked.ok) return revoked;
  if (revoked.value) deps.metrics.tokens('revoked', 1);
  const after = await findToken(deps.db, caller.workspaceId, view.value.token.id, now);
  return after ? accept({ status: 200, body: presentToken(after) }) : refuse({ kind: 'not_found' });
});
