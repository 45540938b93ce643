import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import { type ConnectionOptions, type Sql, sqlState } from './connect.js';
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

/** Opens the pool. Nothing is connected until the first query. */
export function openDatabase(options: ConnectionOptions): Database {
  const pool = openPool(options, POOL_SIZE, (sql) => ({ sql, db: drizzle({ client: sql, schema }) }));
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

/** Runs one transaction, again when it lost against another. `act` must have no effect outside the database. */
export async function inTransaction<T>(db: Db, act: (tx: Tx) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await db.transaction((tx) => unlessLost(() => act(tx)));
    } catch (error) {
      if (attempt === TRIES || !RETRYABLE.has(sqlState(error) ?? '')) throw error;
    }
  }
}
