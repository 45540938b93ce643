import { and, desc, eq, gt, gte, isNull, lt, sql } from 'drizzle-orm';
import type { Denial } from '../rules/exec-check.js';
import { type CheckId, idFloor, type RunnerId, type TokenId, type WorkspaceId } from '../rules/format.js';
import { createBatch } from './batch.js';
import { type ConnectionOptions, type Sql, sqlState, type TransactionSql } from './connect.js';
import type { Db } from './database.js';
import { isRunning } from './leases.js';
import { openLine } from './line.js';
import { unlessLost } from './pool.js';
import { execChecks } from './schema.js';
import { MAX_SEARCHED, onAll, pathsOf, searchEnd } from './search.js';

export interface NewCheck {
  readonly id: CheckId;
  readonly workspaceId: WorkspaceId;
  readonly decision: 'allow' | 'deny';
  readonly reasons: readonly Denial[];
  readonly asOf: Date;
  readonly validUntil: Date | undefined;
  /** The token that was checked, when it is one of this workspace. */
  readonly tokenId: TokenId | undefined;
  readonly callerTokenId: TokenId;
  /** The runner that the caller has proven to be. */
  readonly runnerId: RunnerId | undefined;
  readonly workflow: string;
  readonly scopes: readonly string[];
  readonly context: Readonly<Record<string, string>>;
  readonly ip: string | undefined;
  /** Of the run that an allow begins. */
  readonly lease: { readonly seconds: number; readonly endsAt: Date } | undefined;
}

export type CheckRow = typeof execChecks.$inferSelect;

/** Puts decisions on record. Those that arrive while a statement is in flight are committed together by the next. */
export interface CheckLog {
  /** Gives back when the decision is committed. */
  record(check: NewCheck): Promise<void>;
  length(): number;
  close(): Promise<void>;
}

const MAX_PER_STATEMENT = 256;
const MAX_WAITING = 1024;
const RETENTION_MONTHS = 13;
const DROP_LOCK_TIMEOUT = '200ms';
const PARTITION_LOCK = 4_837_201_184;
// check_violation, which PostgreSQL answers when no partition takes a row.
const NO_PARTITION = '23514';

/** Opens the connection of the decisions, apart from the pool of the transactions. `onHang` is told when the database did
 *  not answer in time. */
export function createCheckLog(options: ConnectionOptions, onHang: () => void): CheckLog {
  const line = openLine(options, 1, onHang);

  async function insert(checks: readonly NewCheck[]): Promise<undefined[]> {
    const rows = checks.map((check) => ({
      workspace_id: check.workspaceId,
      id: check.id,
      decision: check.decision,
      reasons: check.reasons,
      as_of: check.asOf.toISOString(),
      valid_until: check.validUntil?.toISOString() ?? null,
      token_id: check.tokenId ?? null,
      caller_token_id: check.callerTokenId,
      runner_id: check.runnerId ?? null,
      workflow: check.workflow,
      scopes: check.scopes,
      context: check.context,
      ip: check.ip ?? null,
      run_status: check.lease && 'running',
      lease_seconds: check.lease?.seconds,
      lease_ends_at: check.lease?.endsAt.toISOString(),
    }));
    await line.run(
      (sql) => sql`
      insert into exec_checks (workspace_id, id, decision, reasons, as_of, valid_until, token_id, caller_token_id,
        runner_id, workflow, scopes, context, ip, run_status, lease_seconds, lease_ends_at)
      select r.workspace_id, r.id, r.decision, r.reasons, r.as_of, r.valid_until, r.token_id, r.caller_token_id,
        r.runner_id, r.workflow, array(select jsonb_array_elements_text(r.scopes)), r.context, r.ip,
        r.run_status, r.lease_seconds, r.lease_ends_at
      from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb) as r(workspace_id uuid, id uuid, decision text, reasons jsonb,
        as_of timestamptz, valid_until timestamptz, token_id uuid, caller_token_id uuid, runner_id uuid, workflow text,
        scopes jsonb, context jsonb, ip text, run_status text, lease_seconds int, lease_ends_at timestamptz)`,
    );
    return checks.map(() => undefined);
  }

  async function record(checks: readonly NewCheck[]): Promise<undefined[]> {
    try {
      return await insert(checks);
    } catch (error) {
      if (!isWithoutPartition(error)) throw error;
      // A month that no job has prepared: the service was down at its turn, or the clock was set.
      for (const check of checks) await line.run((sql) => ensurePartition(sql, monthOf(check.asOf)));
      return await insert(checks);
    }
  }

  const batch = createBatch(
    record,
    { maxPerStatement: MAX_PER_STATEMENT, maxWaiting: MAX_WAITING, atOnce: 1 },
    (check) => check.workspaceId,
  );
  return { record: batch.add, length: batch.length, close: line.close };
}

/** Whether an insert found no partition that takes its row. */
export function isWithoutPartition(error: unknown): boolean {
  return sqlState(error) === NO_PARTITION;
}

/** What a list of decisions is narrowed to. `before` and `after` are exclusive bounds over ids. */
export interface CheckQuery {
  readonly limit: number;
  readonly before?: CheckId | undefined;
  readonly after?: CheckId | undefined;
  readonly workflow?: string | undefined;
  readonly tokenId?: TokenId | undefined;
  readonly decision?: 'allow' | 'deny' | undefined;
}

/** Decisions as they are listed. What lies before `end`, where there is one, was not looked at. */
export interface CheckList {
  readonly rows: readonly CheckRow[];
  readonly end: CheckId | undefined;
}

/** Decisions, newest first. Gives fewer than `limit` when it looked through as many as one page may. */
export async function listChecks(db: Db, workspaceId: WorkspaceId, query: CheckQuery): Promise<CheckList> {
  const { before, after, workflow, tokenId, decision } = query;
  const within = and(
    eq(execChecks.workspaceId, workspaceId),
    before && lt(execChecks.id, before),
    after && gt(execChecks.id, after),
  );
  // What an index of its own answers, in the order of the ids. Denials are few, so that theirs costs nothing.
  const paths = pathsOf([
    workflow === undefined ? undefined : [eq(execChecks.workflow, workflow)],
    tokenId && [eq(execChecks.tokenId, tokenId)],
    decision === 'deny' ? [eq(execChecks.decision, decision)] : undefined,
  ]);
  const isSearch = paths.length > 1 || decision === 'allow';
  const searched = { table: execChecks, id: execChecks.id, within, paths };
  const end = isSearch ? await searchEnd<CheckId>(db, searched, MAX_SEARCHED) : undefined;
  const isWanted = and(onAll(paths), decision && eq(execChecks.decision, decision));
  const rows = await db
    .select()
    .from(execChecks)
    .where(and(within, end && gte(execChecks.id, end), isWanted))
    .orderBy(desc(execChecks.id))
    .limit(query.limit);
  return { rows, end };
}

/** One decision. */
export async function findCheck(db: Db, workspaceId: WorkspaceId, id: CheckId): Promise<CheckRow | undefined> {
  const [row] = await db
    .select()
    .from(execChecks)
    .where(and(eq(execChecks.workspaceId, workspaceId), eq(execChecks.id, id)));
  return row;
}

/** Puts the end of a job on record, once. Gives the row as it is now, whoever ended it. A run that was stopped or lost stays
 *  so: its place may be another's by now. */
export async function finishCheck(
  db: Db,
  workspaceId: WorkspaceId,
  id: CheckId,
  end: { readonly exitCode: number | null; readonly signal: string | null },
  now: Date,
): Promise<CheckRow | undefined> {
  await db
    .update(execChecks)
    .set({
      finishedAt: now,
      ...end,
      runStatus: sql`case when ${isRunning(now)} then 'finished' else ${execChecks.runStatus} end`,
    })
    .where(and(eq(execChecks.workspaceId, workspaceId), eq(execChecks.id, id), isNull(execChecks.finishedAt)));
  return findCheck(db, workspaceId, id);
}

/** Makes the partitions of this month and the next two. Several at once are safe. */
export async function ensurePartitions(sql: Sql, now: Date): Promise<void> {
  for (const ahead of [0, 1, 2]) await ensurePartition(sql, monthOf(now, ahead));
}

/** Drops the partitions that ended more than 13 months ago. Gives their names. A drop shuts `exec_checks` to everybody until
 *  the commit; where somebody reads it for long, a dump say, it gives up before decisions wait for it noticeably. */
export async function dropOldPartitions(tx: TransactionSql, now: Date): Promise<string[]> {
  const oldest = partitionName(monthOf(now, -RETENTION_MONTHS));
  const partitions = await tx<{ name: string }[]>`
    select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'exec_checks'::regclass and c.relname ~ '^exec_checks_[0-9]{6}$'`;
  const old = partitions.map((row) => row.name).filter((name) => name < oldest);
  await tx`select set_config('lock_timeout', ${DROP_LOCK_TIMEOUT}, true)`;
  for (const name of old) await tx`drop table if exists ${tx(name)}`;
  return old;
}

function ensurePartition(sql: Sql, month: Date): Promise<void> {
  return sql.begin((tx) => unlessLost(() => attachPartition(tx, month)));
}

/** Makes the partition of the month that begins then, within a transaction, unless it is there. Attaching a table takes a
 *  weaker lock than creating it as a partition: checks go on meanwhile. */
export async function attachPartition(tx: TransactionSql, month: Date): Promise<void> {
  const name = partitionName(month);
  const bounds = `from ('${idFloor('chk', month)}') to ('${idFloor('chk', monthOf(month, 1))}')`;
  const [found] = await tx`select to_regclass(${name}) is not null as exists`;
  if (found?.['exists'] === true) return;
  await tx`select pg_advisory_xact_lock(${PARTITION_LOCK})`;
  // DDL takes no parameters: the bounds are printed from dates, the name from digits.
  await tx.unsafe(`create table if not exists ${name} (like exec_checks including all)`);
  const [attached] = await tx`select 1 from pg_inherits where inhrelid = to_regclass(${name})`;
  if (!attached) await tx.unsafe(`alter table exec_checks attach partition ${name} for values ${bounds}`);
}

function partitionName(month: Date): string {
  return `exec_checks_${month.toISOString().slice(0, 7).replace('-', '')}`;
}

function monthOf(at: Date, ahead = 0): Date {
  return new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + ahead, 1));
}
