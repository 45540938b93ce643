import { pipeline } from 'node:stream/promises';
import { brokenLink, GENESIS_HASH, type HashedEvent } from '../rules/audit.js';
import { printId, type WorkspaceId } from '../rules/format.js';
import type { Contents, TableCopy } from './backup.js';
import { appliedMigrations, type Table, tablesInOrder } from './backup-tables.js';
import { attachPartition } from './checks.js';
import { type ConnectionOptions, connect, type Sql, type TransactionSql } from './connect.js';
import { type AuditEventRow, continueChain, type Origin, shownEvent } from './events.js';
import { unlessLost } from './pool.js';

/** Why a backup is not taken. The message is one line for a person. */
export class RestoreError extends Error {
  override readonly name = 'RestoreError';
  readonly kind: string;

  constructor(kind: string, message: string) {
    super(message);
    this.kind = kind;
  }
}

/** Where the rows of a backup come from. */
export interface Source {
  readonly contents: Contents;
  /** The bytes of a table. Throws at their end when they are not those that the backup names. */
  rowsOf(table: TableCopy): AsyncIterable<Buffer>;
}

export interface Restored {
  readonly workspaces: readonly string[];
  readonly rows: number;
}

const HOST: Origin = { actorType: 'host', actorId: 'host' };
const EVENTS_AT_ONCE = 1000;

/** Whether no table holds a row. */
export async function isEmpty(options: ConnectionOptions): Promise<boolean> {
  const sql = connect(options, { max: 1 });
  try {
    return (await filledTable(sql)) === undefined;
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** Puts the rows of a backup in the place of what is there, all or nothing: it commits when every byte was the right one,
 *  the schema is that of the backup, and each audit chain holds. The restore is on record in each of them. Throws
 *  {@link RestoreError}; unless it `replaces`, also when the database is not empty. */
export async function copyIn(
  options: ConnectionOptions,
  source: Source,
  { replaces, now }: { readonly replaces: boolean; readonly now: Date },
): Promise<Restored> {
  const sql = connect(options, { max: 1 });
  try {
    return await sql.begin((tx) => unlessLost(() => replaceAll(tx, source, replaces, now)));
  } finally {
    await sql.end({ timeout: 1 });
  }
}

async function replaceAll(tx: TransactionSql, source: Source, replaces: boolean, now: Date): Promise<Restored> {
  const { contents } = source;
  const tables = await tablesInOrder(tx);
  await requireSameSchema(tx, contents, tables);
  for (const { name } of tables) await tx`lock table ${tx(name)} in access exclusive mode`;
  if (!replaces && (await filledTable(tx)) !== undefined) throw notEmpty();
  for (const { name } of tables) await tx`truncate table ${tx(name)} cascade`;
  for (const month of contents.months) await attachPartition(tx, new Date(`${month}-01T00:00:00Z`));
  for (const copy of contents.tables) await fill(tx, copy, source);
  const workspaces = await tx<{ id: WorkspaceId; slug: string }[]>`select id, slug from workspaces order by id`;
  for (const { id } of workspaces) await continueRestored(tx, id, contents.at, now);
  return {
    workspaces: workspaces.map(({ slug }) => slug),
    rows: contents.tables.reduce((sum, { rows }) => sum + rows, 0),
  };
}

async function requireSameSchema(tx: TransactionSql, contents: Contents, tables: readonly Table[]): Promise<void> {
  const hasSameMigrations = isSame(await appliedMigrations(tx), contents.migrations);
  const hasSameTables = isSame(tables.map(shapeOf), contents.tables.map(shapeOf));
  if (hasSameMigrations && hasSameTables) return;
  throw new RestoreError(
    'other_schema',
    'the backup was made with another schema: restore it with the release that made it, then start the newer one',
  );
}

function shapeOf({ name, columns }: Table): string {
  return JSON.stringify([name, [...columns].sort()]);
}

function isSame(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((one, at) => one === right[at]);
}

/** The refusal of a database that has something to lose. */
export function notEmpty(): RestoreError {
  return new RestoreError(
    'not_empty',
    'the database is not empty: --replace puts the backup in the place of all of it',
  );
}

async function filledTable(sql: Sql | TransactionSql): Promise<string | undefined> {
  for (const { name } of await tablesInOrder(sql)) {
    const [row] = await sql`select exists (select from ${sql(name)}) as is_filled`;
    if (row?.['is_filled'] === true) return name;
  }
  return undefined;
}

async function fill(tx: TransactionSql, copy: TableCopy, source: Source): Promise<void> {
  const target = await tx`copy ${tx(copy.name)} (${tx([...copy.columns])}) from stdin`.writable();
  await pipeline(source.rowsOf(copy), target);
  const [row] = await tx<{ count: string }[]>`select count(*) from ${tx(copy.name)}`;
  if (Number(row?.count) !== copy.rows) {
    throw new RestoreError('damaged', `the backup is damaged: ${copy.name} does not have as many rows as it says`);
  }
}

/** Checks a workspace's audit chain to its end, and puts the restore on it. */
async function continueRestored(
  tx: TransactionSql,
  workspaceId: WorkspaceId,
  backupAt: Date,
  now: Date,
): Promise<void> {
  let last: (HashedEvent & Record<string, unknown>) | undefined;
  const rows = tx<AuditEventRow[]>`
    select id, seq, at, actor_type as "actorType", actor_id as "actorId", action, target, ip,
      user_agent as "userAgent", request_id as "requestId", data, prev_hash as "prevHash", hash
    from audit_events where workspace_id = ${workspaceId} order by seq`;
  for await (const page of rows.cursor(EVENTS_AT_ONCE)) {
    for (const row of page) {
      const event = { ...shownEvent({ ...row, seq: Number(row.seq) }), hash: row.hash };
      const broken = brokenLink(last, event);
      if (broken) throw brokenChain(workspaceId, broken.fault);
      last = event;
    }
  }
  const head = { seq: last?.seq ?? 0, hash: last?.hash ?? GENESIS_HASH };
  const [noted] = await tx<{ seq: string; hash: string }[]>`
    select seq, hash from audit_heads where workspace_id = ${workspaceId}`;
  if (Number(noted?.seq) !== head.seq || noted?.hash !== head.hash) {
    throw brokenChain(workspaceId, 'its last events are missing');
  }
  const event = {
    action: 'workspace.restored',
    target: printId('ws', workspaceId),
    data: { backup_at: backupAt.toISOString() },
  } as const;
  const { rows: added, link } = continueChain(workspaceId, head, HOST, [event], now);
  for (const row of added) {
    await tx`
      insert into audit_events (workspace_id, id, seq, at, actor_type, actor_id, action, target, data, prev_hash, hash)
      values (${workspaceId}, ${row.id}, ${row.seq}, ${row.at}, ${row.actorType}, ${row.actorId}, ${row.action},
        ${row.target}, ${JSON.stringify(row.data)}::text::jsonb, ${row.prevHash}, ${row.hash})`;
  }
  await tx`update audit_heads set seq = ${link.seq}, hash = ${link.hash} where workspace_id = ${workspaceId}`;
}

function brokenChain(workspaceId: WorkspaceId, fault: string): RestoreError {
  return new RestoreError('broken_chain', `the audit chain of ${printId('ws', workspaceId)} does not hold: ${fault}`);
}
