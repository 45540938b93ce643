import { Socket } from 'node:net';
import postgres from 'postgres';
import { ARRAY_TYPES } from './array-types.js';
import { type Host, readDatabaseUrl } from './database-url.js';

export type Sql = postgres.Sql;
export type TransactionSql = postgres.TransactionSql;

/** How to reach the database: a URL, or the Unix socket of the embedded PostgreSQL. `usesPrepared` is false behind a
 *  transaction-mode pooler that knows no prepared statements. */
export type ConnectionOptions = { readonly usesPrepared: boolean } & (
  | { readonly url: string }
  | { readonly socketPath: string; readonly database?: string }
);

const CONNECT_TIMEOUT_SECONDS = 5;

export interface Connecting {
  readonly max: number;
  /** Told when a connection was made. */
  readonly onOpen?: () => void;
  /** Told of each connection that ends or could not be made. */
  readonly onClose?: () => void;
  /** Whether a standby will do: to look at what is there. */
  readonly takesStandby?: boolean;
}

/** Opens at most `max` connections. Nothing is connected until the first query. A standby is not taken, as far as that can
 *  be told. */
export function connect(options: ConnectionOptions, pool: Connecting): Sql {
  const common = {
    max: pool.max,
    prepare: options.usesPrepared,
    connect_timeout: CONNECT_TIMEOUT_SECONDS,
    // Reconnects at once, then slower: a database that comes back is used again within a second.
    backoff: (attempt: number) => Math.min(0.05 * 2 ** attempt, 1),
    fetch_types: false,
    types: ARRAY_TYPES,
    onnotice: () => undefined,
    onparameter: () => pool.onOpen?.(),
    onclose: () => pool.onClose?.(),
    // A transaction-mode pooler refuses most other parameters.
    connection: { application_name: 'countersign' },
  };
  if ('url' in options) return postgres(...placed(options, common, pool.takesStandby === true));
  return postgres({
    ...common,
    path: options.socketPath,
    username: 'postgres',
    database: options.database ?? 'postgres',
  });
}

function placed<C extends { readonly onparameter: () => void }>(
  options: ConnectionOptions & { readonly url: string },
  common: C,
  takesStandby: boolean,
) {
  const place = readDatabaseUrl(options.url);
  if (place === undefined) throw new Error('a database URL that cannot be read');
  // Not `read-write`: postgres.js takes a standby for that. Behind a pooler the server may be another one at any time.
  const isTold = options.usesPrepared && !takesStandby;
  const attributes = isTold ? ({ target_session_attrs: 'primary' } as const) : {};
  const path = place.path === undefined ? {} : { path: place.path };
  // Given several hosts itself, postgres.js never gives up on a query while none of them is there.
  const socket = place.hosts.length === 0 ? {} : { socket: () => new HostSocket(options.url, place.hosts) };
  const onparameter = (name: string, value: unknown) => {
    if (name === 'in_hot_standby') turns.set(options.url, { at: turnOf(options.url).at, isRight: value === 'off' });
    common.onparameter();
  };
  return [place.url, { ...common, ...attributes, ...path, ...socket, onparameter }] as const;
}

/** Which of a URL's hosts is tried next, and whether it said that it is the primary. */
const turns = new Map<string, Turn>();

interface Turn {
  readonly at: number;
  readonly isRight: boolean;
}

function turnOf(url: string): Turn {
  return turns.get(url) ?? { at: 0, isRight: false };
}

/** A connection to the host whose turn it is. The next host's turn comes when it fails, and when it ends on a standby. */
class HostSocket extends Socket {
  readonly #url: string;
  readonly #at: number;

  constructor(url: string, hosts: readonly Host[]) {
    super();
    this.#url = url;
    this.#at = turnOf(url).at;
    const place = hosts[this.#at % hosts.length];
    if (place === undefined) throw new Error('no host to connect to');
    this.connect({ ...place });
  }

  // Not a listener of `close`: postgres.js removes all when it turns to TLS.
  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const { at, isRight } = turnOf(this.#url);
    if (at === this.#at && (error !== null || !isRight)) turns.set(this.#url, { at: at + 1, isRight: false });
    super._destroy(error, callback);
  }
}

/** Finds the primary among the hosts that a URL names, so that what is connected afterwards begins with it. Throws what
 *  the last of them said. */
export async function findPrimary(options: ConnectionOptions): Promise<void> {
  const hosts = 'url' in options ? (readDatabaseUrl(options.url)?.hosts ?? []) : [];
  for (let left = hosts.length - 1; left >= 0; left -= 1) {
    const sql = connect(options, { max: 1 });
    try {
      await sql`select 1`;
      return;
    } catch (error) {
      if (left === 0 || !isUnavailable(error)) throw error;
    } finally {
      await sql.end({ timeout: 1 });
    }
  }
}

// What postgres.js and PostgreSQL say when the server is away, starting, stopping, or has no place left.
const UNAVAILABLE_CODES = new Set([
  'CONNECTION_CLOSED',
  'CONNECTION_ENDED',
  'CONNECTION_DESTROYED',
  'CONNECT_TIMEOUT',
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ENOENT',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);
// Classes 08 connection exception, 53 insufficient resources, 57 operator intervention, 58 system error; and
// read_only_sql_transaction, which a primary that was demoted answers.
const UNAVAILABLE_STATES = /^(08...|53...|57P..|57014|58...|25006)$/;

/** Whether an error says that the database could not do its work now and may later. Looks through what drizzle wraps. */
export function isUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return UNAVAILABLE_CODES.has(code) || UNAVAILABLE_STATES.test(code) || isUnavailable(error.cause);
}

/** The SQLSTATE of a database error, however deep drizzle wrapped it. */
export function sqlState(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  return 'code' in error && typeof error.code === 'string' ? error.code : sqlState(error.cause);
}
