import { and, desc, eq, gte, lt, sql } from 'drizzle-orm';
import { type DeliveryId, printId, type WebhookId, type WorkspaceId } from '../rules/format.js';
import { addDays } from '../rules/lifetime.js';
import { accept, type Result, refuse } from '../rules/refusal.js';
import type { DeliveryStatus } from '../rules/webhook.js';
import type { TransactionSql } from './connect.js';
import { type Db, inTransaction, type Tx } from './database.js';
import { recordEvents, SYSTEM } from './events.js';
import { notifyDue } from './notifications.js';
import { webhookDeliveries, webhooks } from './schema.js';
import { MAX_SEARCHED, searchEnd } from './search.js';
import {
  changeWebhooks,
  disabled,
  disableWebhook,
  lockWebhook,
  type WebhookChange,
  type WebhookRow,
} from './webhooks.js';

export type DeliveryRow = typeof webhookDeliveries.$inferSelect;

/** A delivery that this process sends now, and where to. `attempts` counts this one. */
export interface Claimed {
  readonly delivery: DeliveryRow;
  readonly webhook: WebhookRow;
}

/** How an attempt ended. */
export type Outcome =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'gone' }
  | { readonly kind: 'failed'; readonly fault: string; readonly retryAt: Date | undefined };

/** How many messages to one webhook are under way at a time, of one process. */
const AT_ONCE_PER_WEBHOOK = 4;
// Longer than an attempt may take: what was not settled by then belonged to a process that died.
const LEASE_SECONDS = 60;
const RETENTION_DAYS = 30;
const MAX_PER_DELETION = 10_000;

/** Takes deliveries that are due, a few of each webhook, those of `busy` left out. What is taken is nobody else's for a
 *  minute, and counts as attempted: a process that dies meanwhile loses none. */
export function claimDeliveries(
  db: Db,
  query: { readonly limit: number; readonly busy: readonly WebhookId[] },
  now: Date,
): Promise<Claimed[]> {
  const at = now.toISOString();
  return inTransaction(db, async (tx) => {
    const due = sql`status = 'pending' and next_attempt_at <= ${at}::timestamptz`;
    const claimed = await tx.execute<{ workspace_id: WorkspaceId; id: DeliveryId }>(sql`
      with ranked as (
        select workspace_id, id, row_number() over (partition by webhook_id order by next_attempt_at, id) as place
        from webhook_deliveries where ${due} and webhook_id <> all(${sql.param([...query.busy])}::uuid[])),
      taken as (
        select d.workspace_id, d.id from webhook_deliveries d join ranked r using (workspace_id, id)
        where r.place <= ${AT_ONCE_PER_WEBHOOK} and d.status = 'pending' and d.next_attempt_at <= ${at}::timestamptz
        order by r.place, d.next_attempt_at limit ${query.limit} for update of d skip locked)
      update webhook_deliveries d set attempts = d.attempts + 1, last_attempt_at = ${at}::timestamptz,
        next_attempt_at = ${at}::timestamptz + ${LEASE_SECONDS} * interval '1 second'
      from taken t where d.workspace_id = t.workspace_id and d.id = t.id
      returning d.workspace_id, d.id`);
    const ids = claimed.map(({ id }) => id);
    const workspaceIds = [...new Set(claimed.map((row) => row.workspace_id))];
    if (ids.length === 0) return [];
    const found = await tx
      .select({ delivery: webhookDeliveries, webhook: webhooks })
      .from(webhookDeliveries)
      .innerJoin(
        webhooks,
        and(eq(webhooks.workspaceId, webhookDeliveries.workspaceId), eq(webhooks.id, webhookDeliveries.webhookId)),
      )
      .where(
        and(
          sql`${webhookDeliveries.workspaceId} = any(${sql.param(workspaceIds)}::uuid[])`,
          sql`${webhookDeliveries.id} = any(${sql.param(ids)}::uuid[])`,
        ),
      );
    // Queued at the moment in which the webhook was removed.
    const orphans = claimed.filter(({ id }) => !found.some(({ delivery }) => delivery.id === id));
    for (const orphan of orphans) await tx.delete(webhookDeliveries).where(idIs(orphan.workspace_id, orphan.id));
    return found;
  });
}

/** Puts on record how an attempt ended, unless somebody else has taken the delivery up since. */
export function settleDelivery(db: Db, { delivery }: Claimed, outcome: Outcome, now: Date): Promise<void> {
  return inTransaction(db, async (tx) => {
    const { workspaceId, id, webhookId } = delivery;
    // The webhook before its deliveries, as all do that lock both.
    if (outcome.kind === 'gone') await lockWebhook(tx, workspaceId, webhookId);
    const [settled] = await tx
      .update(webhookDeliveries)
      .set(settledAs(outcome))
      .where(
        and(
          idIs(workspaceId, id),
          eq(webhookDeliveries.status, 'pending'),
          eq(webhookDeliveries.attempts, delivery.attempts),
        ),
      )
      .returning({ id: webhookDeliveries.id });
    if (settled !== undefined && outcome.kind === 'gone') await disableWebhook(tx, workspaceId, webhookId, SYSTEM, now);
  });
}

function settledAs(outcome: Outcome): Partial<DeliveryRow> {
  switch (outcome.kind) {
    case 'delivered':
      return { status: 'delivered', nextAttemptAt: null, lastFault: null };
    case 'gone':
      return { status: 'dead', nextAttemptAt: null, lastFault: 'answered 410: the webhook was disabled' };
    case 'failed':
      return outcome.retryAt === undefined
        ? { status: 'dead', nextAttemptAt: null, lastFault: outcome.fault }
        : { nextAttemptAt: outcome.retryAt, lastFault: outcome.fault };
  }
}

/** Deliveries of a webhook, newest first. Narrowed, it gives fewer than `limit` when it looked through as many as one page
 *  may: what lies before `end`, where there is one, was not looked at. */
export async function listDeliveries(
  db: Db,
  webhook: Pick<WebhookRow, 'workspaceId' | 'id'>,
  query: {
    readonly limit: number;
    readonly before: DeliveryId | undefined;
    readonly status: DeliveryStatus | undefined;
  },
): Promise<{ readonly rows: readonly DeliveryRow[]; readonly end: DeliveryId | undefined }> {
  const { before, status, limit } = query;
  const within = and(
    eq(webhookDeliveries.workspaceId, webhook.workspaceId),
    eq(webhookDeliveries.webhookId, webhook.id),
    before && lt(webhookDeliveries.id, before),
  );
  const searched = { table: webhookDeliveries, id: webhookDeliveries.id, within, paths: [] };
  const end = status && (await searchEnd<DeliveryId>(db, searched, MAX_SEARCHED));
  const rows = await db
    .select()
    .from(webhookDeliveries)
    .where(and(within, end && gte(webhookDeliveries.id, end), status && eq(webhookDeliveries.status, status)))
    .orderBy(desc(webhookDeliveries.id))
    .limit(limit);
  return { rows, end };
}

/** Sends a delivery that is over once more, with all its attempts anew. Refuses `not_found`, and what is still on its way. */
export function replayDelivery(
  db: Db,
  webhookId: WebhookId,
  id: DeliveryId,
  change: WebhookChange,
): Promise<Result<DeliveryRow>> {
  const { workspaceId, now, origin } = change;
  return changeWebhooks(db, change, async (tx) => {
    const webhook = await lockWebhook(tx, workspaceId, webhookId);
    const found = webhook && (await lockDelivery(tx, workspaceId, id));
    if (found === undefined || found.webhookId !== webhookId) return refuse({ kind: 'not_found' });
    if (webhook?.disabledAt !== null) return disabled();
    if (found.status === 'pending') {
      return refuse({ kind: 'conflict', code: 'webhook_state', detail: 'the delivery is still on its way' });
    }
    const set = { status: 'pending', attempts: 0, nextAttemptAt: now, lastFault: null } as const;
    await tx.update(webhookDeliveries).set(set).where(idIs(workspaceId, id));
    await notifyDue(tx);
    const data = { delivery: printId('dlv', id), event: found.event };
    const event = { action: 'webhook.replayed', target: printId('whk', webhookId), data } as const;
    await recordEvents(tx, workspaceId, origin, [event], now);
    return accept({ ...found, ...set });
  });
}

/** Deletes deliveries that were made more than 30 days ago, 10 000 at most. Gives whether there may be more of them. */
export async function dropOldDeliveries(tx: TransactionSql, now: Date): Promise<boolean> {
  const oldest = addDays(now, -RETENTION_DAYS).toISOString();
  const { count: deleted } = await tx`
    delete from webhook_deliveries where ctid = any(array(
      select ctid from webhook_deliveries where created_at < ${oldest} order by created_at limit ${MAX_PER_DELETION}))`;
  return deleted === MAX_PER_DELETION;
}

async function lockDelivery(tx: Tx, workspaceId: WorkspaceId, id: DeliveryId): Promise<DeliveryRow | undefined> {
  const [row] = await tx.select().from(webhookDeliveries).where(idIs(workspaceId, id)).for('update');
  return row;
}

function idIs(workspaceId: WorkspaceId, id: DeliveryId) {
  return and(eq(webhookDeliveries.workspaceId, workspaceId), eq(webhookDeliveries.id, id));
}
