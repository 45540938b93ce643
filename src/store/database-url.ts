/** Where a database URL leads. */
export interface DatabasePlace {
  /** What postgres.js makes sense of: user, password, database and parameters. */
  readonly url: string;
  /** The whole path of a Unix socket, if the URL names one. */
  readonly path: string | undefined;
  /** Where to look for the primary, if the URL names several hosts. */
  readonly hosts: readonly Host[];
}

export interface Host {
  readonly host: string;
  readonly port: number;
}

const AUTHORITY = /^(postgres(?:ql)?:\/\/)((?:[^/?#]*@)?)([^/?#]*)(.*)$/s;
const DEFAULT_PORT = 5432;

/** Reads a URL as PostgreSQL's own programs do, which know more than postgres.js: a Unix socket
 *  (`postgres://%2Frun%2Fpostgresql/db`, `postgres:///db?host=/run/postgresql`) and several hosts
 *  (`postgres://a:5432,b:5432/db`). `target_session_attrs` is left out: the service works on a primary, whatever
 *  a URL says. Gives `undefined` for what is no such URL. */
export function readDatabaseUrl(text: string): DatabasePlace | undefined {
  const [, scheme = '', user = '', authority = '', rest = ''] = AUTHORITY.exec(text) ?? [];
  const hosts = authority.split(',');
  const first = `${scheme}${user}${hosts[0] ?? ''}${rest}`;
  if (scheme === '' || !URL.canParse(first)) return undefined;
  const url = new URL(first);
  const attributes = url.searchParams.get('target_session_attrs');
  const isOfOne = hosts.length === 1;
  url.searchParams.delete('target_session_attrs');
  const directory = url.searchParams.get('host') ?? decodeURIComponent(url.hostname);
  if (isOfOne && directory.startsWith('/')) {
    const port = url.searchParams.get('port') ?? url.port;
    url.searchParams.delete('host');
    url.searchParams.delete('port');
    const path = `${directory}/.s.PGSQL.${port === '' ? DEFAULT_PORT : port}`;
    return { url: url.href, path, hosts: [] };
  }
  if (isOfOne) return { url: attributes === null ? text : url.href, path: undefined, hosts: [] };
  const places = hosts.map(hostOf).filter((host) => host !== undefined);
  return places.length === hosts.length ? { url: url.href, path: undefined, hosts: places } : undefined;
}

function hostOf(text: string): Host | undefined {
  const url = URL.canParse(`postgres://${text}/`) ? new URL(`postgres://${text}/`) : undefined;
  if (url === undefined || url.hostname === '') return undefined;
  const host = decodeURIComponent(url.hostname.replace(/^\[(.*)\]$/, '$1'));
  return { host, port: url.port === '' ? DEFAULT_PORT : Number(url.port) };
}
