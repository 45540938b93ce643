import { setTimeout as delay } from 'node:timers/promises';
import postgres from 'postgres';
import { isUnavailable, type Sql } from './connect.js';
import { sqlState } from './database.js';

/** A hold on a running server, which ends with the process that has it: advisory locks of one connection. */
export interface Claim {
  /** Resolves when the hold was lost to another process. */
  readonly lost: Promise<void>;
  /** Waits until nobody else uses the server, at most so long. */
  waitForOthers(timeoutMs: number): Promise<void>;
  /** Whether nobody else uses the server. Nobody new can come in until this claim is released. */
  isLast(): Promise<boolean>;
  release(): Promise<void>;
}

// Pairs of numbers that nobody else uses as an advisory lock in this database.
const LOCK_CLASS = 483_720;
const SERVE_LOCK = 1;
const USERS_LOCK = 2;
const LOCK_NOT_AVAILABLE = '55P03';
const RETRY_MS = 100;

/** Takes hold of a server: a `serve` alone, visits beside it. Gives `taken` when another serve holds it or the server is
 *  about to stop, and `away` when the server does not answer (any more, or not yet). */
export async function claimServer(socketPath: string, purpose: 'serve' | 'visit'): Promise<Claim | 'taken' | 'away'> {
  const lost = signal();
  let isReleased = false;
  const sql = connectForGood(socketPath, () => {
    if (!isReleased) void takeAgain();
  });
  const release = async () => {
    isReleased = true;
    await sql.end({ timeout: 1 });
  };

  // The server survives the crash of one of its processes, the connections do not.
  async function takeAgain(): Promise<void> {
    while (!isReleased) {
      const answer = await attempt(() => take(sql, purpose));
      if (answer === false) lost.resolve();
      if (answer !== 'away') return;
      await delay(RETRY_MS, undefined, { ref: false });
    }
  }

  const isTaken = await attempt(() => take(sql, purpose)).catch(async (error: unknown) => {
    await release();
    throw error;
  });
  if (isTaken !== true) {
    await release();
    return isTaken === 'away' ? 'away' : 'taken';
  }
  return {
    lost: lost.promise,
    waitForOthers: async (timeoutMs) => {
      await attempt(() => lockAll(sql, timeoutMs));
    },
    isLast: async () => (await attempt(() => tryLock(sql, USERS_LOCK))) === true,
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

async function take(sql: Sql, purpose: 'serve' | 'visit'): Promise<boolean> {
  if (purpose === 'serve' && !(await tryLock(sql, SERVE_LOCK))) return false;
  const [row] = await sql`select pg_try_advisory_lock_shared(${LOCK_CLASS}::int, ${USERS_LOCK}::int) as taken`;
  return row?.['taken'] === true;
}

async function tryLock(sql: Sql, lock: number): Promise<boolean> {
  const [row] = await sql`select pg_try_advisory_lock(${LOCK_CLASS}::int, ${lock}::int) as taken`;
  return row?.['taken'] === true;
}

async function lockAll(sql: Sql, timeoutMs: number): Promise<void> {
  try {
    await sql`select set_config('lock_timeout', ${String(timeoutMs)}, false)`;
    await sql`select pg_advisory_lock(${LOCK_CLASS}::int, ${USERS_LOCK}::int)`;
  } catch (error) {
    if (sqlState(error) !== LOCK_NOT_AVAILABLE) throw error;
  }
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
