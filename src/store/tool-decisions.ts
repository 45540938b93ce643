import { and, count, desc, eq, gte, inArray, lt } from 'drizzle-orm';
import type { CheckId, ToolDecisionId, WorkspaceId } from '../rules/format.js';
import { addDays } from '../rules/lifetime.js';
import { accept, type Result, refuse } from '../rules/refusal.js';
import { MAX_TOOL_DECISIONS, type ToolDecisionRecord } from '../rules/tool-decision.js';
import type { TransactionSql } from './connect.js';
import { type Db, inTransaction } from './database.js';
import { execChecks, toolDecisions } from './schema.js';
import { MAX_SEARCHED, searchEnd } from './search.js';

export type ToolDecisionRow = typeof toolDecisions.$inferSelect;

const RETENTION_DAYS = 90;
const MAX_PER_DELETION = 10_000;

/** Puts decisions of a run on record; those that are on record already are left as they are, so that a batch may be sent
 *  again. Gives how many of them the run has now. Refuses `decisions_full`, and records none, when they are too many. */
export function recordToolDecisions(
  db: Db,
  workspaceId: WorkspaceId,
  checkId: CheckId,
  decisions: readonly ToolDecisionRecord[],
): Promise<Result<number>> {
  return inTransaction(db, async (tx) => {
    // One batch of a run at a time, so that none is let in beside another.
    await tx
      .select({ id: execChecks.id })
      .from(execChecks)
      .where(and(eq(execChecks.workspaceId, workspaceId), eq(execChecks.id, checkId)))
      .for('no key update');
    const ids = [...new Set(decisions.map((decision) => decision.id))];
    const named = and(eq(toolDecisions.workspaceId, workspaceId), inArray(toolDecisions.id, ids));
    const known = await tx.select({ checkId: toolDecisions.checkId }).from(toolDecisions).where(named);
    const room = MAX_TOOL_DECISIONS - (ids.length - known.length);
    const some = tx.select({ id: toolDecisions.id }).from(toolDecisions).where(ofRun(workspaceId, checkId));
    const [there] = await tx.select({ rows: count() }).from(some.limit(room + 1).as('some'));
    if (known.length < ids.length && (there?.rows ?? 0) > room) {
      const detail = `a run has ${MAX_TOOL_DECISIONS} decisions on record at most`;
      return refuse({ kind: 'conflict', code: 'decisions_full', detail });
    }
    const rows = decisions.map((decision) => ({
      ...decision,
      workspaceId,
      checkId,
      tool: decision.tool ?? null,
      rule: decision.rule ?? null,
    }));
    const made = await tx
      .insert(toolDecisions)
      .values(rows)
      .onConflictDoNothing()
      .returning({ checkId: toolDecisions.checkId });
    return accept([...known, ...made].filter((row) => row.checkId === checkId).length);
  });
}

/** What a list of decisions is narrowed to. `before` is an exclusive bound over ids. */
export interface ToolDecisionQuery {
  readonly limit: number;
  readonly before?: ToolDecisionId | undefined;
  readonly decision?: ToolDecisionRow['decision'] | undefined;
}

/** Decisions as they are listed. What lies before `end`, where there is one, was not looked at. */
export interface ToolDecisionList {
  readonly rows: readonly ToolDecisionRow[];
  readonly end: ToolDecisionId | undefined;
}

/** Decisions of a run, newest first. Narrowed, it gives fewer than `limit` when it looked through as many as one page may. */
export async function listToolDecisions(
  db: Db,
  workspaceId: WorkspaceId,
  checkId: CheckId,
  query: ToolDecisionQuery,
): Promise<ToolDecisionList> {
  const { before, decision, limit } = query;
  const within = and(ofRun(workspaceId, checkId), before && lt(toolDecisions.id, before));
  const searched = { table: toolDecisions, id: toolDecisions.id, within, paths: [] };
  const end = decision && (await searchEnd<ToolDecisionId>(db, searched, MAX_SEARCHED));
  const rows = await db
    .select()
    .from(toolDecisions)
    .where(and(within, end && gte(toolDecisions.id, end), decision && eq(toolDecisions.decision, decision)))
    .orderBy(desc(toolDecisions.id))
    .limit(limit);
  return { rows, end };
}

/** Deletes decisions of more than 90 days ago, 10 000 at most. Gives whether there may be more of them. */
export async function dropOldDecisions(tx: TransactionSql, now: Date): Promise<boolean> {
  const oldest = addDays(now, -RETENTION_DAYS).toISOString();
  const { count: deleted } = await tx`
    delete from tool_decisions where ctid = any(array(
      select ctid from tool_decisions where at < ${oldest} order by at limit ${MAX_PER_DELETION}))`;
  return deleted === MAX_PER_DELETION;
}

function ofRun(workspaceId: WorkspaceId, checkId: CheckId) {
  return and(eq(toolDecisions.workspaceId, workspaceId), eq(toolDecisions.checkId, checkId));
}
