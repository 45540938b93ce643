import { and, asc, eq, getTableColumns, gt, inArray, sql } from 'drizzle-orm';
import { canonicalJson } from '../rules/audit.js';
import { newId, printId, type WorkspaceId } from '../rules/format.js';
import { type Grantor, policyFault } from '../rules/grant.js';
import type { LeaverPolicy } from '../rules/leaver.js';
import { accept, invalid, type Refusal, type Result, refuse } from '../rules/refusal.js';
import { roleScopes } from '../rules/role.js';
import type { WorkflowPolicy } from '../rules/workflow.js';
import { newPlaces } from '../rules/workflow-rotation.js';
import { type Actor, lockAsDecided } from './authority.js';
import { type Db, inTransaction, type Tx } from './database.js';
import { type Origin, recordEvents } from './events.js';
import { notifyChange } from './notifications.js';
import { members, workflows } from './schema.js';
import { shownRotations } from './workflow-rotations.js';

// The tool rules are large, and read on their own (`store/tool-rules`).
const { toolRules: _, ...COLUMNS } = getTableColumns(workflows);

export type WorkflowRow = Omit<typeof workflows.$inferSelect, 'toolRules'>;

/** One workflow, by its label. */
export async function findWorkflow(db: Db, workspaceId: WorkspaceId, label: string): Promise<WorkflowRow | undefined> {
  const [row] = await db.select(COLUMNS).from(workflows).where(labelIs(workspaceId, label));
  return row;
}

/** Some workflows, by their labels. */
export async function findWorkflows(
  db: Db,
  workspaceId: WorkspaceId,
  labels: readonly string[],
): Promise<ReadonlyMap<string, WorkflowRow>> {
  return byLabel(await db.select(COLUMNS).from(workflows).where(labelsAre(workspaceId, labels)));
}

/** Some workflows, by their labels, which stay as they are to the end of the transaction. */
export async function holdWorkflows(
  tx: Tx,
  workspaceId: WorkspaceId,
  labels: readonly string[],
): Promise<ReadonlyMap<string, WorkflowRow>> {
  const rows = tx.select(COLUMNS).from(workflows).where(labelsAre(workspaceId, labels)).orderBy(workflows.label);
  return byLabel(await rows.for('key share'));
}

/** Workflows in the order of their labels, by code point. `after` is exclusive. */
export function listWorkflows(
  db: Db,
  workspaceId: WorkspaceId,
  query: { readonly limit: number; readonly after: string | undefined },
): Promise<WorkflowRow[]> {
  return db
    .select(COLUMNS)
    .from(workflows)
    .where(
      and(eq(workflows.workspaceId, workspaceId), query.after === undefined ? undefined : gt(byCodePoint, query.after)),
    )
    .orderBy(asc(byCodePoint))
    .limit(query.limit);
}

/** Makes a workflow or replaces its policy. One that is paused stays so. A policy that is the same changes nothing.
 *  Refuses what is not the grantor's to give, seen beside the policy that it replaces, and a successor who could take nothing
 *  over, unless it was named before. */
export function putWorkflow(
  db: Db,
  label: string,
  policy: WorkflowPolicy,
  by: {
    readonly actor: Actor;
    readonly grantor: Grantor;
    readonly origin: Origin;
    /** Why its secrets may be directed to no other place than before, if so. */
    readonly newPlaceRefusal: Refusal | undefined;
  },
  now: Date,
): Promise<Result<{ readonly isNew: boolean; readonly row: WorkflowRow }>> {
  const { workspaceId } = by.actor;
  return inTransaction(db, async (tx) => {
    const allowed = await lockAsDecided(tx, by.actor, 'issue');
    if (!allowed.ok) return allowed;
    const refusal = (before: WorkflowRow | undefined): Refusal | undefined => {
      const detail = policyFault(by.grantor, before && policyOf(before), policy);
      if (detail !== undefined) return { kind: 'not_allowed', detail };
      return newPlaces(before?.rotations ?? [], policy.rotations ?? []).length > 0 ? by.newPlaceRefusal : undefined;
    };
    const isSuccessor = await canTakeOver(tx, workspaceId, policy.leaver);
    const found = await lockWorkflow(tx, workspaceId, label);
    if (!isSuccessor && !isSame(shownLeaver(found && leaverOf(found)), shownLeaver(policy.leaver))) {
      return invalid(['leaver', 'successor_id'], 'is not an active member of this workspace who may mint tokens');
    }
    const beyond = refusal(found);
    if (beyond) return refuse(beyond);
    if (found === undefined) {
      const made = await insertWorkflow(tx, workspaceId, label, policy, by.origin, now);
      if (made) return accept({ isNew: true, row: made });
    }
    // Another request made it just now: then that one's policy is the one before.
    const before = found ?? (await lockWorkflow(tx, workspaceId, label));
    if (before === undefined) throw new Error('a workflow went away');
    const stillBeyond = found ? undefined : refusal(before);
    if (stillBeyond) return refuse(stillBeyond);
    if (isSame(policyOf(before), policy)) return accept({ isNew: false, row: before });
    const [row] = await tx
      .update(workflows)
      .set({ ...mutable(policy), updatedAt: now })
      .where(labelIs(workspaceId, label))
      .returning(COLUMNS);
    if (row === undefined) throw new Error('a workflow went away');
    const event = {
      action: 'workflow.updated',
      target: printId('wfl', row.id),
      data: changed(before, policy),
    } as const;
    await recordEvents(tx, workspaceId, by.origin, [event], now);
    return accept({ isNew: false, row });
  });
}

/** Makes a workflow, within a transaction. Gives `undefined` when the label is taken. */
export async function insertWorkflow(
  tx: Tx,
  workspaceId: WorkspaceId,
  label: string,
  policy: WorkflowPolicy,
  origin: Origin,
  now: Date,
): Promise<WorkflowRow | undefined> {
  const values = { workspaceId, id: newId('wfl', now), label, ...mutable(policy), createdAt: now, updatedAt: now };
  const [row] = await tx.insert(workflows).values(values).onConflictDoNothing().returning(COLUMNS);
  if (row === undefined) return undefined;
  const event = {
    action: 'workflow.created',
    target: printId('wfl', row.id),
    data: { label, ...shown(policy) },
  } as const;
  await recordEvents(tx, workspaceId, origin, [event], now);
  return row;
}

/** Pauses or resumes a workflow. Once is enough: again changes nothing. Refuses `not_found`. */
export function setPaused(
  db: Db,
  label: string,
  isPaused: boolean,
  by: { readonly actor: Actor; readonly origin: Origin },
  now: Date,
): Promise<Result<WorkflowRow>> {
  const { workspaceId } = by.actor;
  return inTransaction(db, async (tx) => {
    // What the tokens of the workflow do meanwhile is waited for: from the answer on they do nothing.
    const allowed = await lockAsDecided(tx, by.actor, isPaused ? 'end' : 'issue');
    if (!allowed.ok) return allowed;
    const before = await lockWorkflow(tx, workspaceId, label);
    if (before === undefined) return refuse({ kind: 'not_found' });
    if ((before.pausedAt !== null) === isPaused) return accept(before);
    const [row] = await tx
      .update(workflows)
      .set({ pausedAt: isPaused ? now : null, updatedAt: now })
      .where(labelIs(workspaceId, label))
      .returning(COLUMNS);
    if (row === undefined) throw new Error('a workflow went away');
    await notifyChange(tx, workspaceId);
    const action = isPaused ? 'workflow.paused' : 'workflow.resumed';
    const event = { action, target: printId('wfl', before.id), data: { label } } as const;
    await recordEvents(tx, workspaceId, by.origin, [event], now);
    return accept(row);
  });
}

/** The policy of a row. */
export function policyOf(row: WorkflowRow): WorkflowPolicy {
  return {
    description: row.description,
    allowedScopes: row.allowedScopes,
    allowedExpiryDays: row.allowedExpiryDays,
    constraints: row.constraints,
    maxRunSeconds: row.maxRunSeconds,
    maxConcurrentRuns: row.maxConcurrentRuns ?? undefined,
    maxConcurrentRunsPerToken: row.maxConcurrentRunsPerToken ?? undefined,
    leaver: leaverOf(row),
    reuseRule: row.reuseRule ?? 'alarm',
    contacts: row.contacts ?? [],
    rotations: row.rotations ?? [],
  };
}

/** What a row says about leavers. */
export function leaverOf(
  row: Pick<WorkflowRow, 'leaverRule' | 'leaverSuccessorId' | 'leaverWindowDays'>,
): LeaverPolicy | undefined {
  const { leaverRule: rule, leaverSuccessorId: successorId, leaverWindowDays: windowDays } = row;
  if (rule === null) return undefined;
  if (rule !== 'transfer') return { rule };
  if (successorId === null || windowDays === null) throw new Error('a transfer to nobody');
  return { rule, successorId, windowDays };
}

const byCodePoint = sql<string>`${workflows.label} collate "C"`;

function labelIs(workspaceId: WorkspaceId, label: string) {
  return and(eq(workflows.workspaceId, workspaceId), eq(workflows.label, label));
}

function labelsAre(workspaceId: WorkspaceId, labels: readonly string[]) {
  return and(eq(workflows.workspaceId, workspaceId), inArray(workflows.label, [...labels]));
}

function byLabel(rows: readonly WorkflowRow[]): ReadonlyMap<string, WorkflowRow> {
  return new Map(rows.map((row) => [row.label, row]));
}

/** Whether the named successor, if there is one, is somebody who could hold a token. */
async function canTakeOver(tx: Tx, workspaceId: WorkspaceId, leaver: LeaverPolicy | undefined): Promise<boolean> {
  if (leaver?.rule !== 'transfer') return true;
  const [member] = await tx
    .select({ role: members.role })
    .from(members)
    .where(and(eq(members.workspaceId, workspaceId), eq(members.id, leaver.successorId), eq(members.status, 'active')))
    .for('share');
  return member !== undefined && roleScopes(member.role).includes('tokens:mint');
}

async function lockWorkflow(tx: Tx, workspaceId: WorkspaceId, label: string): Promise<WorkflowRow | undefined> {
  const [row] = await tx.select(COLUMNS).from(workflows).where(labelIs(workspaceId, label)).for('update');
  return row;
}

function mutable({ leaver, ...policy }: WorkflowPolicy) {
  const transfer = leaver?.rule === 'transfer' ? leaver : undefined;
  return {
    ...policy,
    leaverRule: leaver?.rule ?? null,
    leaverSuccessorId: transfer?.successorId ?? null,
    leaverWindowDays: transfer?.windowDays ?? null,
    reuseRule: policy.reuseRule === 'revoke' ? policy.reuseRule : null,
    allowedScopes: [...policy.allowedScopes],
    allowedExpiryDays: [...policy.allowedExpiryDays],
    maxConcurrentRuns: policy.maxConcurrentRuns ?? null,
    maxConcurrentRunsPerToken: policy.maxConcurrentRunsPerToken ?? null,
    rotations: policy.rotations === undefined || policy.rotations.length === 0 ? null : policy.rotations,
    contacts: policy.contacts === undefined || policy.contacts.length === 0 ? null : [...policy.contacts],
  };
}

/** A policy in the wire's words, as the audit trail keeps it. */
function shown(policy: WorkflowPolicy): Record<string, unknown> {
  return {
    description: policy.description,
    allowed_scopes: policy.allowedScopes,
    allowed_expiry_days: policy.allowedExpiryDays,
    constraints: policy.constraints,
    max_run_seconds: policy.maxRunSeconds,
    max_concurrent_runs: policy.maxConcurrentRuns ?? null,
    max_concurrent_runs_per_token: policy.maxConcurrentRunsPerToken ?? null,
    leaver: shownLeaver(policy.leaver),
    reuse_rule: policy.reuseRule ?? 'alarm',
    contacts: policy.contacts ?? [],
    rotations: shownRotations(policy.rotations ?? []),
  };
}

function shownLeaver(leaver: LeaverPolicy | undefined): Record<string, unknown> | null {
  if (leaver === undefined) return null;
  if (leaver.rule !== 'transfer') return { rule: leaver.rule };
  const { rule, successorId, windowDays } = leaver;
  return { rule, successor_id: printId('mem', successorId), window_days: windowDays };
}

function changed(before: WorkflowRow, policy: WorkflowPolicy): Record<string, unknown> {
  const old = shown(policyOf(before));
  const changes = Object.entries(shown(policy)).filter(([key, value]) => !isSame(old[key], value));
  return { label: before.label, ...Object.fromEntries(changes) };
}

function isSame(a: unknown, b: unknown): boolean {
  return canonicalJson(a) === canonicalJson(b);
}
