import { parsePublicId, printId } from '../../rules/format.js';
import { accept, refuse } from '../../rules/refusal.js';
import { listDeliveries, replayDelivery } from '../../store/deliveries.js';
import { listDeliveriesOperation, replayDeliveryOperation } from '../../wire/webhooks.js';
import { pageOf, readCursor } from '../cursor.js';
import { endpoint } from '../endpoint.js';
import { presentDelivery } from '../present-webhook.js';
import { changeOf, webhookOf } from '../visible-webhook.js';

export const listDeliveriesRoute = endpoint(listDeliveriesOperation, async (deps, call) => {
  const { status, limit, cursor } = call.query;
  const before = readCursor('deliveries', cursor, (text) => parsePublicId('dlv', text));
  if (!before.ok) return before;
  const webhook = await webhookOf(deps, call);
  if (!webhook.ok) return webhook;
  const query = { limit: limit + 1, before: before.value, status };
  const { rows, end } = await listDeliveries(deps.db, webhook.value, query);
  const place = ({ id }: (typeof rows)[number]) => printId('dlv', id);
  const body = pageOf('deliveries', rows, limit, place, presentDelivery, end && printId('dlv', end));
  return accept({ status: 200, body });
});

/** Sends it again with its own id, so that a receiver that had it after all can tell. */
export const replayDeliveryRoute = endpoint(replayDeliveryOperation, async (deps, call) => {
  const webhook = await webhookOf(deps, call);
  if (!webhook.ok) return webhook;
  const id = parsePublicId('dlv', call.params['delivery_id'] ?? '');
  if (id === undefined) return refuse({ kind: 'not_found' });
  const replayed = await replayDelivery(deps.db, webhook.value.id, id, changeOf(call));
  return replayed.ok ? accept({ status: 202, body: presentDelivery(replayed.value) }) : replayed;
});
