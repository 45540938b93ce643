import { and, eq, gt, isNull, max, sql } from 'drizzle-orm';
import { type IncidentId, printId, type TokenId, type WorkspaceId } from '../rules/format.js';
import type { IncidentKind } from '../rules/incident.js';
import { addSeconds } from '../rules/lifetime.js';
import { INCIDENTS_TOGETHER_SECONDS, MAX_MAILED_INCIDENTS, type MailedIncident } from '../rules/mail.js';
import type { Tx } from './database.js';
import { asMembers, type DueMail, eachOnce, keepersOf, queueMails, toldOf } from './mail-queue.js';
import { mailDeliveries } from './schema.js';

/** Queues the mails about an incident that was opened just now, in its transaction, behind the lock of the audit chain: to
 *  those who hear of its token, and to the owners and admins of the workspace. The first to an address is due at once. What
 *  happens within a minute after it waits for the end of that minute and goes out as one, so that a thousand leaks are two
 *  mails. */
export async function queueIncidentMails(
  tx: Tx,
  it: {
    readonly workspaceId: WorkspaceId;
    readonly id: IncidentId;
    readonly tokenId: TokenId;
    readonly kind: IncidentKind;
    readonly revoked: number;
  },
  now: Date,
): Promise<void> {
  const { workspaceId, kind, revoked } = it;
  const [told] = await toldOf(tx, [{ workspaceId, id: it.tokenId }]);
  if (told === undefined) throw new Error('a token went away');
  const recipients = eachOnce([...told.recipients, ...asMembers(await keepersOf(tx, workspaceId))]);
  const { expiresAt: _, ...token } = told.token;
  const timestamp = now.toISOString();
  const incident: MailedIncident = { id: printId('inc', it.id), kind, token, at: timestamp, revoked };
  const addresses = recipients.map(({ address }) => address.toLowerCase());
  const joined = await joinWaiting(tx, workspaceId, addresses, incident);
  const lastMade = await lastMadeOf(tx, workspaceId, addresses, addSeconds(now, -INCIDENTS_TOGETHER_SECONDS));
  const { workspace } = told;
  const mails = recipients.flatMap(({ address, to }): DueMail[] => {
    if (joined.has(address.toLowerCase())) return [];
    const last = lastMade.get(address.toLowerCase());
    const payload = { type: 'incident.opened', timestamp, workspace, to, incidents: [incident], more: 0 } as const;
    const dueAt = last ? addSeconds(last, INCIDENTS_TOGETHER_SECONDS) : undefined;
    return [{ workspaceId, recipient: address, occasion: `incident ${incident.id}`, payload, dueAt }];
  });
  await queueMails(tx, mails, now);
}

/** Adds the incident to the mails that nobody has begun to send. Gives the addresses that had one. */
async function joinWaiting(
  tx: Tx,
  workspaceId: WorkspaceId,
  addresses: readonly string[],
  incident: MailedIncident,
): Promise<ReadonlySet<string>> {
  const { payload } = mailDeliveries;
  const listed = sql`${payload}->'incidents'`;
  const joined = await tx
    .update(mailDeliveries)
    .set({
      payload: sql`case when jsonb_array_length(${listed}) < ${MAX_MAILED_INCIDENTS}
        then jsonb_set(${payload}, '{incidents}', (${listed}) || ${JSON.stringify(incident)}::text::jsonb)
        else jsonb_set(${payload}, '{more}', to_jsonb((${payload}->>'more')::int + 1)) end`,
    })
    .where(
      and(
        isIncidentMail(workspaceId, addresses),
        eq(mailDeliveries.status, 'pending'),
        isNull(mailDeliveries.lastAttemptAt),
      ),
    )
    .returning({ recipient: mailDeliveries.recipient });
  return new Set(joined.map(({ recipient }) => recipient.toLowerCase()));
}

async function lastMadeOf(tx: Tx, workspaceId: WorkspaceId, addresses: readonly string[], since: Date) {
  const address = sql<string>`lower(${mailDeliveries.recipient})`;
  const rows = await tx
    .select({ address, at: max(mailDeliveries.createdAt) })
    .from(mailDeliveries)
    .where(and(isIncidentMail(workspaceId, addresses), gt(mailDeliveries.createdAt, since)))
    .groupBy(address);
  return new Map(rows.map((row) => [row.address, row.at]));
}

/** `addresses` are in lower case. */
function isIncidentMail(workspaceId: WorkspaceId, addresses: readonly string[]) {
  return and(
    eq(mailDeliveries.workspaceId, workspaceId),
    sql`lower(${mailDeliveries.recipient}) = any(${sql.param(addresses)}::text[])`,
    eq(mailDeliveries.event, 'incident.opened'),
  );
}
