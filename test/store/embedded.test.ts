import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { appendFile, chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { connect, type Sql } from '../../src/store/connect.js';
import { type EmbeddedPostgres, openEmbedded, prepareDataDir } from '../../src/store/embedded.js';

const NOBODY = 65_534;
let seed: string;
let root: string;
let dataDir: string;

beforeAll(async () => {
  seed = await mkdtemp(join(tmpdir(), 'countersign-embedded-'));
  await (await openEmbedded({ dataDir: seed, purpose: 'visit' })).stop();
});

afterAll(() => discard(seed));

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'countersign-embedded-'));
  await useDataDir('data');
});

afterEach(() => discard(root));

describe('a serve', () => {
  it('starts on an empty directory, keeps its data, and leaves nothing running', async () => {
    dataDir = join(root, 'empty');
    const first = await open('serve');
    await query(first, (sql) => sql`create table kept (id int)`);
    const postmaster = await postmasterPid();
    await first.stop();
    expect(isAlive(postmaster)).toBe(false);

    const second = await open('serve');
    expect(second.wasRunning).toBe(false);
    expect(await query(second, (sql) => sql`select count(*)::int as n from kept`)).toEqual([{ n: 0 }]);
    await second.stop();
    expect(await readdir(join(dataDir, 'postgres'))).not.toContain('postmaster.pid');
  });

  it('is closed to everybody else: no port, private modes, nothing for a repository', async () => {
    const server = await open('serve');
    expect(await query(server, (sql) => sql`show listen_addresses`)).toEqual([{ listen_addresses: '' }]);
    expect(await modeOf(dataDir)).toBe(0o700);
    expect(await modeOf(join(dataDir, 'postgres'))).toBe(0o700);
    expect(await modeOf(server.socketPath)).toBe(0o700);
    expect(await modeOf(join(dataDir, 'postgres.log'))).toBe(0o600);
    expect(await readFile(join(dataDir, '.gitignore'), 'utf8')).toBe('*\n');
    await server.stop();
  });

  it('writes no statement and no parameter to its log', async () => {
    const server = await open('serve');
    const marked = (sql: Sql) => sql`select ${'secret-parameter'}::text::int as secret_statement`;
    await expect(query(server, marked)).rejects.toThrow('invalid input syntax');
    await query(server, (sql) => sql`select pg_terminate_backend(pg_backend_pid())`).catch(() => undefined);
    await server.stop();
    expect(await readFile(join(dataDir, 'postgres.log'), 'utf8')).not.toContain('secret');
  });

  it('puts a long log aside at the start', async () => {
    await writeFile(join(dataDir, 'postgres.log'), 'x'.repeat(2 * 1024 * 1024));
    const server = await open('serve');
    expect((await stat(join(dataDir, 'postgres.log'))).size).toBeLessThan(25_000);
    await server.stop();
  });

  it('has the directory alone', async () => {
    const server = await open('serve');
    expect(await firstLine(spawnServe())).toBe(`the data directory ${dataDir} is in use by another countersign serve`);
    expect(await query(server, (sql) => sql`select 1 as one`)).toEqual([{ one: 1 }]);
    await server.stop();
  });

  it('has the directory alone also after PostgreSQL recovered from the crash of a process', async () => {
    const server = await open('serve');
    const crashed = await crashBackend(server);
    await vi.waitFor(async () => {
      expect(await checkpointerOf(server)).not.toBe(crashed);
      expect(await query(server, claims)).toHaveLength(2);
    }, 25_000);
    await expect(open('serve')).rejects.toThrow('is in use by another countersign serve');
    await server.stop();
  });

  it('is one of several that start at once', async () => {
    dataDir = join(root, 'empty');
    const opened = await Promise.allSettled([open('serve'), open('serve'), open('serve')]);
    const [winner, ...others] = opened.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    expect(others).toEqual([]);
    for (const one of opened) if (one.status === 'rejected') expect(one.reason.message).toContain('is in use by');
    await winner?.stop();
    expect(winner).toBeDefined();
  });

  it.runIf(process.platform === 'linux' && process.getuid?.() === 0)(
    'of root steps down to nobody where user namespaces are off, in directories that are closed to nobody',
    async () => {
      const programs = join(root, 'programs');
      await mkdir(programs);
      await writeFile(join(programs, 'unshare'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
      vi.stubEnv('PATH', `${programs}:${process.env['PATH']}`);
      onTestFinished(() => void vi.unstubAllEnvs());
      dataDir = join(root, 'empty');
      const server = await open('serve');
      expect((await stat(join(dataDir, 'postgres'))).uid).toBe(NOBODY);
      expect(await query(server, (sql) => sql`select 1 as one`)).toEqual([{ one: 1 }]);
      await server.stop();
    },
  );

  it.runIf(process.platform === 'linux')('hands PostgreSQL none of its secrets', async () => {
    vi.stubEnv('COUNTERSIGN_PEPPER', 'a-secret');
    onTestFinished(() => void vi.unstubAllEnvs());
    const server = await open('serve');
    const environment = await readFile(`/proc/${await postmasterPid()}/environ`, 'utf8');
    expect(environment).not.toContain('a-secret');
    await server.stop();
  });

  it('says when PostgreSQL ends unasked', async () => {
    const server = await open('serve');
    process.kill(await postmasterPid(), 'SIGINT');
    await server.exited;
    await server.stop();
    await (await open('serve')).stop();
  });

  it('works where the path is too long for a socket, and leaves nothing in the temporary directory', async () => {
    await useDataDir('long'.repeat(30));
    const server = await open('serve');
    expect(await query(server, (sql) => sql`select 1 as one`)).toEqual([{ one: 1 }]);
    expect(await modeOf(dirname(server.socketPath))).toBe(0o700);
    await server.stop();
    await expect(stat(dirname(server.socketPath))).rejects.toThrow('ENOENT');
  });
});

describe('after a SIGKILL', () => {
  it('PostgreSQL ends too', async () => {
    const child = spawnServe();
    await firstLine(child);
    const postmaster = await postmasterPid();
    child.kill('SIGKILL');
    await vi.waitFor(() => expect(isAlive(postmaster)).toBe(false), 25_000);
  });

  it('the next start works at once, while PostgreSQL shuts down', async () => {
    const child = spawnServe();
    await firstLine(child);
    const orphan = await postmasterPid();
    child.kill('SIGKILL');
    const server = await open('serve');
    expect(await postmasterPid()).not.toBe(orphan);
    await vi.waitFor(() => expect(isAlive(orphan)).toBe(false), 25_000);
    await server.stop();
  });

  it('the next start stops a PostgreSQL that was left running', async () => {
    const { orphan } = await leaveOrphan();
    const server = await open('serve');
    expect(server.wasRunning).toBe(true);
    expect(isAlive(orphan)).toBe(false);
    await server.stop();
  });

  it('a visit uses a PostgreSQL that was left running, and stops it', async () => {
    const { orphan } = await leaveOrphan();
    const visit = await open('visit');
    expect(visit.wasRunning).toBe(true);
    await visit.stop();
    expect(isAlive(orphan)).toBe(false);
  });

  it('the directory of the socket goes too', async () => {
    await useDataDir('long'.repeat(30));
    const child = spawnServe();
    const socketDirectory = dirname(await firstLine(child));
    child.kill('SIGKILL');
    await vi.waitFor(() => expect(stat(socketDirectory)).rejects.toThrow('ENOENT'), 25_000);
  });

  it('in the middle of initdb, the next start begins again and clears up', async () => {
    dataDir = join(root, 'empty');
    const child = spawnServe();
    await vi.waitFor(async () => expect((await readdir(dataDir)).join()).toContain('postgres-new-'), {
      timeout: 25_000,
      interval: 5,
    });
    child.kill('SIGKILL');
    await once(child, 'exit');
    await (await open('serve')).stop();
    await vi.waitFor(async () => expect((await readdir(dataDir)).join()).not.toContain('postgres-new-'), 25_000);
  });
});

describe('what others left in the directory', () => {
  it('a postmaster.pid of a process that is gone is no obstacle', async () => {
    await writePidFile(2 ** 22 - 1);
    await (await open('serve')).stop();
  });

  it('a postmaster.pid whose process id belongs to another program by now is no obstacle', async () => {
    const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    await once(other, 'spawn');
    await writePidFile(other.pid ?? 0);
    await writeFile(join(dataDir, 'postgres/.s.PGSQL.5432.lock'), `${other.pid}\n`);
    await (await open('serve')).stop();
    expect(isAlive(other.pid ?? 0)).toBe(true);
    other.kill('SIGKILL');
    await once(other, 'exit');
  });

  it('a half-made cluster is made again', async () => {
    dataDir = join(root, 'empty');
    await mkdir(join(await prepareDataDir(dataDir), 'postgres/base/1'), { recursive: true });
    await writeFile(join(dataDir, 'postgres/PG_VERSION'), '18\n');
    await (await open('serve')).stop();
  });

  it('a damaged cluster is left alone', async () => {
    await rm(join(dataDir, 'postgres/global/pg_control'));
    await expect(open('serve')).rejects.toThrow('is not a whole PostgreSQL data directory');
    expect(await readdir(join(dataDir, 'postgres'))).toContain('PG_VERSION');
  });

  it('the data of another major version is refused', async () => {
    await writeFile(join(dataDir, 'postgres/PG_VERSION'), '17\n');
    await expect(open('serve')).rejects.toThrow('is of PostgreSQL 17, this release runs 18');
  });

  it('what PostgreSQL says when it does not start is said on', async () => {
    await appendFile(join(dataDir, 'postgres/postgresql.conf'), 'no_such_setting = 1\n');
    await expect(open('serve')).rejects.toThrow('PostgreSQL does not start');
  });

  it('an open directory with other files in it is not closed to their owners', async () => {
    dataDir = join(root, 'open');
    await mkdir(dataDir, { mode: 0o755 });
    await writeFile(join(dataDir, 'somebodys.txt'), '');
    await expect(open('serve')).rejects.toThrow('holds other files');
    expect(await modeOf(dataDir)).toBe(0o755);
    await chmod(dataDir, 0o700);
    expect(await prepareDataDir(dataDir)).toBe(dataDir);
  });

  it('a directory that a repository may hold is refused, though nobody else can read it', async () => {
    dataDir = join(root, 'repository');
    await mkdir(dataDir, { mode: 0o700 });
    await writeFile(join(dataDir, '.gitignore'), 'node_modules/\n');
    await expect(open('serve')).rejects.toThrow('holds other files');
  });

  it('a directory that cannot be written is refused in one line', async () => {
    dataDir = join(root, 'read-only');
    await mkdir(dataDir, { mode: 0o555 });
    await chmod(root, 0o755);
    const opening = asOrdinaryUser(() => open('serve'));
    await expect(opening).rejects.toThrow(/^the data directory .* cannot be used: this user may not write it: .*$/);
  });

  it('a file in its place is refused in one line', async () => {
    dataDir = join(root, 'file');
    await writeFile(dataDir, '');
    await expect(open('serve')).rejects.toThrow(/^the data directory .* cannot be used: it is not a directory: .*$/);
  });
});

describe('a visit', () => {
  it('starts a PostgreSQL and stops it', async () => {
    const visit = await open('visit');
    expect(visit.wasRunning).toBe(false);
    const postmaster = await postmasterPid();
    await visit.stop();
    expect(isAlive(postmaster)).toBe(false);
  });

  it('joins the one of a serve and leaves it running', async () => {
    const server = await open('serve');
    const visit = await open('visit');
    expect(visit).toMatchObject({ wasRunning: true, socketPath: server.socketPath });
    await visit.stop();
    expect(await query(server, (sql) => sql`select 1 as one`)).toEqual([{ one: 1 }]);
    await server.stop();
  });

  it('leaves the one it started to another visit, and the last stops it', async () => {
    const first = await open('visit');
    const second = await open('visit');
    const postmaster = await postmasterPid();
    await first.stop();
    expect(await query(second, (sql) => sql`select 1 as one`)).toEqual([{ one: 1 }]);
    await second.stop();
    expect(isAlive(postmaster)).toBe(false);
  });

  it('is waited for by a serve that starts', async () => {
    const visit = await open('visit');
    const serving = open('serve');
    await vi.waitFor(() => query(visit, claims).then((rows) => expect(rows.length).toBeGreaterThan(1)), 25_000);
    expect(await query(visit, (sql) => sql`select 1 as one`)).toEqual([{ one: 1 }]);
    await visit.stop();
    const server = await serving;
    expect(await query(server, (sql) => sql`select 1 as one`)).toEqual([{ one: 1 }]);
    await server.stop();
  });

  it('is one of several that come at once, with a serve among them', async () => {
    dataDir = join(root, 'empty');
    const visiting = [1, 2, 3].map(() => open('visit').then((visit) => visit.stop()));
    const server = await open('serve');
    await Promise.all(visiting);
    await server.stop();
    expect(await readdir(join(dataDir, 'postgres'))).not.toContain('postmaster.pid');
  });
});

/** A data directory with a cluster that was stopped in good order. */
async function useDataDir(name: string): Promise<void> {
  dataDir = join(root, name);
  await promisify(execFile)('cp', ['-a', seed, dataDir]);
}

async function discard(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 10 });
}

async function asOrdinaryUser<T>(act: () => Promise<T>): Promise<T> {
  if (process.getuid?.() !== 0) return act();
  process.seteuid?.(NOBODY);
  try {
    return await act();
  } finally {
    process.seteuid?.(0);
  }
}

function open(purpose: 'serve' | 'visit'): Promise<EmbeddedPostgres> {
  return openEmbedded({ dataDir, purpose });
}

async function query<T>(server: EmbeddedPostgres, act: (sql: Sql) => PromiseLike<T>): Promise<T> {
  const sql = connect({ socketPath: server.socketPath, usesPrepared: true }, { max: 1 });
  try {
    return await act(sql);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

const claims = (sql: Sql) => sql`select 1 from pg_locks where locktype = 'advisory' and granted`;

/** Kills a process of PostgreSQL, all of which then start anew. Gives which it was. */
async function crashBackend(server: EmbeddedPostgres): Promise<number> {
  const checkpointer = await checkpointerOf(server);
  process.kill(checkpointer, 'SIGKILL');
  return checkpointer;
}

async function checkpointerOf(server: EmbeddedPostgres): Promise<number> {
  const rows = await query(
    server,
    (sql) => sql<{ pid: number }[]>`select pid from pg_stat_activity where backend_type = 'checkpointer'`,
  );
  const [checkpointer] = rows;
  if (checkpointer === undefined) throw new Error('there is no checkpointer');
  return checkpointer.pid;
}

function spawnServe(): ChildProcess {
  const program = fileURLToPath(new URL('../setup/embedded-serve.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', program, dataDir], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, TSX_DISABLE_CACHE: '1' },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

async function firstLine(child: ChildProcess): Promise<string> {
  let text = '';
  for await (const chunk of child.stdout ?? []) {
    text += chunk;
    if (text.includes('\n')) break;
  }
  return text.split('\n')[0] ?? '';
}

/** A PostgreSQL whose serve was killed together with the watchdog. */
async function leaveOrphan(): Promise<{ orphan: number }> {
  const child = spawnServe();
  await firstLine(child);
  const orphan = await postmasterPid();
  for (const pid of await childrenOf(child.pid ?? 0)) if (pid !== orphan) process.kill(pid, 'SIGKILL');
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(isAlive(orphan)).toBe(true);
  return { orphan };
}

async function childrenOf(parent: number): Promise<number[]> {
  const listing = spawn('ps', ['-A', '-o', 'pid=,ppid=']);
  let text = '';
  for await (const chunk of listing.stdout) text += chunk;
  const rows = text.split('\n').map((line) => line.trim().split(/\s+/).map(Number));
  return rows.flatMap(([pid, ppid]) => (ppid === parent && pid !== undefined && pid !== listing.pid ? [pid] : []));
}

async function postmasterPid(): Promise<number> {
  return Number.parseInt(await readFile(join(dataDir, 'postgres/postmaster.pid'), 'utf8'), 10);
}

async function writePidFile(pid: number): Promise<void> {
  const lines = [
    pid,
    join(dataDir, 'postgres'),
    1_700_000_000,
    5432,
    join(dataDir, 'postgres'),
    '',
    '1 1',
    'ready   ',
    '',
  ];
  await writeFile(join(dataDir, 'postgres/postmaster.pid'), lines.join('\n'), { mode: 0o600 });
}

async function modeOf(path: string): Promise<number> {
  return (await stat(path)).mode & 0o777;
}

/** Whether a process runs. One that ended and was not waited for does not. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return process.platform !== 'linux' || !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
