import { mkdir, open, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ended } from '../../src/store/embedded-process.js';
import { startChild } from './child.js';
import { asAdmin, DATABASE, type Installation, type Postgres, until } from './postgres.js';

/** A PgBouncer in transaction mode in front of a PostgreSQL. */
export interface Pooler {
  readonly url: string;
  stop(): Promise<void>;
}

const PROGRAM = process.env['PGBOUNCER'] ?? '/usr/sbin/pgbouncer';
const PORT = 6432;
const STOP_MS = 10_000;

/** Starts the installed PgBouncer, on a Unix socket below `home`. */
export async function startPooler(home: string, behind: Postgres, { account }: Installation): Promise<Pooler> {
  const directory = join(home, 'pooler');
  await mkdir(directory, { mode: 0o700 });
  const file = join(directory, 'pgbouncer.ini');
  await writeFile(file, configuration(directory, behind), { mode: 0o600 });
  for (const path of [directory, file]) await account.give(path);
  const log = await open(`${directory}.log`, 'a', 0o600);
  const child = startChild(account.argv(PROGRAM, ['-q', file]), { PATH: process.env['PATH'] ?? '' }, log.fd, 'SIGQUIT');
  await log.close();
  const url = `postgres://postgres@${encodeURIComponent(directory)}/${DATABASE}?port=${PORT}`;
  await until('PgBouncer answered', () =>
    asAdmin({ url, usesPrepared: false }, async (sql) => (await sql`select 1`).length === 1),
  );
  return {
    url,
    stop: async () => {
      child.kill('SIGINT');
      if (!(await ended(child, STOP_MS))) child.kill('SIGKILL');
    },
  };
}

function configuration(directory: string, behind: Postgres): string {
  return `[databases]
${DATABASE} = host=${dirname(behind.admin.socketPath)} port=${behind.port} dbname=${DATABASE} user=postgres
[pgbouncer]
unix_socket_dir = ${directory}
listen_port = ${PORT}
auth_type = any
pool_mode = transaction
default_pool_size = 20
max_client_conn = 200
logfile =
`;
}
