import { and, desc, eq, gte, lt, sql } from 'drizzle-orm';
import { type DeliveryId, printId, type WorkspaceId } from '../rules/format.js';
import { accept, type Result, refuse } from '../rules/refusal.js';
import type { DeliveryStatus } from '../rules/webhook.js';
import { lockForAct } from './authority.js';
import { type Db, inTransaction } from './database.js';
import { claimDue, DELIVERED, type DeliveryQueue, dead, failed, replayed, type Standing } from './delivery-queue.js';
import { type Origin, recordEvents } from './events.js';
import { notifyDue } from './notifications.js';
import { mailDeliveries } from './schema.js';
import { MAX_SEARCHED, searchEnd } from './search.js';
import type { Issuer } from './workspace-lock.js';

export type MailRow = typeof mailDeliveries.$inferSelect;

/** A mail that this process sends now. `attempts` counts this one. */
export interface ClaimedMail {
  readonly mail: MailRow;
  /** Whether it was for a member who is not with the workspace any more. */
  readonly isGone: boolean;
}

/** How an attempt ended. */
export type MailOutcome =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'refused'; readonly fault: string }
  | { readonly kind: 'failed'; readonly fault: string; readonly retryAt: Date | undefined };

const QUEUE: DeliveryQueue = { table: 'mail_deliveries', receiver: sql`lower(recipient)`, atOncePerReceiver: 1 };

/** Takes mails that are due, one of each address, those to the addresses `busy`, in lower case, left out. What is taken is
 *  nobody else's for a minute, and counts as attempted. */
export function claimMails(
  db: Db,
  query: { readonly limit: number; readonly busy: readonly string[] },
  now: Date,
): Promise<ClaimedMail[]> {
  return inTransaction(db, async (tx) => {
    const claimed = await claimDue(tx, QUEUE, query, now);
    if (claimed.length === 0) return [];
    const { workspaceId } = mailDeliveries;
    const isActive = sql`exists (select 1 from members m where m.workspace_id = mail_deliveries.workspace_id
      and lower(m.email) = lower(mail_deliveries.recipient) and m.status = 'active')`;
    const isGone = sql<boolean>`mail_deliveries.payload->>'to' = 'member' and not ${isActive}`;
    return tx
      .select({ mail: mailDeliveries, isGone })
      .from(mailDeliveries)
      .where(
        and(
          sql`${workspaceId} = any(${sql.param([...new Set(claimed.map((row) => row.workspace_id))])}::uuid[])`,
          sql`${mailDeliveries.id} = any(${sql.param(claimed.map(({ id }) => id))}::uuid[])`,
        ),
      );
  });
}

/** Puts on record how an attempt ended, unless somebody else has taken the mail up since. */
export async function settleMail(db: Db, { workspaceId, id, attempts }: MailRow, outcome: MailOutcome): Promise<void> {
  await inTransaction(db, (tx) =>
    tx
      .update(mailDeliveries)
      .set(settledAs(outcome))
      .where(and(idIs(workspaceId, id), eq(mailDeliveries.status, 'pending'), eq(mailDeliveries.attempts, attempts))),
  );
}

function settledAs(outcome: MailOutcome): Standing {
  switch (outcome.kind) {
    case 'delivered':
      return DELIVERED;
    case 'refused':
      return dead(outcome.fault);
    case 'failed':
      return failed(outcome.fault, outcome.retryAt);
  }
}

/** Mails of a workspace, newest first. Narrowed, it gives fewer than `limit` when it looked through as many as one page may:
 *  what lies before `end`, where there is one, was not looked at. */
export async function listMails(
  db: Db,
  workspaceId: WorkspaceId,
  query: {
    readonly limit: number;
    readonly before: DeliveryId | undefined;
    readonly status: DeliveryStatus | undefined;
  },
): Promise<{ readonly rows: readonly MailRow[]; readonly end: DeliveryId | undefined }> {
  const { before, status, limit } = query;
  const within = and(eq(mailDeliveries.workspaceId, workspaceId), before && lt(mailDeliveries.id, before));
  const searched = { table: mailDeliveries, id: mailDeliveries.id, within, paths: [] };
  const end = status && (await searchEnd<DeliveryId>(db, searched, MAX_SEARCHED));
  const rows = await db
    .select()
    .from(mailDeliveries)
    .where(and(within, end && gte(mailDeliveries.id, end), status && eq(mailDeliveries.status, status)))
    .orderBy(desc(mailDeliveries.id))
    .limit(limit);
  return { rows, end };
}

/** Sends a mail that is over once more, with all its attempts anew. Refuses `not_found`, and what is still on its way. */
export function replayMail(
  db: Db,
  id: DeliveryId,
  by: { readonly caller: Issuer; readonly origin: Origin; readonly now: Date },
): Promise<Result<MailRow>> {
  const { caller, origin, now } = by;
  const { workspaceId } = caller;
  return inTransaction(db, async (tx) => {
    const role = await lockForAct(tx, caller, 'end', 'workspace:admin');
    if (!role.ok) return role;
    const [found] = await tx.select().from(mailDeliveries).where(idIs(workspaceId, id)).for('update');
    if (found === undefined) return refuse({ kind: 'not_found' });
    if (found.status === 'pending') {
      return refuse({ kind: 'conflict', code: 'mail_state', detail: 'the mail is still on its way' });
    }
    const set = replayed(now);
    await tx.update(mailDeliveries).set(set).where(idIs(workspaceId, id));
    await notifyDue(tx);
    const event = { action: 'mail.replayed', target: printId('dlv', id), data: { event: found.event } } as const;
    await recordEvents(tx, workspaceId, origin, [event], now);
    return accept({ ...found, ...set });
  });
}

function idIs(workspaceId: WorkspaceId, id: DeliveryId) {
  return and(eq(mailDeliveries.workspaceId, workspaceId), eq(mailDeliveries.id, id));
}
