import { readFile, readlink, realpath, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isAlive } from './embedded-cluster.js';
import { unless } from './embedded-directory.js';
import { EmbeddedError, errorCode } from './embedded-error.js';
import { runToEnd } from './embedded-process.js';

/** A PostgreSQL that runs in a cluster directory. Its process id is unknown when it runs in another container. */
export interface RunningServer {
  readonly pid: number | undefined;
  readonly socketPath: string;
  readonly isReady: boolean;
}

export const SOCKET_NAME = '.s.PGSQL.5432';
/** What a socket directory outside of the data directory is called. */
export const SOCKET_DIRECTORY_PREFIX = 'countersign-socket-';
const NOT_OURS_TO_REMOVE = new Set(['ENOENT', 'ENOTEMPTY', 'EEXIST', 'EPERM', 'EACCES']);
const POLL_MS = 20;
const FAST_SHUTDOWN_MS = 8_000;
const IMMEDIATE_SHUTDOWN_MS = 5_000;

/** Finds the server of a cluster directory by the file that PostgreSQL keeps there, and whether it tells the truth. */
export async function findRunning(cluster: string): Promise<RunningServer | undefined> {
  const noted = await readPidFile(cluster);
  if (noted === undefined) return undefined;
  const server = { socketPath: noted.socketPath, isReady: noted.isReady };
  if (await isPostmaster(noted.pid, cluster)) return { ...server, pid: noted.pid };
  if (await isListening(noted.socketPath)) return { ...server, pid: undefined };
  return undefined;
}

/** Clears what a server left that was killed. PostgreSQL does so itself, unless its process id belongs to somebody else
 *  by now: then it would refuse to start. */
export async function clearStale(cluster: string): Promise<void> {
  const noted = await readPidFile(cluster);
  if (noted === undefined || (await findRunning(cluster)) !== undefined) return;
  await removeSocket(noted.socketPath);
  if (!isAlive(noted.pid)) return;
  // PostgreSQL takes the id of its parent for stale, and goes on to look whether old backends are still at work.
  const pidFile = join(cluster, 'postmaster.pid');
  await writeFile(`${pidFile}.new`, [process.pid, ...noted.rest].join('\n'), { mode: 0o600 });
  await rename(`${pidFile}.new`, pidFile);
}

/** Removes a socket that nobody listens on, and its directory if that was made for it. */
export async function removeSocket(socketPath: string): Promise<void> {
  await rm(socketPath, { force: true });
  await rm(`${socketPath}.lock`, { force: true });
  const directory = dirname(socketPath);
  if (!basename(directory).startsWith(SOCKET_DIRECTORY_PREFIX)) return;
  await rmdir(directory).catch((error: unknown) => {
    if (!NOT_OURS_TO_REMOVE.has(errorCode(error) ?? '')) throw error;
  });
}

/** Stops a server that is not this process's child: a fast shutdown, then an immediate one. */
export async function stopRunning(cluster: string, server: RunningServer): Promise<void> {
  const { pid } = server;
  if (pid === undefined) {
    throw new EmbeddedError(`the data directory ${dirname(cluster)} is in use by a PostgreSQL of another container`);
  }
  for (const [signal, timeoutMs] of [
    ['SIGINT', FAST_SHUTDOWN_MS],
    ['SIGQUIT', IMMEDIATE_SHUTDOWN_MS],
  ] as const) {
    signalIfThere(pid, signal);
    if (await isGone(pid, cluster, timeoutMs)) return removeSocket(server.socketPath);
  }
  throw new EmbeddedError(`the PostgreSQL of ${dirname(cluster)} (process ${pid}) does not stop: end it by hand`);
}

function signalIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error;
  }
}

async function isGone(pid: number, cluster: string, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while (Date.now() < deadline) {
    if (!(await isPostmaster(pid, cluster))) return true;
    await delay(POLL_MS);
  }
  return false;
}

// The lines: process id, data directory, start time, port, socket directory, address, shared memory, state.
async function readPidFile(cluster: string) {
  const text = await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(unless('ENOENT'));
  const [first, ...rest] = text?.split('\n') ?? [];
  const pid = Number.parseInt(first ?? '', 10);
  if (!(pid > 1)) return undefined;
  const socketDirectory = rest[3] || cluster;
  return { pid, rest, socketPath: join(socketDirectory, SOCKET_NAME), isReady: rest[6]?.trim() === 'ready' };
}

/** Whether a process is the postmaster of that directory: process ids are used again. */
async function isPostmaster(pid: number, cluster: string): Promise<boolean> {
  if (!isAlive(pid)) return false;
  if (process.platform === 'linux') {
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => undefined);
    return cwd !== undefined && cwd === (await realpath(cluster));
  }
  const shown = await runToEnd(
    ['ps', '-ww', '-o', 'command=', '-p', String(pid)],
    process.env['PATH'] ? { PATH: process.env['PATH'] } : {},
  );
  return shown.output.includes(cluster);
}

function isListening(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    const answer = (isUp: boolean) => {
      socket.destroy();
      resolve(isUp);
    };
    socket.once('connect', () => answer(true)).once('error', () => answer(false));
  });
}
