import { type ConnectionOptions, type Sql, sqlState } from './connect.js';
import { openPool } from './pool.js';

/** The database took too long to answer. What it would have said is not known. */
export class DatabaseTimeoutError extends Error {
  override readonly name = 'DatabaseTimeoutError';
}

/** The database answered that it is a standby, or turned out to be one. */
export class StandbyError extends Error {
  override readonly name = 'StandbyError';
  /** What PostgreSQL says to who would write there. */
  readonly code = READ_ONLY;
}

/** A way to the database that is not waited for forever, and that leads to a primary. */
export interface Line {
  /** Runs one statement. Connects anew when nothing came within 5 s (throws {@link DatabaseTimeoutError}), since a server
   *  that is gone without a word, and a network that swallows packets, close no connection for a quarter of an hour; and
   *  when the server is a standby, which `isPrimary` tells from the answer of a statement that only reads (throws
   *  {@link StandbyError}). */
  run<T>(statement: (sql: Sql) => PromiseLike<T>, isPrimary?: (answer: T) => boolean): Promise<T>;
  close(): Promise<void>;
}

const TIMEOUT_MS = 5_000;
// read_only_sql_transaction.
const READ_ONLY = '25006';

/** Opens a line of at most `max` connections. `onHang` is told when one did not answer in time, or is a standby. */
export function openLine(options: ConnectionOptions, max: number, onHang: () => void): Line {
  const pool = openPool(options, max, (sql) => sql);

  return {
    run: async (statement, isPrimary = () => true) => {
      const used = pool.current;
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => {
          reject(new DatabaseTimeoutError(`no answer within ${TIMEOUT_MS} ms`));
        }, TIMEOUT_MS);
      });
      try {
        const answer = await Promise.race([statement(used), late]);
        if (!isPrimary(answer)) throw new StandbyError('the database is a standby');
        return answer;
      } catch (error) {
        const isUseless = error instanceof DatabaseTimeoutError || sqlState(error) === READ_ONLY;
        if (isUseless && pool.renew(used)) onHang();
        throw error;
      } finally {
        clearTimeout(timer);
      }
    },
    close: pool.close,
  };
}
