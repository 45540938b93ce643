import { and, desc, eq, gte, lt, sql } from 'drizzle-orm';
import { type DeliveryId, printId, type WebhookId, type WorkspaceId } from '../rules/format.js';
import { accept, type Result, refuse } from '../rules/refusal.js';
import type { DeliveryStatus } from '../rules/webhook.js';
import { type Db, inTransaction, type Tx } from './database.js';
import { claimDue, DELIVERED, type DeliveryQueue, dead, failed, replayed, type Standing } from './delivery-queue.js';
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

const QUEUE: DeliveryQueue = { table: 'webhook_deliveries', receiver: sql`webhook_id`, atOncePerReceiver: 4 };

/** Takes deliveries that are due, a few of each webhook, those of `busy` left out. What is taken is nobody else's for a
 *  minute, and counts as attempted: a process that dies meanwhile loses none. */
export function claimDeliveries(
  db: Db,
  query: { readonly limit: number; readonly busy: readonly WebhookId[] },
  now: Date,
): Promise<Claimed[]> {
  return inTransaction(db, async (tx) => {
    const claimed = await claimDue(tx, QUEUE, query, now);
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

function settledAs(outcome: Outcome): Standing {
  switch (outcome.kind) {
    case 'delivered':
      return DELIVERED;
    case 'gone':
      return dead('answered 410: the webhook was disabled');
    case 'failed':
      return failed(outcome.fault, outcome.retryAt);
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
    const set = replayed(now);
    await tx.update(webhookDeliveries).set(set).where(idIs(workspaceId, id));
    await notifyDue(tx);
    const data = { delivery: printId('dlv', id), event: found.event };
    const event = { action: 'webhook.replayed', target: printId('whk', webhookId), data } as const;
    await recordEvents(tx, workspaceId, origin, [event], now);
    return accept({ ...found, ...set });
  });
}

async function lockDelivery(tx: Tx, workspaceId: WorkspaceId, id: DeliveryId): Promise<DeliveryRow | undefined> {
  const [row] = await tx.select().from(webhookDeliveries).where(idIs(workspaceId, id)).for('update');
  return row;
}

function idIs(workspaceId: WorkspaceId, id: DeliveryId) {
  return and(eq(webhookDeliveries.workspaceId, workspaceId), eq(webhookDeliveries.id, id));
}
