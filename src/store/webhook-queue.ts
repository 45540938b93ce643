import { and, asc, inArray, isNull } from 'drizzle-orm';
import { newId, printId, type WorkspaceId } from '../rules/format.js';
import { auditPayload, isWebhookEvent, type WebhookPayload } from '../rules/webhook.js';
import type { Tx } from './database.js';
import { notifyDue } from './notifications.js';
import { webhookDeliveries, webhooks } from './schema.js';

/** What is to be told to all webhooks of a workspace that want to hear of it. Each is told once of an `occasion`. */
export interface Occasion {
  readonly workspaceId: WorkspaceId;
  readonly occasion: string;
  readonly payload: WebhookPayload;
}

/** An event of the audit trail that was just recorded. */
interface Recorded {
  readonly id: Parameters<typeof printId<'evt'>>[1];
  readonly seq: number;
  readonly at: Date;
  readonly actorType: string;
  readonly actorId: string;
  readonly action: string;
  readonly target: string;
  readonly data: Readonly<Record<string, unknown>>;
}

const ROWS_AT_ONCE = 1_000;

/** Queues what webhooks hear of recorded events, in the transaction that records them. */
export async function queueEvents(tx: Tx, workspaceId: WorkspaceId, events: readonly Recorded[]): Promise<void> {
  const told = events.filter(({ action }) => isWebhookEvent(action));
  if (told.length === 0) return;
  const occasions = told.map((event): Occasion => {
    const id = printId('evt', event.id);
    const actor = { type: event.actorType, id: event.actorId };
    const payload = auditPayload({ ...event, id, actor, workspaceId: printId('ws', workspaceId) });
    return { workspaceId, occasion: id, payload };
  });
  await queueOccasions(tx, occasions, told[0]?.at ?? new Date(0));
}

/** Queues a delivery of each occasion for each webhook that wants it, within a transaction, and wakes the senders with its
 *  commit. */
export async function queueOccasions(tx: Tx, occasions: readonly Occasion[], now: Date): Promise<void> {
  const workspaceIds = [...new Set(occasions.map(({ workspaceId }) => workspaceId))];
  if (workspaceIds.length === 0) return;
  const wanting = await tx
    .select({ workspaceId: webhooks.workspaceId, id: webhooks.id, events: webhooks.events })
    .from(webhooks)
    .where(and(inArray(webhooks.workspaceId, workspaceIds), isNull(webhooks.disabledAt)))
    .orderBy(asc(webhooks.id));
  const rows = occasions.flatMap(({ workspaceId, occasion, payload }) =>
    wanting
      .filter((webhook) => webhook.workspaceId === workspaceId && webhook.events.includes(payload.type))
      .map((webhook) => deliveryRow(workspaceId, webhook.id, occasion, payload, now)),
  );
  for (let at = 0; at < rows.length; at += ROWS_AT_ONCE) {
    await tx
      .insert(webhookDeliveries)
      .values(rows.slice(at, at + ROWS_AT_ONCE))
      .onConflictDoNothing();
  }
  if (rows.length > 0) await notifyDue(tx);
}

/** A delivery that is due at once. */
export function deliveryRow(
  workspaceId: WorkspaceId,
  webhookId: typeof webhooks.$inferSelect.id,
  occasion: string,
  payload: WebhookPayload,
  now: Date,
): typeof webhookDeliveries.$inferInsert {
  return {
    workspaceId,
    id: newId('dlv', now),
    webhookId,
    occasion,
    event: payload.type,
    payload: { ...payload },
    status: 'pending',
    attempts: 0,
    createdAt: now,
    nextAttemptAt: now,
  };
}
