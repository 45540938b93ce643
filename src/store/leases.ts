import { and, asc, eq, gt, lte, type SQL, sql } from 'drizzle-orm';
import { printId, type TokenId, type WorkspaceId } from '../rules/format.js';
import { type Db, inTransaction, type Tx } from './database.js';
import { type NewEvent, recordEvents, SYSTEM } from './events.js';
import { execChecks } from './schema.js';

const LEASES_LOCK = 4_837_201_186;
const MAX_AT_ONCE = 1_000;

// Written out: with a parameter in its place a plan for any value does not use the index of what is running.
const IS_MARKED_RUNNING = sql`${execChecks.runStatus} = 'running'`;

/** A run whose lease lasts. */
export function isRunning(now: Date): SQL | undefined {
  return and(IS_MARKED_RUNNING, gt(execChecks.leaseEndsAt, now));
}

/** A run whose lease ran out, and which nobody has marked. */
export function isLapsed(now: Date): SQL | undefined {
  return and(IS_MARKED_RUNNING, lte(execChecks.leaseEndsAt, now));
}

/** What an event tells of a run beside its id. */
export function toldOf(run: { readonly workflow: string; readonly tokenId: TokenId | null }): Record<string, unknown> {
  return { workflow: run.workflow, token: run.tokenId && printId('tok', run.tokenId) };
}

/** Marks the runs whose lease ran out as lost, each with its event, a thousand in a transaction. Of all processes on a
 *  database one at a time does it. Gives how many it marked. */
export async function loseLeases(db: Db, now: Date): Promise<number> {
  const found = await db.selectDistinct({ workspaceId: execChecks.workspaceId }).from(execChecks).where(isLapsed(now));
  let lost = 0;
  // In turns, so that a workspace with many does not keep the others waiting.
  for (let open = found.map(({ workspaceId }) => workspaceId); open.length > 0; ) {
    const more: WorkspaceId[] = [];
    for (const workspaceId of open) {
      const count = await loseSome(db, workspaceId, now);
      lost += count;
      if (count === MAX_AT_ONCE) more.push(workspaceId);
    }
    open = more;
  }
  return lost;
}

function loseSome(db: Db, workspaceId: WorkspaceId, now: Date): Promise<number> {
  return inTransaction(db, async (tx) => {
    const [lock] = await tx.execute<{ taken: boolean }>(
      sql`select pg_try_advisory_xact_lock(${LEASES_LOCK}::bigint) as taken`,
    );
    if (lock?.taken !== true) return 0;
    const { count, recordLost } = await loseLapsed(tx, workspaceId, undefined, now, MAX_AT_ONCE);
    await recordLost();
    return count;
  });
}

/** Marks runs of a workspace whose lease ran out as lost. Gives how many, and what puts their events on record, which the
 *  transaction does last. */
export async function loseLapsed(
  tx: Tx,
  workspaceId: WorkspaceId,
  where: SQL | undefined,
  now: Date,
  limit?: number,
): Promise<{ readonly count: number; recordLost(): Promise<void> }> {
  const lapsed = tx
    .select({ id: execChecks.id, workflow: execChecks.workflow, tokenId: execChecks.tokenId })
    .from(execChecks)
    .where(and(eq(execChecks.workspaceId, workspaceId), where, isLapsed(now)))
    // Locked in the order of their ids, so that two that mark never wait for each other in a circle.
    .orderBy(asc(execChecks.id));
  const rows = await (limit === undefined ? lapsed : lapsed.limit(limit)).for('update');
  const ids = rows.map(({ id }) => id);
  if (ids.length > 0) {
    await tx
      .update(execChecks)
      .set({ runStatus: 'lost' })
      .where(and(eq(execChecks.workspaceId, workspaceId), sql`${execChecks.id} = any(${sql.param(ids)}::uuid[])`));
  }
  const events = rows.map((row): NewEvent => {
    return { action: 'run.lost', target: printId('run', row.id), data: toldOf(row) };
  });
  return { count: rows.length, recordLost: () => recordEvents(tx, workspaceId, SYSTEM, events, now) };
}
