import { sql } from 'drizzle-orm';
import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import { type ConnectionOptions, type Sql, sqlState } from './connect.js';
import { arePromised, notedBy } from './endings.js';
import type { Journal, JournalPosition } from './journal.js';
import { openPool, unlessLost } from './pool.js';
import * as schema from './schema.js';

export type Db = PostgresJsDatabase<typeof schema>;
export type Tx = Parameters<Parameters<Db['transaction']>[0]>[0];

/** The pool of the transactions. Introspection has a connection of its own (`store/lookup`), so that neither waits for the
 *  other. `db` and `sql` are the current ones: take them anew for each use. */
export interface Database {
  readonly db: Db;
  readonly sql: Sql;
  /** Connects anew: what waits for a database that hangs fails now. */
  renew(): void;
  close(): Promise<void>;
}

const POOL_SIZE = 8;
const TRIES = 5;
// PostgreSQL's serialization_failure and deadlock_detected: the transaction did nothing and may be tried again.
const RETRYABLE = new Set(['40001', '40P01']);

/** The journals of those databases that have one. */
const journals = new WeakMap<Db, Journal>();
/** The databases whose mails somebody sends, and their transactions. */
const mailed = new WeakSet<Db | Tx>();

/** Opens the pool. Nothing is connected until the first query. What its transactions end goes to the journal, if there is
 *  one. Where nobody sends mails none are queued. */
export function openDatabase(options: ConnectionOptions, journal?: Journal, isMailed = false): Database {
  const pool = openPool(options, POOL_SIZE, (client) => {
    const db = drizzle({ client, schema });
    if (journal) journals.set(db, journal);
    if (isMailed) mailed.add(db);
    return { sql: client, db };
  });
  return {
    get db() {
      return pool.current.db;
    },
    get sql() {
      return pool.current.sql;
    },
    renew: () => void pool.renew(pool.current),
    close: pool.close,
  };
}

/** Whether what is queued in a transaction as a mail is sent by somebody. */
export function isMailed(tx: Tx): boolean {
  return mailed.has(tx);
}

/** Runs one transaction, again when it lost against another. `act` must have no effect outside the database. What it ends
 *  is in the journal, too, when this gives back; throws `JournalError` when it is not, though the transaction has committed.
 *  What was only superseded is written with the next ending then. */
export async function inTransaction<T>(db: Db, act: (tx: Tx) => Promise<T>): Promise<T> {
  const { value, tx } = await commit(db, act);
  const journal = journals.get(db);
  if (journal === undefined) return value;
  const { endings, events } = notedBy(tx);
  // Whoever repeats what is done already hears of success when that is in the journal.
  const isAwaited = endings.length === 0 ? events === 0 : arePromised(endings);
  try {
    const position =
      endings.length > 0 ? await journal.append(endings) : isAwaited ? await journal.settle() : undefined;
    if (position) await noteJournal(db, position);
  } catch (error) {
    if (isAwaited) throw error;
  }
  return value;
}

/** Puts on record how far the journal has come, after it has. A position that cannot be noted is let go: the next one says
 *  more, and what is on the disk is there all the same. */
async function noteJournal(db: Db, { file: name, mac }: JournalPosition): Promise<void> {
  const set = { mac, writtenAt: sql`now()` };
  const target = schema.journalFiles.name;
  const noting = db
    .insert(schema.journalFiles)
    .values({ name, ...set })
    .onConflictDoUpdate({ target, set });
  await noting.catch(() => undefined);
}

async function commit<T>(db: Db, act: (tx: Tx) => Promise<T>): Promise<{ readonly value: T; readonly tx: Tx }> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await db.transaction((tx) => {
        if (mailed.has(db)) mailed.add(tx);
        return unlessLost(async () => ({ value: await act(tx), tx }));
      });
    } catch (error) {
      if (attempt === TRIES || !RETRYABLE.has(sqlState(error) ?? '')) throw error;
    }
  }
}
