import { and, count, eq, sql } from 'drizzle-orm';
import type { Denial } from '../rules/exec-check.js';
import type { TokenId } from '../rules/format.js';
import { leaseEnd } from '../rules/run.js';
import { type RunLimits, runLimitDenials } from '../rules/run-limit.js';
import { type Batch, createBatch } from './batch.js';
import { ensurePartitions, isWithoutPartition, type NewCheck } from './checks.js';
import { type Database, type Db, inTransaction, type Tx } from './database.js';
import { isRunning, loseLapsed } from './leases.js';
import { execChecks, tokens, workflows } from './schema.js';

/** An allow that a limit of its workflow may turn into a denial. */
export type LimitedCheck = NewCheck & { readonly tokenId: NonNullable<NewCheck['tokenId']> };

/** Puts decisions on record under the limits of their workflows. */
export interface Admissions {
  /** Gives the decision as it is committed: the one that was brought, or a denial, `too_many_runs`. */
  admit(check: LimitedCheck): Promise<NewCheck>;
  length(): number;
}

const MAX_PER_TURN = 256;
const MAX_WAITING = 1024;

/** The checks of a workflow that wait for their turn. */
interface Queue {
  readonly batch: Batch<LimitedCheck, NewCheck>;
  waiting: number;
}

/** Decides about the runs of workflows that have a limit, apart from the other decisions and from each other. Those of one
 *  workflow that wait at the same time share a transaction, in which its row is locked: on all nodes of the database one
 *  counts at a time, and what it lets in is committed before the next one counts. What was asked before the workflow had a
 *  limit is not held back by it. */
export function createAdmissions(database: Database, now: () => Date): Admissions {
  const queues = new Map<string, Queue>();

  function queueOf({ workspaceId, workflow }: LimitedCheck): { readonly key: string; readonly queue: Queue } {
    const key = `${workspaceId} ${workflow}`;
    const bounds = { maxPerStatement: MAX_PER_TURN, maxWaiting: MAX_WAITING, atOnce: 1 };
    // One party: they are let in in the order in which they came.
    const queue = queues.get(key) ?? { batch: createBatch(admitAll, bounds, () => key), waiting: 0 };
    queues.set(key, queue);
    return { key, queue };
  }

  async function admitAll(checks: readonly LimitedCheck[]): Promise<NewCheck[]> {
    try {
      return await admitGroup(database.db, checks, now);
    } catch (error) {
      if (!isWithoutPartition(error)) throw error;
      for (const { asOf } of checks) await ensurePartitions(database.sql, asOf);
      return await admitGroup(database.db, checks, now);
    }
  }

  return {
    length: () => [...queues.values()].reduce((sum, { waiting }) => sum + waiting, 0),
    admit: async (check) => {
      const { key, queue } = queueOf(check);
      queue.waiting += 1;
      try {
        return await queue.batch.add(check);
      } finally {
        queue.waiting -= 1;
        if (queue.waiting === 0) queues.delete(key);
      }
    },
  };
}

/** Lets in as many as the limits of this moment allow, in the order in which they came, and puts all on record. A run whose
 *  lease ran out is marked as lost first: no clock of another node, which may be behind, can renew it any more when its place
 *  is given away. Their leases begin with the decision. */
function admitGroup(db: Db, group: readonly LimitedCheck[], clock: () => Date): Promise<NewCheck[]> {
  const [first] = group;
  if (first === undefined) return Promise.resolve([]);
  const { workspaceId, workflow } = first;
  return inTransaction(db, async (tx) => {
    const [row] = await tx
      .select({
        maxConcurrentRuns: workflows.maxConcurrentRuns,
        maxConcurrentRunsPerToken: workflows.maxConcurrentRunsPerToken,
      })
      .from(workflows)
      .where(and(eq(workflows.workspaceId, workspaceId), eq(workflows.label, workflow)))
      .for('no key update');
    // Not when they were asked: a lease that ran out while they waited here would give its place to another.
    const now = clock();
    const limits = {
      maxConcurrentRuns: row?.maxConcurrentRuns ?? undefined,
      maxConcurrentRunsPerToken: row?.maxConcurrentRunsPerToken ?? undefined,
    };
    const { recordLost } = await loseLapsed(tx, workspaceId, eq(execChecks.workflow, workflow), now);
    const underWay = await countRuns(tx, first, now);
    const arrivals = group.map(({ tokenId }) => tokenId);
    const denials =
      limits.maxConcurrentRunsPerToken === undefined
        ? runLimitDenials(workflow, limits, underWay, arrivals)
        : await denialsByLineage(tx, first, limits, underWay, arrivals);
    const decided = group.map((check, at): NewCheck => {
      const denial = denials[at];
      if (denial === undefined) return { ...check, lease: leaseFrom(now, check) };
      return { ...check, decision: 'deny', reasons: [denial], validUntil: undefined, lease: undefined };
    });
    await tx.insert(execChecks).values(decided.map(rowOf));
    await recordLost();
    return decided;
  });
}

function leaseFrom(now: Date, { lease, validUntil }: LimitedCheck): LimitedCheck['lease'] {
  return lease && validUntil && { seconds: lease.seconds, endsAt: leaseEnd(now, lease.seconds, validUntil) };
}

/** How many runs of a workflow are under way, by token. */
async function countRuns(tx: Tx, { workspaceId, workflow }: LimitedCheck, now: Date) {
  const rows = await tx
    .select({ tokenId: execChecks.tokenId, runs: count() })
    .from(execChecks)
    .where(and(eq(execChecks.workspaceId, workspaceId), eq(execChecks.workflow, workflow), isRunning(now)))
    .groupBy(execChecks.tokenId);
  return new Map(rows.flatMap(({ tokenId, runs }) => (tokenId === null ? [] : [[tokenId, runs] as const])));
}

/** Counts a token together with those that it was rotated from and to: a rotation gives no more than there was. */
async function denialsByLineage(
  tx: Tx,
  { workspaceId, workflow }: LimitedCheck,
  limits: RunLimits,
  underWay: ReadonlyMap<TokenId, number>,
  arrivals: readonly TokenId[],
): Promise<(Denial | undefined)[]> {
  const ids = [...new Set([...underWay.keys(), ...arrivals])];
  const rows = await tx
    .select({ id: tokens.id, lineageId: tokens.lineageId })
    .from(tokens)
    .where(and(eq(tokens.workspaceId, workspaceId), sql`${tokens.id} = any(${sql.param(ids)}::uuid[])`));
  const lineages = new Map(rows.map(({ id, lineageId }) => [id, lineageId]));
  const lineageOf = (id: TokenId) => lineages.get(id) ?? id;
  const counts = new Map<TokenId, number>();
  for (const [id, runs] of underWay) counts.set(lineageOf(id), (counts.get(lineageOf(id)) ?? 0) + runs);
  return runLimitDenials(workflow, limits, counts, arrivals.map(lineageOf));
}

function rowOf({ lease, reasons, scopes, context, ...check }: NewCheck): typeof execChecks.$inferInsert {
  return {
    ...check,
    reasons: [...reasons],
    scopes: [...scopes],
    context: { ...context },
    runStatus: lease && 'running',
    leaseSeconds: lease?.seconds,
    leaseEndsAt: lease?.endsAt,
  };
}
