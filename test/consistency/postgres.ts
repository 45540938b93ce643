import type { ChildProcess } from 'node:child_process';
import { mkdir, open, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type ConnectionOptions, connect, type Sql } from '../../src/store/connect.js';
import { type Binaries, findBinaries } from '../../src/store/embedded-binaries.js';
import { type Account, findAccount } from '../../src/store/embedded-privileges.js';
import { ended, runToEnd } from '../../src/store/embedded-process.js';
import { freePort } from '../setup/free-port.js';
import { startChild } from './child.js';

/** The programs of a PostgreSQL, and who they run as. */
export interface Installation {
  readonly binaries: Binaries;
  readonly account: Account;
}

/** A PostgreSQL that is started, stopped, copied and promoted at will. */
export interface Postgres {
  readonly directory: string;
  readonly port: number;
  /** As the operating system's user, past every pooler. */
  readonly admin: ConnectionOptions & { readonly socketPath: string };
  /** Resolves when it answers. */
  start(settings: Readonly<Record<string, string>>): Promise<void>;
  /** `immediate` is what a crash is to the clients and to the log. */
  stop(how: 'fast' | 'immediate'): Promise<void>;
}

export const DATABASE = 'countersign';
const PATIENCE_MS = 60_000;
const POLL_MS = 50;
const INITDB = ['--auth=trust', '--encoding=UTF8', '--locale=C', '--username=postgres', '--no-instructions'];
const SETTINGS = { unix_socket_permissions: '0700', listen_addresses: '', max_connections: '200', timezone: 'UTC' };

/** Finds the embedded binaries and a way to run them. */
export async function findInstallation(home: string): Promise<Installation> {
  const binaries = await findBinaries(join(home, 'lib'));
  return { binaries, account: await findAccount(home, binaries) };
}

/** Names a cluster below `home`, which {@link initialise} or {@link copyOf} fills. */
export async function clusterAt(home: string, name: string, { binaries, account }: Installation): Promise<Postgres> {
  const directory = join(home, name);
  const port = await freePort();
  const admin = { socketPath: join(directory, `.s.PGSQL.${port}`), database: DATABASE, usesPrepared: true };
  let child: ChildProcess | undefined;
  return {
    directory,
    port,
    admin,
    start: async (settings) => {
      const all = { ...SETTINGS, unix_socket_directories: directory, port: String(port), ...settings };
      const args = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
      const log = await open(`${directory}.log`, 'a', 0o600);
      child = startChild(account.argv(binaries.postgres, ['-D', directory, ...args]), binaries.env, log.fd, 'SIGQUIT');
      await log.close();
      await untilReached({ ...admin, database: 'postgres' }, child);
    },
    stop: async (how) => {
      if (child === undefined) return;
      child.kill(how === 'fast' ? 'SIGINT' : 'SIGQUIT');
      if (!(await ended(child, PATIENCE_MS))) throw new Error(`the PostgreSQL in ${directory} does not stop`);
      child = undefined;
    },
  };
}

/** Makes an empty cluster. */
export async function initialise(cluster: Postgres, { binaries, account }: Installation): Promise<void> {
  await mkdir(cluster.directory, { mode: 0o700 });
  await account.give(cluster.directory);
  const made = await runToEnd(account.argv(binaries.initdb, [...INITDB, '-D', cluster.directory]), binaries.env);
  if (made.code !== 0) throw new Error(`initdb failed: ${made.output}`);
}

/** Makes the service's database. */
export async function createDatabase(cluster: Postgres): Promise<void> {
  await asAdmin({ ...cluster.admin, database: 'postgres' }, async (sql) => {
    await sql`create database ${sql(DATABASE)}`;
  });
}

/** Fills a cluster with a copy of a running one, which it then follows when it starts. */
export async function copyOf(primary: Postgres, standby: Postgres, { account }: Installation): Promise<void> {
  await rm(standby.directory, { recursive: true, force: true });
  const label = await asAdmin(primary.admin, async (sql) => {
    await sql`select pg_backup_start('standby', true)`;
    // A file that goes away meanwhile is made again by the log.
    await runToEnd(['cp', '-a', primary.directory, standby.directory], { PATH: process.env['PATH'] ?? '' });
    const [row] = await sql<{ labelfile: string }[]>`select labelfile from pg_backup_stop(false)`;
    return row?.labelfile ?? '';
  });
  const inside = (name: string) => join(standby.directory, name);
  for (const name of ['postmaster.pid', 'postmaster.opts', 'postgresql.auto.conf', 'pg_wal']) {
    await rm(inside(name), { recursive: true, force: true });
  }
  await rm(inside(`.s.PGSQL.${primary.port}`), { force: true });
  await rm(inside(`.s.PGSQL.${primary.port}.lock`), { force: true });
  await mkdir(inside('pg_wal'), { mode: 0o700 });
  await account.give(inside('pg_wal'));
  for (const [name, text] of Object.entries({
    backup_label: label,
    'standby.signal': '',
    'postgresql.auto.conf': '',
  })) {
    await writeFile(inside(name), text, { mode: 0o600 });
    await account.give(inside(name));
  }
}

/** Runs an act on one connection. */
export async function asAdmin<T>(options: ConnectionOptions, act: (sql: Sql) => Promise<T>): Promise<T> {
  const sql = connect(options, { max: 1 });
  try {
    return await act(sql);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/** Asks until the answer is yes. */
export async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (Date.now() < deadline) {
    if (await isSo().catch(() => false)) return;
    await delay(POLL_MS);
  }
  throw new Error(`it took too long until ${what}`);
}

async function untilReached(options: ConnectionOptions, child: ChildProcess): Promise<void> {
  await until('PostgreSQL answered', () => {
    if (child.exitCode !== null) throw new Error('PostgreSQL ended at once');
    return asAdmin(options, async (sql) => (await sql`select 1`).length === 1);
  });
}
