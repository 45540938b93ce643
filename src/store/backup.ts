import { createHash } from 'node:crypto';
import { appliedMigrations, partitionMonths, type Table, tablesInOrder } from './backup-tables.js';
import { type ConnectionOptions, connect, type TransactionSql } from './connect.js';
import { unlessLost } from './pool.js';

/** The rows of a table as they were copied. `sha256` is lower-case hex, over its `bytes`. */
export interface TableCopy extends Table {
  readonly rows: number;
  readonly bytes: number;
  readonly sha256: string;
}

/** What a copy of a database holds, all of one moment. The rows of the tables follow each other in this order. */
export interface Contents {
  readonly at: Date;
  /** The digests of the migrations that the database had seen. */
  readonly migrations: readonly string[];
  /** The months that its decisions are of: `2026-11`. */
  readonly months: readonly string[];
  readonly tables: readonly TableCopy[];
}

/** Takes the bytes of a copy, in order; resolves when it can take more. */
export type Write = (piece: Buffer) => Promise<void>;

const LINE_FEED = 0x0a;

/** Copies every row of every table as it is at one moment, whoever writes meanwhile: PostgreSQL's text form of COPY. Gives
 *  `undefined` when there is no schema yet. */
export async function copyOut(options: ConnectionOptions, write: Write): Promise<Contents | undefined> {
  const sql = connect(options, { max: 1 });
  try {
    return await sql.begin('isolation level repeatable read read only', (tx) =>
      unlessLost(async () => {
        const migrations = await appliedMigrations(tx);
        if (migrations.length === 0) return undefined;
        const [clock] = await tx<{ at: Date }[]>`select now() as at`;
        const tables: TableCopy[] = [];
        for (const table of await tablesInOrder(tx)) tables.push(await copyTable(tx, table, write));
        return { at: clock?.at ?? new Date(), migrations, months: await partitionMonths(tx), tables };
      }),
    );
  } finally {
    await sql.end({ timeout: 1 });
  }
}

async function copyTable(tx: TransactionSql, table: Table, write: Write): Promise<TableCopy> {
  const digest = createHash('sha256');
  let bytes = 0;
  let rows = 0;
  const stream = await tx`copy (select ${tx([...table.columns])} from ${tx(table.name)}) to stdout`.readable();
  for await (const piece of stream) {
    if (!Buffer.isBuffer(piece)) throw new Error('a copy is made of bytes');
    digest.update(piece);
    bytes += piece.length;
    for (let at = piece.indexOf(LINE_FEED); at >= 0; at = piece.indexOf(LINE_FEED, at + 1)) rows += 1;
    await write(piece);
  }
  // postgres.js holds the connection back while its stream is full and lets it go on when more is wanted of that. Of a table
  // whose end came in the same piece nothing more is, and the next one would be waited for forever.
  stream._read(0);
  return { ...table, rows, bytes, sha256: digest.digest('hex') };
}
