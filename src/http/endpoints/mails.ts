import { parsePublicId, printId } from '../../rules/format.js';
import { mailSubject } from '../../rules/mail-text.js';
import { accept, refuse } from '../../rules/refusal.js';
import { listMails, type MailRow, replayMail } from '../../store/mails.js';
import type { MailDelivery } from '../../wire/mail-resources.js';
import { listMailDeliveriesOperation, replayMailDeliveryOperation } from '../../wire/mails.js';
import { pageOf, readCursor } from '../cursor.js';
import { endpoint, originOf } from '../endpoint.js';
import { presentStanding } from '../present-webhook.js';

export const listMailDeliveriesRoute = endpoint(listMailDeliveriesOperation, async (deps, { caller, query }) => {
  const { status, limit, cursor } = query;
  const before = readCursor('mails', cursor, (text) => parsePublicId('dlv', text));
  if (!before.ok) return before;
  const asked = { limit: limit + 1, before: before.value, status };
  const { rows, end } = await listMails(deps.db, caller.workspaceId, asked);
  const place = ({ id }: MailRow) => printId('dlv', id);
  return accept({ status: 200, body: pageOf('mails', rows, limit, place, presentMail, end && printId('dlv', end)) });
});

/** Sends it again with its own `Message-ID`, so that a receiver that had it after all can tell. */
export const replayMailDeliveryRoute = endpoint(replayMailDeliveryOperation, async (deps, call) => {
  const { caller, now } = call;
  const id = parsePublicId('dlv', call.params['id'] ?? '');
  if (id === undefined) return refuse({ kind: 'not_found' });
  if (!deps.sendsMail) {
    return refuse({ kind: 'conflict', code: 'mail_state', detail: 'this service sends no mail' });
  }
  const by = { caller: { workspaceId: caller.workspaceId, tokenId: caller.id }, origin: originOf(caller, call), now };
  const replayed = await replayMail(deps.db, id, by);
  return replayed.ok ? accept({ status: 202, body: presentMail(replayed.value) }) : replayed;
});

function presentMail(row: MailRow): MailDelivery {
  const { payload } = row;
  const named = payload.type === 'incident.opened' ? payload.incidents : payload.tokens;
  return {
    id: printId('dlv', row.id),
    recipient: row.recipient,
    event: row.event,
    subject: mailSubject(payload),
    targets: named.map(({ id }) => id),
    ...presentStanding(row),
  };
}
