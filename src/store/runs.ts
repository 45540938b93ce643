import { and, desc, eq, getTableColumns, gte, lt, or, type SQL, sql } from 'drizzle-orm';
import {
  type CheckId,
  type MemberId,
  printId,
  type RunnerId,
  type TokenId,
  type WorkspaceId,
} from '../rules/format.js';
import { accept, type Refusal, type Result, refuse } from '../rules/refusal.js';
import { type RunStatus, runStatus } from '../rules/run.js';
import type { RunnerFacts } from '../rules/runner.js';
import { type RightFacts, type RunEnd, runEnd } from '../rules/token.js';
import { type Actor, lockAsDecided } from './authority.js';
import { type Db, inTransaction, type Tx } from './database.js';
import { type Origin, recordEvents } from './events.js';
import { isLapsed, isRunning, toldOf } from './leases.js';
import { notifyChange } from './notifications.js';
import { execChecks, members, runners, tokens, workflows, workspaces } from './schema.js';
import { MAX_SEARCHED, onAll, pathsOf, searchEnd } from './search.js';

/** A run as its row has it. */
export type RunRow = typeof execChecks.$inferSelect & {
  readonly runStatus: RunStatus;
  readonly leaseEndsAt: Date;
  readonly validUntil: Date;
};

/** A run as it is shown: with who made its token, and the runner that proved itself. */
export interface RunView {
  readonly run: RunRow;
  readonly creator: { readonly id: MemberId; readonly email: string; readonly name: string | null };
  readonly runner: { readonly id: RunnerId; readonly name: string } | null;
}

/** What a list of runs is narrowed to. `before` is an exclusive bound over ids. */
export interface RunQuery {
  readonly limit: number;
  readonly status: RunStatus;
  readonly before?: CheckId | undefined;
  readonly workflow?: string | undefined;
  readonly tokenId?: TokenId | undefined;
}

/** Runs as they are listed. What lies before `end`, where there is one, was not looked at. */
export interface RunList {
  readonly views: readonly RunView[];
  readonly end: CheckId | undefined;
}

/** One run. Gives `undefined` for a check that let nothing begin. */
export async function findRun(db: Db | Tx, workspaceId: WorkspaceId, id: CheckId): Promise<RunView | undefined> {
  const [found] = await select(db).where(and(eq(execChecks.workspaceId, workspaceId), eq(execChecks.id, id)));
  return found && viewOf(found);
}

/** Runs, newest first. Of those that are over it gives fewer than `limit` when it looked through as many as one page may. */
export async function listRuns(db: Db, workspaceId: WorkspaceId, query: RunQuery, now: Date): Promise<RunList> {
  const within = and(
    eq(execChecks.workspaceId, workspaceId),
    sql`${execChecks.runStatus} is not null`,
    query.before && lt(execChecks.id, query.before),
  );
  const paths = pathsOf([
    query.workflow === undefined ? undefined : [eq(execChecks.workflow, query.workflow)],
    query.tokenId && [eq(execChecks.tokenId, query.tokenId)],
  ]);
  const wanted = and(within, onAll(paths), isWith(query.status, now));
  if (query.status === 'running') {
    const newest = and(eq(execChecks.workspaceId, workspaceId), newestOf(wanted, query.limit));
    return { views: await page(db, newest, query.limit), end: undefined };
  }
  const end = await searchEnd<CheckId>(db, { table: execChecks, id: execChecks.id, within, paths }, MAX_SEARCHED);
  return { views: await page(db, and(wanted, end && gte(execChecks.id, end)), query.limit), end };
}

/** Renews the lease of a run. Refuses `run_state` when the run is over or its right to go on has ended, and `not_found`. What
 *  ends that right is read once nobody else changes the run, and not locked: whoever renews again and again, with a token
 *  that leaked, must not keep its revocation waiting. A renewal that comes after a revocation, a pause, a suspension or a
 *  stop was confirmed does not succeed. */
export function renewRun(db: Db, workspaceId: WorkspaceId, id: CheckId, now: Date): Promise<Result<RunView>> {
  const isNamed = and(eq(execChecks.workspaceId, workspaceId), eq(execChecks.id, id));
  return inTransaction(db, async (tx) => {
    await tx.select({ id: execChecks.id }).from(execChecks).where(isNamed).for('no key update');
    const [life] = await tx
      .select({
        isRevoked: sql<boolean>`${tokens.revokedAt} is not null`,
        isFrozen: sql<boolean>`${tokens.frozenAt} is not null`,
        creatorStatus: members.status,
        isWorkspaceSuspended: sql<boolean>`${workspaces.suspendedAt} is not null`,
        isWorkflowPaused: sql<boolean>`${workflows.pausedAt} is not null`,
        runner: { status: runners.status },
      })
      .from(execChecks)
      .innerJoin(tokens, and(eq(tokens.workspaceId, execChecks.workspaceId), eq(tokens.id, execChecks.tokenId)))
      .innerJoin(members, and(eq(members.workspaceId, tokens.workspaceId), eq(members.id, tokens.creatorId)))
      .innerJoin(workflows, and(eq(workflows.workspaceId, tokens.workspaceId), eq(workflows.label, tokens.workflow)))
      .innerJoin(workspaces, eq(workspaces.id, tokens.workspaceId))
      .leftJoin(runners, and(eq(runners.workspaceId, execChecks.workspaceId), eq(runners.id, execChecks.runnerId)))
      .where(isNamed);
    const ended = life && whyEnded(life);
    if (life && ended === undefined) {
      // Not shortened by a node whose clock is behind.
      const fresh = sql`greatest(${execChecks.leaseEndsAt}, ${now.toISOString()}::timestamptz + make_interval(secs => ${execChecks.leaseSeconds}))`;
      await tx
        .update(execChecks)
        .set({ leaseEndsAt: sql`least(${fresh}, ${execChecks.validUntil})` })
        .where(and(isNamed, isRunning(now)));
    }
    const view = await findRun(tx, workspaceId, id);
    if (view === undefined) return refuse({ kind: 'not_found' });
    const over = overBecause(view.run, ended, now);
    return over === undefined ? accept(view) : refuse(stateConflict(over));
  });
}

/** Ends the right to go on with a run. One that is stopped stays as it is. Refuses `run_state` when it is over otherwise. In
 *  effect when it returns: its place is free, and no renewal succeeds any more. */
export function stopRun(
  db: Db,
  id: CheckId,
  cause: { readonly reason: string | undefined; readonly actor: Actor; readonly origin: Origin },
  now: Date,
): Promise<Result<RunView>> {
  const { reason, actor, origin } = cause;
  const { workspaceId } = actor;
  const isNamed = and(eq(execChecks.workspaceId, workspaceId), eq(execChecks.id, id));
  return inTransaction(db, async (tx) => {
    const allowed = await lockAsDecided(tx, actor, 'issue');
    if (!allowed.ok) return allowed;
    await tx.select({ id: execChecks.id }).from(execChecks).where(isNamed).for('update');
    const before = await findRun(tx, workspaceId, id);
    if (before === undefined) return refuse({ kind: 'not_found' });
    const status = runStatus(before.run, now);
    if (status === 'stopped') return accept(before);
    if (status !== 'running') return refuse(stateConflict(`the run is ${status}: there is nothing to stop`));
    const stopped = {
      runStatus: 'stopped',
      stoppedAt: now,
      stoppedBy: origin.actorId,
      stoppedReason: reason ?? null,
    } as const;
    await tx.update(execChecks).set(stopped).where(isNamed);
    await notifyChange(tx, workspaceId);
    const event = {
      action: 'run.stopped',
      target: printId('run', id),
      data: { ...toldOf(before.run), ...(reason === undefined ? {} : { reason }) },
    } as const;
    await recordEvents(tx, workspaceId, origin, [event], now);
    return accept({ ...before, run: { ...before.run, ...stopped } });
  });
}

const ENDS: Record<RunEnd, string> = {
  revoked: 'the token was revoked',
  paused: 'the workflow is paused',
  suspended: 'the token is frozen, or its creator or workspace is suspended',
};

/** Why the right to go on has ended, under the token or through the runner. */
function whyEnded(life: Omit<RightFacts, 'runner'> & { readonly runner: Pick<RunnerFacts, 'status'> | null }) {
  const end = runEnd({ ...life, runner: undefined });
  if (end !== undefined) return ENDS[end];
  return life.runner === null || life.runner.status === 'active' ? undefined : `the runner is ${life.runner.status}`;
}

/** Why a run does not go on; `undefined` when it does. */
function overBecause(run: RunRow, ended: string | undefined, now: Date): string | undefined {
  const status = runStatus(run, now);
  if (status === 'finished') return 'the run is finished';
  if (status === 'stopped') return `the run was stopped${run.stoppedReason ? `: ${run.stoppedReason}` : ''}`;
  if (ended !== undefined) return ended;
  if (now >= run.validUntil) return `the run was allowed until ${run.validUntil.toISOString()} and no longer`;
  return status === 'lost' ? `the lease ran out at ${run.leaseEndsAt.toISOString()}` : undefined;
}

function stateConflict(detail: string): Refusal {
  return { kind: 'conflict', code: 'run_state', detail };
}

function isWith(status: RunStatus, now: Date): SQL | undefined {
  switch (status) {
    case 'running':
      return isRunning(now);
    case 'lost':
      return or(eq(execChecks.runStatus, status), isLapsed(now));
    case 'finished':
    case 'stopped':
      return eq(execChecks.runStatus, status);
  }
}

/** The newest of few rows. They are found first, by the index of what is running, and sorted then: the other way round, in
 *  the order of the ids, all that is over would be read in between. */
function newestOf(few: SQL | undefined, limit: number): SQL {
  return sql`${execChecks.id} in (
    select id from (select ${execChecks.id} as id from ${execChecks} where ${few} offset 0) few
    order by id desc limit ${limit})`;
}

async function page(db: Db, where: SQL | undefined, limit: number): Promise<RunView[]> {
  const rows = await select(db).where(where).orderBy(desc(execChecks.id)).limit(limit);
  return rows.flatMap((row) => viewOf(row) ?? []);
}

function select(db: Db | Tx) {
  return db
    .select({
      run: getTableColumns(execChecks),
      creator: { id: members.id, email: members.email, name: members.name },
      runner: { id: runners.id, name: runners.name },
    })
    .from(execChecks)
    .innerJoin(tokens, and(eq(tokens.workspaceId, execChecks.workspaceId), eq(tokens.id, execChecks.tokenId)))
    .innerJoin(members, and(eq(members.workspaceId, tokens.workspaceId), eq(members.id, tokens.creatorId)))
    .leftJoin(runners, and(eq(runners.workspaceId, execChecks.workspaceId), eq(runners.id, execChecks.runnerId)));
}

function viewOf(found: Awaited<ReturnType<typeof select>>[number]): RunView | undefined {
  const { run, creator, runner } = found;
  const { runStatus: status, leaseEndsAt, validUntil } = run;
  if (status === null || leaseEndsAt === null || validUntil === null) return undefined;
  return { run: { ...run, runStatus: status, leaseEndsAt, validUntil }, creator, runner };
}
