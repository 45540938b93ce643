import { type ConnectionOptions, connect, type Sql, sqlState } from './connect.js';

/** Connections to the database that are replaced, all of them, when one is lost. `current` is what `make` made of those of
 *  today: take it anew for each use. postgres.js makes a lost connection anew with what it had not sent and not reported yet:
 *  such a one may never send anything any more, or fail the first statement with the end of the last. */
export interface Pool<T> {
  readonly current: T;
  /** Gives up those of a database that hangs, unless it was done already: what waits for it fails now. */
  renew(hung: T): boolean;
  close(): Promise<void>;
}

const BUSY_END_SECONDS = 5;

/** Opens a pool of at most `max` connections. Nothing is connected until the first query. */
export function openPool<T>(options: ConnectionOptions, max: number, make: (sql: Sql) => T): Pool<T> {
  let isClosed = false;
  let current = open();

  function open() {
    // While the database is away nothing is lost, however often it is tried.
    let isConnected = false;
    const onOpen = () => {
      isConnected = true;
    };
    const onClose = () => {
      if (isConnected && !isClosed && sql === current.sql) replace(BUSY_END_SECONDS);
    };
    const sql = connect(options, { max, onOpen, onClose });
    return { sql, made: make(sql) };
  }

  function replace(endSeconds: number): void {
    const { sql } = current;
    current = open();
    void sql.end({ timeout: endSeconds });
  }

  return {
    get current() {
      return current.made;
    },
    renew: (hung) => {
      if (hung !== current.made) return false;
      replace(0);
      return true;
    },
    close: () => {
      isClosed = true;
      return current.sql.end({ timeout: BUSY_END_SECONDS });
    },
  };
}

// What postgres.js and the operating system say of a connection that was cut, and PostgreSQL before it ends one: when that is
// looked at, the connection may be gone.
const LOST = /^(CONNECTION_CLOSED|E[A-Z]+|57P0\d|25P0[34])$/;

/** Runs the inside of a transaction. When its connection is lost this never settles: the transaction itself is rejected for
 *  that, while a rejection from within would make postgres.js send a rollback to the connection that is gone, which ends
 *  the process (porsager/postgres issue 1208). */
export async function unlessLost<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (LOST.test(sqlState(error) ?? '')) return new Promise(() => undefined);
    throw error;
  }
}
