import { and, asc, count, desc, eq, gt } from 'drizzle-orm';
import { type MemberId, newId, printId, type WebhookId, type WorkspaceId } from '../rules/format.js';
import { accept, invalid, type Result, refuse } from '../rules/refusal.js';
import { MAX_WEBHOOKS, type WebhookForm } from '../rules/webhook.js';
import { lockForAct } from './authority.js';
import { type Db, inTransaction, type Tx } from './database.js';
import { type AuditAction, type Origin, recordEvents } from './events.js';
import { notifyDue } from './notifications.js';
import { auditEvents, webhookDeliveries, webhooks } from './schema.js';
import { deliveryRow } from './webhook-queue.js';
import type { Issuer } from './workspace-lock.js';

export type WebhookRow = typeof webhooks.$inferSelect;

/** Who changes the webhooks of a workspace, and when. */
export interface WebhookChange {
  readonly workspaceId: WorkspaceId;
  readonly memberId: MemberId;
  readonly caller: Issuer;
  readonly origin: Origin;
  readonly now: Date;
}

/** What may be changed of one. */
export interface WebhookTerms {
  readonly url: string;
  readonly events: readonly string[];
  readonly description: string;
}

/** One webhook, by its id. */
export async function findWebhook(
  db: Db | Tx,
  workspaceId: WorkspaceId,
  id: WebhookId,
): Promise<WebhookRow | undefined> {
  const [row] = await db.select().from(webhooks).where(idIs(workspaceId, id));
  return row;
}

/** Webhooks, oldest first. `after` is exclusive. */
export function listWebhooks(
  db: Db,
  workspaceId: WorkspaceId,
  query: { readonly limit: number; readonly after: WebhookId | undefined },
): Promise<WebhookRow[]> {
  const after = query.after && gt(webhooks.id, query.after);
  return db
    .select()
    .from(webhooks)
    .where(and(eq(webhooks.workspaceId, workspaceId), after))
    .orderBy(asc(webhooks.id))
    .limit(query.limit);
}

/** Adds a webhook. Refuses the twenty-first of a workspace. */
export function addWebhook(
  db: Db,
  draft: WebhookTerms & { readonly form: WebhookForm },
  change: WebhookChange,
): Promise<Result<WebhookRow>> {
  const { workspaceId, memberId, now } = change;
  return changeWebhooks(db, change, async (tx) => {
    const [there] = await tx.select({ rows: count() }).from(webhooks).where(eq(webhooks.workspaceId, workspaceId));
    if ((there?.rows ?? 0) >= MAX_WEBHOOKS) {
      return invalid(['url'], `the workspace has ${MAX_WEBHOOKS} webhooks, the most there may be`);
    }
    const values = { ...draft, events: [...draft.events], workspaceId, id: newId('whk', now), secretVersion: 1 };
    const [row] = await tx
      .insert(webhooks)
      .values({ ...values, createdAt: now, createdBy: memberId })
      .returning();
    if (row === undefined) throw new Error('a webhook was not made');
    await record(tx, 'webhook.added', row, change);
    return accept(row);
  });
}

/** Changes what is named of a webhook; `isEnabled` also takes back that the receiver had it disabled. The same again changes
 *  nothing. Refuses `not_found`. */
export function changeWebhook(
  db: Db,
  id: WebhookId,
  terms: Partial<WebhookTerms> & { readonly isEnabled?: boolean | undefined },
  change: WebhookChange,
): Promise<Result<WebhookRow>> {
  return onWebhook(db, id, change, async (tx, before) => {
    const disabledAt = terms.isEnabled === false ? (before.disabledAt ?? change.now) : null;
    const set = {
      url: terms.url ?? before.url,
      events: [...(terms.events ?? before.events)],
      description: terms.description ?? before.description,
      disabledAt: terms.isEnabled === undefined ? before.disabledAt : disabledAt,
    };
    if (isSame(before, set)) return before;
    if (set.disabledAt !== null && before.disabledAt === null) await endPending(tx, before);
    const after = { ...before, ...set };
    await tx.update(webhooks).set(set).where(idIs(before.workspaceId, id));
    await record(tx, 'webhook.changed', after, change);
    return after;
  });
}

/** Makes the next secret of a webhook: the one of before signs beside it for a day. Refuses `not_found`. */
export function rotateWebhookSecret(db: Db, id: WebhookId, change: WebhookChange): Promise<Result<WebhookRow>> {
  return onWebhook(db, id, change, async (tx, before) => {
    const after = { ...before, secretVersion: before.secretVersion + 1 };
    await tx.update(webhooks).set({ secretVersion: after.secretVersion }).where(idIs(before.workspaceId, id));
    await record(tx, 'webhook.secret_rotated', after, change);
    return after;
  });
}

/** When the secret of a webhook was made anew the last time: the trail has it. */
export async function secretRotatedAt(
  db: Db,
  { workspaceId, id, secretVersion }: WebhookRow,
): Promise<Date | undefined> {
  if (secretVersion === 1) return undefined;
  const [event] = await db
    .select({ at: auditEvents.at })
    .from(auditEvents)
    .where(
      and(
        eq(auditEvents.workspaceId, workspaceId),
        eq(auditEvents.target, printId('whk', id)),
        eq(auditEvents.action, 'webhook.secret_rotated'),
      ),
    )
    .orderBy(desc(auditEvents.seq))
    .limit(1);
  return event?.at;
}

/** Removes a webhook and what was on its way there. Refuses `not_found`. */
export async function removeWebhook(db: Db, id: WebhookId, change: WebhookChange): Promise<Result<WebhookRow>> {
  return onWebhook(db, id, change, async (tx, found) => {
    await tx.delete(webhooks).where(idIs(found.workspaceId, id));
    await tx
      .delete(webhookDeliveries)
      .where(and(eq(webhookDeliveries.workspaceId, found.workspaceId), eq(webhookDeliveries.webhookId, id)));
    await record(tx, 'webhook.removed', found, change);
    return found;
  });
}

/** Queues a message that says nothing but that the webhook works. Gives the delivery's id. */
export function testWebhook(db: Db, id: WebhookId, change: WebhookChange): Promise<Result<string>> {
  return changeWebhooks(db, change, async (tx) => {
    const found = await lockWebhook(tx, change.workspaceId, id);
    if (found === undefined) return refuse({ kind: 'not_found' });
    if (found.disabledAt !== null) return disabled();
    const data = { workspace_id: printId('ws', found.workspaceId), webhook: printId('whk', id) };
    const payload = { type: 'webhook.tested', timestamp: change.now.toISOString(), data };
    const row = deliveryRow(found.workspaceId, id, '', payload, change.now);
    const printed = printId('dlv', row.id);
    await tx.insert(webhookDeliveries).values({ ...row, occasion: printed });
    await notifyDue(tx);
    await record(tx, 'webhook.tested', found, change, { delivery: printed });
    return accept(printed);
  });
}

/** Refuses what a disabled webhook is not sent. */
export function disabled() {
  return refuse({ kind: 'conflict', code: 'webhook_state', detail: 'the webhook is disabled' });
}

/** Disables a webhook at the word of its receiver, within a transaction: what is on its way there is dead. */
export async function disableWebhook(tx: Tx, workspaceId: WorkspaceId, id: WebhookId, origin: Origin, now: Date) {
  const found = await lockWebhook(tx, workspaceId, id);
  if (found === undefined || found.disabledAt !== null) return;
  await tx.update(webhooks).set({ disabledAt: now }).where(idIs(workspaceId, id));
  await endPending(tx, found);
  await record(tx, 'webhook.disabled', found, { workspaceId, origin, now });
}

async function endPending(tx: Tx, { workspaceId, id }: WebhookRow): Promise<void> {
  await tx
    .update(webhookDeliveries)
    .set({ status: 'dead', nextAttemptAt: null, lastFault: 'the webhook was disabled' })
    .where(
      and(
        eq(webhookDeliveries.workspaceId, workspaceId),
        eq(webhookDeliveries.webhookId, id),
        eq(webhookDeliveries.status, 'pending'),
      ),
    );
}

/** Locks a webhook within a transaction. */
export async function lockWebhook(tx: Tx, workspaceId: WorkspaceId, id: WebhookId): Promise<WebhookRow | undefined> {
  const [row] = await tx.select().from(webhooks).where(idIs(workspaceId, id)).for('update');
  return row;
}

/** Whose token was revoked since the request arrived changes nothing any more. */
export function changeWebhooks<T>(
  db: Db,
  { caller }: WebhookChange,
  act: (tx: Tx) => Promise<Result<T>>,
): Promise<Result<T>> {
  return inTransaction(db, async (tx) => {
    const role = await lockForAct(tx, caller, 'end', 'workspace:admin');
    return role.ok ? act(tx) : role;
  });
}

function onWebhook(
  db: Db,
  id: WebhookId,
  change: WebhookChange,
  act: (tx: Tx, found: WebhookRow) => Promise<WebhookRow>,
): Promise<Result<WebhookRow>> {
  return changeWebhooks(db, change, async (tx) => {
    const found = await lockWebhook(tx, change.workspaceId, id);
    return found === undefined ? refuse({ kind: 'not_found' }) : accept(await act(tx, found));
  });
}

function isSame(before: WebhookRow, set: Pick<WebhookRow, 'url' | 'events' | 'description' | 'disabledAt'>): boolean {
  return (
    before.url === set.url &&
    before.description === set.description &&
    before.events.join() === set.events.join() &&
    before.disabledAt === set.disabledAt
  );
}

/** Of the address only the host is put on record. */
function record(
  tx: Tx,
  action: AuditAction,
  row: WebhookRow,
  { workspaceId, origin, now }: Pick<WebhookChange, 'workspaceId' | 'origin' | 'now'>,
  more: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const data = { host: new URL(row.url).host, form: row.form, events: row.events, ...more };
  return recordEvents(tx, workspaceId, origin, [{ action, target: printId('whk', row.id), data }], now);
}

function idIs(workspaceId: WorkspaceId, id: WebhookId) {
  return and(eq(webhooks.workspaceId, workspaceId), eq(webhooks.id, id));
}
