import { parsePublicId } from '../../rules/format.js';
import { accept, invalid } from '../../rules/refusal.js';
import { transferToken } from '../../store/transfer.js';
import { transferTokenOperation } from '../../wire/tokens.js';
import { endpoint, originOf } from '../endpoint.js';
import { presentToken } from '../present.js';
import { actorOf, visibleToken } from '../visible.js';

export const transferTokenRoute = endpoint(transferTokenOperation, async (deps, call) => {
  const { caller, body, now } = call;
  const view = await visibleToken(deps, call, caller);
  if (!view.ok) return view;
  const ownerId = parsePublicId('mem', body.owner_id);
  if (ownerId === undefined) return invalid(['owner_id'], 'is not an active member of this workspace');
  const by = { actor: actorOf(caller), origin: originOf(caller, call) };
  const moved = await transferToken(deps.db, view.value.token, ownerId, by, now);
  return moved.ok ? accept({ status: 200, body: presentToken(moved.value) }) : moved;
});
