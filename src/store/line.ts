import type { ConnectionOptions, Sql } from './connect.js';
import { openPool } from './pool.js';

/** The database took too long to answer. What it would have said is not known. */
export class DatabaseTimeoutError extends Error {
  override readonly name = 'DatabaseTimeoutError';
}

/** A way to the database that is not waited for forever. */
export interface Line {
  /** Runs one statement. Throws {@link DatabaseTimeoutError} after 5 s without an answer, and connects anew: a server
   *  that is gone without a word, and a network that swallows packets, close no connection for a quarter of an hour. */
  run<T>(statement: (sql: Sql) => PromiseLike<T>): Promise<T>;
  close(): Promise<void>;
}

const TIMEOUT_MS = 5_000;

/** Opens a line of at most `max` connections. `onHang` is told when one did not answer in time. */
export function openLine(options: ConnectionOptions, max: number, onHang: () => void): Line {
  const pool = openPool(options, max, (sql) => sql);

  return {
    run: async (statement) => {
      const used = pool.current;
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => {
          if (pool.renew(used)) onHang();
          reject(new DatabaseTimeoutError(`no answer within ${TIMEOUT_MS} ms`));
        }, TIMEOUT_MS);
      });
      try {
        return await Promise.race([statement(used), late]);
      } finally {
        clearTimeout(timer);
      }
    },
    close: pool.close,
  };
}
