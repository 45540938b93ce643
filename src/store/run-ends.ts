import type { CheckId, WorkspaceId } from '../rules/format.js';
import type { RunnerStatus } from '../rules/runner.js';
import type { RunEnd } from '../rules/token.js';
import { type Batch, createBatch } from './batch.js';
import type { Database } from './database.js';

/** A run, by all of its key. */
export interface RunKey {
  readonly workspaceId: WorkspaceId;
  readonly id: CheckId;
}

/** What ended a run beside its token, and why somebody stopped it, where that was said. */
export interface RunEnding {
  readonly why: RunEnd | 'stopped';
  readonly reason?: string | undefined;
}

interface Row {
  readonly id: CheckId;
  readonly is_stopped: boolean;
  readonly stopped_reason: string | null;
  readonly runner_status: RunnerStatus | null;
}

const MAX_PER_STATEMENT = 1_000;
const MAX_WAITING = 100_000;

/** Reads what ends runs beside their tokens: that one was stopped, or that the runner it is on was suspended or removed.
 *  The watches of a node ask all at once, so that they share their statements. */
export function createRunEnds(database: Database): Batch<RunKey, RunEnding | undefined> {
  async function read(keys: readonly RunKey[]): Promise<(RunEnding | undefined)[]> {
    const workspaceIds = keys.map((key) => key.workspaceId);
    const ids = keys.map((key) => key.id);
    // Each by its key, which also names its partition: `offset 0` keeps them from being joined otherwise.
    const rows = await database.sql<Row[]>`
      select c.id, c.run_status is not distinct from 'stopped' as is_stopped, c.stopped_reason,
        r.status as runner_status
      from unnest(${workspaceIds}::uuid[], ${ids}::uuid[]) as wanted (workspace_id, id)
      cross join lateral (
        select e.workspace_id, e.id, e.run_status, e.stopped_reason, e.runner_id from exec_checks e
        where e.workspace_id = wanted.workspace_id and e.id = wanted.id offset 0
      ) c
      left join runners r on r.workspace_id = c.workspace_id and r.id = c.runner_id
      where c.run_status = 'stopped' or r.status <> 'active'`;
    const ends = new Map(rows.map((row) => [row.id, endOf(row)]));
    return keys.map(({ id }) => ends.get(id));
  }

  const bounds = { maxPerStatement: MAX_PER_STATEMENT, maxWaiting: MAX_WAITING, atOnce: 1 };
  return createBatch(read, bounds, (key) => key.workspaceId);
}

function endOf({ is_stopped, stopped_reason, runner_status }: Row): RunEnding {
  if (is_stopped) return { why: 'stopped', reason: stopped_reason ?? undefined };
  return { why: runner_status === 'removed' ? 'revoked' : 'suspended' };
}
