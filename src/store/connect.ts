import postgres from 'postgres';

export type Sql = postgres.Sql;
export type TransactionSql = postgres.TransactionSql;

/** How to reach the database: a URL, or the Unix socket of the embedded PostgreSQL. `usesPrepared` is false behind a
 *  transaction-mode pooler that knows no prepared statements. */
export type ConnectionOptions = { readonly usesPrepared: boolean } & (
  | { readonly url: string }
  | { readonly socketPath: string; readonly database?: string }
);

const CONNECT_TIMEOUT_SECONDS = 5;

/** Opens at most `max` connections. Nothing is connected until the first query. `onOpen` is told when one was
 *  made, `onClose` of each that ends or could not be made. */
export function connect(
  options: ConnectionOptions,
  pool: { readonly max: number; readonly onOpen?: () => void; readonly onClose?: () => void },
): Sql {
  const common = {
    max: pool.max,
    prepare: options.usesPrepared,
    connect_timeout: CONNECT_TIMEOUT_SECONDS,
    // Reconnects at once, then slower: a database that comes back is used again within a second.
    backoff: (attempt: number) => Math.min(0.05 * 2 ** attempt, 1),
    onnotice: () => undefined,
    onparameter: () => pool.onOpen?.(),
    onclose: () => pool.onClose?.(),
    // A transaction-mode pooler refuses most other parameters.
    connection: { application_name: 'countersign' },
  };
  if ('url' in options) {
    const { url, ...socket } = readUrl(options.url);
    return postgres(url, { ...common, ...socket });
  }
  return postgres({
    ...common,
    path: options.socketPath,
    username: 'postgres',
    database: options.database ?? 'postgres',
  });
}

// postgres.js does not know the two ways in which PostgreSQL's own URLs name a Unix socket:
// `postgres://%2Frun%2Fpostgresql/db` and `postgres:///db?host=/run/postgresql`.
function readUrl(text: string): { readonly url: string; readonly path?: string } {
  if (!URL.canParse(text)) return { url: text };
  const url = new URL(text);
  const directory = url.searchParams.get('host') ?? decodeURIComponent(url.hostname);
  if (!directory.startsWith('/')) return { url: text };
  const port = url.searchParams.get('port') ?? url.port;
  url.searchParams.delete('host');
  url.searchParams.delete('port');
  return { url: url.href, path: `${directory}/.s.PGSQL.${port === '' ? '5432' : port}` };
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
