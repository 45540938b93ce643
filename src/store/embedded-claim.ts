import { setTimeout as delay } from 'node:timers/promises';
import postgres from 'postgres';
import { isUnavailable, type Sql, sqlState } from './connect.js';

/** A hold on a running server, which ends with the process that has it: advisory locks of one connection. */
export interface Claim {
  /** Resolves when the hold was lost to another process. */
  readonly lost: Promise<void>;
  /** Waits until nobody else uses the server, at most so long. */
  waitForOthers(timeoutMs: number): Promise<void>;
  /** Whether nobody else uses the server. Then nobody new can come in until this claim is released. */
  isLast(): Promise<boolean | 'away'>;
  /** From now on the end of the connection is no surprise: it is not opened again. */
  expectEnd(): void;
  release(): Promise<void>;
}

// Pairs of numbers that nobody else uses as an advisory lock in this database.
const LOCK_CLASS = 483_720;
const SERVE_LOCK = 1;
const USERS_LOCK = 2;
const LOCK_NOT_AVAILABLE = '55P03';
const RETRY_MS = 100;
// PostgreSQL lets go of a killed process's locks as soon as it sees that the connection has ended.
const FREED_BY_DEATH_MS = 2_000;

/** Takes hold of a server: a `serve` alone, visits beside it. Gives `taken` when another serve holds it, and `away`
 *  when the server does not answer, not yet or not any more. */
export async function claimServer(socketPath: string, purpose: 'serve' | 'visit'): Promise<Claim | 'taken' | 'away'> {
  const lost = signal();
  // Until it is taken, a closed connection is an answer.
  let isKept = false;
  const sql = connectForGood(socketPath, () => {
    if (isKept) takeAgain().catch(lost.resolve);
  });
  const release = async () => {
    isKept = false;
    await sql.end({ timeout: 1 });
  };

  // The server survives the crash of one of its processes, the connections do not.
  async function takeAgain(): Promise<void> {
    while (isKept) {
      const answer = await attempt(() => take(sql, purpose));
      if (answer === 'taken') lost.resolve();
      if (answer !== 'away') return;
      await delay(RETRY_MS, undefined, { ref: false });
    }
  }

  const answer = await attempt(() => take(sql, purpose)).catch(async (error: unknown) => {
    await release();
    throw error;
  });
  if (answer !== 'held') {
    await release();
    return answer;
  }
  isKept = true;
  return {
    lost: lost.promise,
    waitForOthers: async (timeoutMs) => {
      await attempt(() => waitForLock(sql, USERS_LOCK, timeoutMs));
    },
    isLast: () => attempt(() => tryLock(sql, USERS_LOCK)),
    expectEnd: () => {
      isKept = false;
    },
    release,
  };
}

// Not of a pool: its connection would be closed after half an hour, and the locks with it.
function connectForGood(socketPath: string, onclose: () => void): Sql {
  return postgres({
    path: socketPath,
    username: 'postgres',
    database: 'postgres',
    max: 1,
    max_lifetime: null,
    connect_timeout: 5,
    backoff: false,
    fetch_types: false,
    onnotice: () => undefined,
    onclose,
    connection: { application_name: 'countersign claim' },
  });
}

async function take(sql: Sql, purpose: 'serve' | 'visit'): Promise<'held' | 'taken' | 'away'> {
  if (purpose === 'serve' && !(await waitForLock(sql, SERVE_LOCK, FREED_BY_DEATH_MS))) return 'taken';
  const [row] = await sql`select pg_try_advisory_lock_shared(${LOCK_CLASS}::int, ${USERS_LOCK}::int) as taken`;
  // The last visit is about to stop the server.
  return row?.['taken'] === true ? 'held' : 'away';
}

async function waitForLock(sql: Sql, lock: number, timeoutMs: number): Promise<boolean> {
  try {
    await sql`select set_config('lock_timeout', ${String(timeoutMs)}, false)`;
    await sql`select pg_advisory_lock(${LOCK_CLASS}::int, ${lock}::int)`;
    return true;
  } catch (error) {
    if (sqlState(error) !== LOCK_NOT_AVAILABLE) throw error;
    return false;
  }
}

async function tryLock(sql: Sql, lock: number): Promise<boolean> {
  const [row] = await sql`select pg_try_advisory_lock(${LOCK_CLASS}::int, ${lock}::int) as taken`;
  return row?.['taken'] === true;
}

async function attempt<T>(act: () => Promise<T>): Promise<T | 'away'> {
  try {
    return await act();
  } catch (error) {
    if (isUnavailable(error)) return 'away';
    throw error;
  }
}

function signal(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
