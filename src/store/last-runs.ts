import { and, eq, sql } from 'drizzle-orm';
import type { CheckId, RunnerId, WorkspaceId } from '../rules/format.js';
import type { Db, Tx } from './database.js';
import { execChecks, runners } from './schema.js';

/** The last run that began by a token: where it said that it ran, and the runner that proved itself. */
export interface LastRun {
  readonly id: CheckId;
  readonly at: Date;
  readonly context: Readonly<Record<string, string>>;
  readonly runner: { readonly id: RunnerId; readonly name: string } | null;
}

/** Runs by the check that let them begin; those whose partition was dropped are none. The times in the ids bound the
 *  partitions that are looked at. */
export async function lastRuns(
  db: Db | Tx,
  workspaceId: WorkspaceId,
  ids: readonly CheckId[],
): Promise<ReadonlyMap<CheckId, LastRun>> {
  if (ids.length === 0) return new Map();
  const ordered = [...ids].sort();
  const rows = await db
    .select({
      id: execChecks.id,
      at: execChecks.asOf,
      context: execChecks.context,
      runner: { id: runners.id, name: runners.name },
    })
    .from(execChecks)
    .leftJoin(runners, and(eq(runners.workspaceId, execChecks.workspaceId), eq(runners.id, execChecks.runnerId)))
    .where(
      and(
        eq(execChecks.workspaceId, workspaceId),
        sql`${execChecks.id} between ${ordered[0]} and ${ordered.at(-1)}`,
        sql`${execChecks.id} = any(${sql.param(ordered)}::uuid[])`,
      ),
    );
  return new Map(rows.map((row) => [row.id, row]));
}
