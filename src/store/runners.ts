import { and, asc, eq, gt, ne, sql } from 'drizzle-orm';
import { type MemberId, printId, type RunnerId, type TokenId, type WorkspaceId } from '../rules/format.js';
import { accept, type Result, refuse } from '../rules/refusal.js';
import { type Actor, lockAsDecided } from './authority.js';
import { sqlState } from './connect.js';
import { type Db, inTransaction, type Tx } from './database.js';
import { type AuditAction, type Origin, recordEvents } from './events.js';
import { notifyChange } from './notifications.js';
import { revokeWhere } from './revocations.js';
import { members, runners, tokens } from './schema.js';

export type RunnerRow = typeof runners.$inferSelect;

/** A runner as it is shown: with who approved it, and what its newest token tells. */
export interface RunnerView {
  readonly runner: RunnerRow;
  readonly approver: { readonly id: MemberId; readonly email: string; readonly name: string | null };
  readonly token: { readonly id: TokenId; readonly expiresAt: Date } | undefined;
  readonly lastSeenAt: Date | undefined;
}

/** Which runner is changed, and with which token. */
export interface RunnerChange {
  readonly workspaceId: WorkspaceId;
  readonly id: RunnerId;
  readonly actor: Actor;
  readonly origin: Origin;
  readonly now: Date;
}

const UNIQUE_VIOLATION = '23505';

/** One runner, removed or not. */
export async function findRunner(db: Db | Tx, workspaceId: WorkspaceId, id: RunnerId): Promise<RunnerView | undefined> {
  const [row] = await viewQuery(db).where(idIs(workspaceId, id));
  const [view] = row ? await withTokens(db, workspaceId, [row]) : [];
  return view;
}

/** The runners of a workspace, oldest first, without those removed. `after` is exclusive. */
export async function listRunners(
  db: Db,
  workspaceId: WorkspaceId,
  query: { readonly limit: number; readonly after: RunnerId | undefined },
): Promise<RunnerView[]> {
  const rows = await viewQuery(db)
    .where(
      and(
        eq(runners.workspaceId, workspaceId),
        ne(runners.status, 'removed'),
        query.after && gt(runners.id, query.after),
      ),
    )
    .orderBy(asc(runners.id))
    .limit(query.limit);
  return withTokens(db, workspaceId, rows);
}

/** Gives a runner another name, other labels, or both: what constraints see of it from now on. */
export async function describeRunner(
  db: Db,
  change: RunnerChange,
  set: { readonly name?: string | undefined; readonly labels?: readonly string[] | undefined },
): Promise<Result<RunnerView>> {
  try {
    return await changeRunner(db, change, async (tx, runner) => {
      const name = set.name ?? runner.name;
      const labels = [...(set.labels ?? runner.labels)];
      if (name === runner.name && labels.join() === runner.labels.join()) return;
      await tx.update(runners).set({ name, labels }).where(idIs(change.workspaceId, change.id));
      await record(tx, change, 'runner.changed', { name, labels });
    });
  } catch (error) {
    if (sqlState(error) !== UNIQUE_VIOLATION) throw error;
    return runnerExists(`a runner of this workspace is named ${set.name ?? ''} already`);
  }
}

/** Makes a runner's token inactive, and ends the jobs that it is running. Again changes nothing. */
export function suspendRunner(db: Db, change: RunnerChange): Promise<Result<RunnerView>> {
  return changeRunner(db, change, async (tx, runner) => {
    if (runner.status === 'suspended') return;
    await tx.update(runners).set({ status: 'suspended' }).where(idIs(change.workspaceId, change.id));
    await notifyChange(tx, change.workspaceId);
    await record(tx, change, 'runner.suspended', { name: runner.name });
  });
}

/** Lets a suspended runner's token be active again, unless it ended meanwhile. */
export function reactivateRunner(db: Db, change: RunnerChange): Promise<Result<RunnerView>> {
  return changeRunner(db, change, async (tx, runner) => {
    if (runner.status === 'active') return;
    await tx.update(runners).set({ status: 'active' }).where(idIs(change.workspaceId, change.id));
    await record(tx, change, 'runner.reactivated', { name: runner.name });
  });
}

/** Removes a runner and revokes its tokens, for good; the jobs that it is running end. Its name and its key are free. */
export function removeRunner(db: Db, change: RunnerChange): Promise<Result<RunnerView>> {
  return changeRunner(db, change, async (tx, runner) => {
    await tx.update(runners).set({ status: 'removed' }).where(idIs(change.workspaceId, change.id));
    await notifyChange(tx, change.workspaceId);
    const cause = { reason: 'other', note: 'its runner was removed', origin: change.origin } as const;
    await revokeWhere(tx, change.workspaceId, eq(tokens.runnerId, change.id), cause, change.now);
    await record(tx, change, 'runner.removed', { name: runner.name });
  });
}

/** A name or a key that is in use. */
export function runnerExists(detail: string) {
  return refuse({ kind: 'conflict', code: 'runner_exists', detail });
}

/** Locks the workspace first, so that no token of the runner is issued past its end, then the runner. Whose token was
 *  revoked since the request arrived changes nothing any more. */
function changeRunner(
  db: Db,
  change: RunnerChange,
  act: (tx: Tx, runner: RunnerRow) => Promise<void>,
): Promise<Result<RunnerView>> {
  return inTransaction(db, async (tx) => {
    const allowed = await lockAsDecided(tx, change.actor, 'end');
    if (!allowed.ok) return allowed;
    const [runner] = await tx.select().from(runners).where(idIs(change.workspaceId, change.id)).for('update');
    if (runner === undefined || runner.status === 'removed') return refuse({ kind: 'not_found' });
    await act(tx, runner);
    const view = await findRunner(tx, change.workspaceId, change.id);
    return view ? accept(view) : refuse({ kind: 'not_found' });
  });
}

function record(tx: Tx, change: RunnerChange, action: AuditAction, data: Record<string, unknown>): Promise<void> {
  const event = { action, target: printId('rnr', change.id), data };
  return recordEvents(tx, change.workspaceId, change.origin, [event], change.now);
}

function viewQuery(db: Db | Tx) {
  return db
    .select({ runner: runners, approver: { id: members.id, email: members.email, name: members.name } })
    .from(runners)
    .innerJoin(members, and(eq(members.workspaceId, runners.workspaceId), eq(members.id, runners.createdBy)));
}

/** Adds what the tokens tell: when one was last used is when the runner was last seen. So that a use writes one row. */
async function withTokens(
  db: Db | Tx,
  workspaceId: WorkspaceId,
  rows: readonly Pick<RunnerView, 'runner' | 'approver'>[],
): Promise<RunnerView[]> {
  const ids = rows.map(({ runner }) => runner.id);
  const found = await db
    .select({
      id: tokens.id,
      runnerId: tokens.runnerId,
      expiresAt: tokens.expiresAt,
      lastUsedAt: tokens.lastUsedAt,
    })
    .from(tokens)
    .where(and(eq(tokens.workspaceId, workspaceId), sql`${tokens.runnerId} = any(${sql.param(ids)}::uuid[])`))
    .orderBy(asc(tokens.id));
  return rows.map((row) => {
    const own = found.filter(({ runnerId }) => runnerId === row.runner.id);
    const seen = own.flatMap(({ lastUsedAt }) => (lastUsedAt ? [lastUsedAt.getTime()] : []));
    return {
      ...row,
      token: own.at(-1),
      lastSeenAt: seen.length === 0 ? undefined : new Date(Math.max(...seen)),
    };
  });
}

function idIs(workspaceId: WorkspaceId, id: RunnerId) {
  return and(eq(runners.workspaceId, workspaceId), eq(runners.id, id));
}
