import { and, asc, eq, gt, sql } from 'drizzle-orm';
import { eventHash, GENESIS_HASH } from '../rules/audit.js';
import { type EventId, newId, printId, type WorkspaceId } from '../rules/format.js';
import type { Db, Tx } from './database.js';
import { noteEvents } from './endings.js';
import { auditEvents, auditHeads } from './schema.js';
import { queueEvents } from './webhook-queue.js';

/** What is put on record. The names are stable: programs filter by them. */
export type AuditAction =
  | 'workspace.created'
  | 'workspace.suspended'
  | 'workspace.resumed'
  | 'workspace.restored'
  | 'policy.set'
  | 'member.invited'
  | 'member.accepted'
  | 'member.joined'
  | 'identity.linked'
  | 'member.role_changed'
  | 'member.renamed'
  | 'member.suspended'
  | 'member.reactivated'
  | 'member.removed'
  | 'member.provisioned'
  | 'member.email_changed'
  | 'member.external_id_changed'
  | 'member.recovered'
  | 'workflow.created'
  | 'workflow.updated'
  | 'workflow.paused'
  | 'workflow.resumed'
  | 'workflow.tool_rules_set'
  | 'token.minted'
  | 'token.rotated'
  | 'token.secret_replaced'
  | 'token.revoked'
  | 'token.transferred'
  | 'token.frozen'
  | 'token.unfrozen'
  | 'token.taken_over'
  | 'token.reused'
  | 'token.drain_started'
  | 'incident.opened'
  | 'incident.closed'
  | 'run.stopped'
  | 'run.lost'
  | 'runner.approved'
  | 'runner.denied'
  | 'runner.enrolled'
  | 'runner.changed'
  | 'runner.suspended'
  | 'runner.reactivated'
  | 'runner.removed'
  | 'device.approved'
  | 'device.denied'
  | 'device.redeemed'
  | 'trust_rule.set'
  | 'trust_rule.removed'
  | 'passkey.added'
  | 'passkey.removed'
  | 'passkey.cloned'
  | 'step_up.confirmed'
  | 'step_up.denied'
  | 'webhook.added'
  | 'webhook.changed'
  | 'webhook.removed'
  | 'webhook.disabled'
  | 'webhook.secret_rotated'
  | 'webhook.tested'
  | 'webhook.replayed'
  | 'mail.replayed'
  | 'session.started'
  | 'session.ended'
  | 'journal.replayed';

/** Who did it, from where: the same for all events of a request. `id` is a public id, or a name for `host`, `system`. */
export interface Origin {
  readonly actorType: 'member' | 'token' | 'host' | 'system';
  readonly actorId: string;
  /** The token or the session that the member used. */
  readonly via?: string | undefined;
  readonly ip?: string | undefined;
  readonly userAgent?: string | undefined;
  readonly requestId?: string | undefined;
}

/** What the service does on its own. */
export const SYSTEM: Origin = { actorType: 'system', actorId: 'countersign' };

export interface NewEvent {
  readonly action: AuditAction;
  /** The public id of the thing changed. */
  readonly target: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

export interface AuditEventRow {
  readonly id: EventId;
  readonly seq: number;
  readonly at: Date;
  readonly actorType: Origin['actorType'];
  readonly actorId: string;
  readonly action: string;
  readonly target: string;
  readonly ip: string | null;
  readonly userAgent: string | null;
  readonly requestId: string | null;
  readonly data: Record<string, unknown>;
  readonly prevHash: string;
  readonly hash: string;
}

/** Starts the chain of a new workspace. */
export async function startChain(tx: Tx, workspaceId: WorkspaceId): Promise<void> {
  await tx.insert(auditHeads).values({ workspaceId, seq: 0, hash: GENESIS_HASH });
}

/** Appends events to the workspace's chain, in the transaction of the change they tell of. Call it last: it locks the
 *  head of the chain until the commit. */
export async function recordEvents(
  tx: Tx,
  workspaceId: WorkspaceId,
  origin: Origin,
  events: readonly NewEvent[],
  now: Date,
): Promise<void> {
  if (events.length === 0) return;
  const [head] = await tx
    .select({ seq: auditHeads.seq, hash: auditHeads.hash })
    .from(auditHeads)
    .where(eq(auditHeads.workspaceId, workspaceId))
    .for('update');
  if (head === undefined) throw new Error('the workspace has no audit chain');
  const { rows, link } = continueChain(workspaceId, head, origin, events, now);
  for (let at = 0; at < rows.length; at += ROWS_AT_ONCE) await insertEvents(tx, rows.slice(at, at + ROWS_AT_ONCE));
  noteEvents(tx, workspaceId, rows);
  await tx.update(auditHeads).set(link).where(eq(auditHeads.workspaceId, workspaceId));
  await queueEvents(tx, workspaceId, rows);
}

const ROWS_AT_ONCE = 5_000;

/** Inserts events as one text: as values each of their columns would be a parameter, which takes many of them much longer. */
async function insertEvents(tx: Tx, rows: readonly (typeof auditEvents.$inferSelect)[]): Promise<void> {
  const told = rows.map((row) => ({
    workspace_id: row.workspaceId,
    id: row.id,
    seq: row.seq,
    at: row.at.toISOString(),
    actor_type: row.actorType,
    actor_id: row.actorId,
    action: row.action,
    target: row.target,
    ip: row.ip,
    user_agent: row.userAgent,
    request_id: row.requestId,
    data: row.data,
    prev_hash: row.prevHash,
    hash: row.hash,
  }));
  await tx.execute(sql`
    insert into audit_events (workspace_id, id, seq, at, actor_type, actor_id, action, target, ip, user_agent, request_id, data,
      prev_hash, hash)
    select e.* from jsonb_to_recordset(${JSON.stringify(told)}::text::jsonb) as e(workspace_id uuid, id uuid, seq bigint,
      at timestamptz, actor_type text, actor_id text, action text, target text, ip text, user_agent text, request_id text,
      data jsonb, prev_hash text, hash text)`);
}

/** The last link of a chain: what the next event follows. */
export interface ChainLink {
  readonly seq: number;
  readonly hash: string;
}

/** The rows of events that follow a link, and the link that they end with. */
export function continueChain(
  workspaceId: WorkspaceId,
  head: ChainLink,
  origin: Origin,
  events: readonly NewEvent[],
  now: Date,
) {
  let link = head;
  const rows = events.map((event) => {
    const row = {
      id: newId('evt', now),
      seq: link.seq + 1,
      at: now,
      actorType: origin.actorType,
      actorId: origin.actorId,
      action: event.action,
      target: event.target,
      ip: origin.ip ?? null,
      userAgent: origin.userAgent ?? null,
      requestId: origin.requestId ?? null,
      data: { ...event.data, ...(origin.via === undefined ? {} : { via: origin.via }) },
      prevHash: link.hash,
    };
    link = { seq: row.seq, hash: eventHash(shownEvent(row)) };
    return { ...row, workspaceId, hash: link.hash };
  });
  return { rows, link };
}

/** An event as the outside sees it, which is what is hashed. */
export function shownEvent(row: Omit<AuditEventRow, 'hash'>) {
  return {
    id: printId('evt', row.id),
    seq: row.seq,
    at: row.at.toISOString(),
    actor: { type: row.actorType, id: row.actorId },
    action: row.action,
    target: row.target,
    ip: row.ip,
    user_agent: row.userAgent,
    request_id: row.requestId,
    data: row.data,
    prev_hash: row.prevHash,
  };
}

const COLUMNS = {
  id: auditEvents.id,
  seq: auditEvents.seq,
  at: auditEvents.at,
  actorType: auditEvents.actorType,
  actorId: auditEvents.actorId,
  action: auditEvents.action,
  target: auditEvents.target,
  ip: auditEvents.ip,
  userAgent: auditEvents.userAgent,
  requestId: auditEvents.requestId,
  data: auditEvents.data,
  prevHash: auditEvents.prevHash,
  hash: auditEvents.hash,
};

/** Events behind a `seq`, in the order of the chain. */
export function listEvents(
  db: Db,
  workspaceId: WorkspaceId,
  query: { after: number; limit: number; action?: string | undefined; target?: string | undefined },
): Promise<AuditEventRow[]> {
  return db
    .select(COLUMNS)
    .from(auditEvents)
    .where(
      and(
        eq(auditEvents.workspaceId, workspaceId),
        gt(auditEvents.seq, query.after),
        query.action === undefined ? undefined : eq(auditEvents.action, query.action),
        query.target === undefined ? undefined : eq(auditEvents.target, query.target),
      ),
    )
    .orderBy(asc(auditEvents.seq))
    .limit(query.limit);
}

/** All events of some targets up to a time, in the order of the chain. */
export function eventsOf(
  db: Db,
  workspaceId: WorkspaceId,
  targets: readonly string[],
  until: Date,
): Promise<AuditEventRow[]> {
  return db
    .select(COLUMNS)
    .from(auditEvents)
    .where(
      and(
        eq(auditEvents.workspaceId, workspaceId),
        sql`${auditEvents.target} = any(${sql.param([...targets])}::text[])`,
        sql`${auditEvents.at} <= ${until.toISOString()}::timestamptz`,
      ),
    )
    .orderBy(asc(auditEvents.seq));
}

/** The last link of the chain. */
export async function chainHead(db: Db, workspaceId: WorkspaceId): Promise<{ seq: number; hash: string }> {
  const [head] = await db
    .select({ seq: auditHeads.seq, hash: auditHeads.hash })
    .from(auditHeads)
    .where(eq(auditHeads.workspaceId, workspaceId));
  return head ?? { seq: 0, hash: GENESIS_HASH };
}
