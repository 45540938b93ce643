import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, open, readFile, rename, stat } from 'node:fs/promises';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Binaries } from './embedded-binaries.js';
import { unless } from './embedded-directory.js';
import { EmbeddedError } from './embedded-error.js';
import type { Account } from './embedded-privileges.js';
import { ended, hasEnded, tellingLine } from './embedded-process.js';
import { findRunning, removeSocket, SOCKET_DIRECTORY_PREFIX, SOCKET_NAME } from './embedded-running.js';

/** A PostgreSQL that this process started. It ends with this process, however that ends. */
export interface Postmaster {
  readonly socketPath: string;
  /** Resolves when it ends without having been asked to. */
  readonly exited: Promise<void>;
  /** A fast shutdown; an immediate one after 8 s. */
  stop(): Promise<void>;
  /** Leaves it running when this process ends. */
  leave(): void;
}

export interface PostmasterOptions {
  readonly cluster: string;
  readonly binaries: Binaries;
  readonly account: Account;
  readonly settings: Readonly<Record<string, string>>;
  readonly onStarting?: (() => void) | undefined;
}

// A socket's address holds 107 bytes on Linux and 103 on macOS.
const MAX_SOCKET_PATH_BYTES = 100;
const MAX_LOG_BYTES = 1024 * 1024;
const POLL_MS = 10;
// After a crash PostgreSQL replays its log first.
const START_TIMEOUT_MS = 120_000;
const FAST_SHUTDOWN_MS = 8_000;
const IMMEDIATE_SHUTDOWN_MS = 5_000;

// A socket alone, and a log without statements, parameters and rows.
const SETTINGS = {
  listen_addresses: '',
  unix_socket_permissions: '0700',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_destination: 'stderr',
  logging_collector: 'off',
  log_line_prefix: '%m [%p] ',
  log_min_messages: 'log',
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
  log_statement: 'none',
  log_min_duration_statement: '-1',
  log_parameter_max_length: '0',
  log_parameter_max_length_on_error: '0',
  log_checkpoints: 'off',
};

/** Starts PostgreSQL on a cluster that nobody runs, and waits until it answers. Gives `undefined` when another process
 *  was faster. Throws {@link EmbeddedError} with what PostgreSQL's log says when it does not come up. */
export async function startPostmaster(options: PostmasterOptions): Promise<Postmaster | undefined> {
  const { cluster, binaries, account } = options;
  const socketDirectory = await makeSocketDirectory(cluster, account);
  const socketPath = join(socketDirectory, SOCKET_NAME);
  const logFile = join(dirname(cluster), 'postgres.log');
  const logStart = await rotate(logFile);
  // The list of directories is split at commas outside of quotes.
  const quoted = `"${socketDirectory.replaceAll('"', '""')}"`;
  const settings = { ...SETTINGS, unix_socket_directories: quoted, ...options.settings };
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const child = await spawnLogged(account.argv(binaries.postgres, ['-D', cluster, ...args]), binaries.env, logFile);
  options.onStarting?.();
  await account.give(logFile);
  const watchdog = startWatchdog(child, socketDirectory === cluster ? undefined : socketDirectory);
  try {
    await untilReady(child, cluster);
  } catch (error) {
    await endChild(child);
    watchdog.dismiss();
    await removeSocket(socketPath);
    throw error;
  }
  if (!hasEnded(child)) return keep(child, watchdog, socketPath);
  watchdog.dismiss();
  if (socketDirectory !== cluster) await removeSocket(socketPath);
  const log = await readFile(logFile).then((bytes) => bytes.subarray(logStart).toString());
  if (/lock file ".*" already exists/.test(log) || (await findRunning(cluster)) !== undefined) return undefined;
  throw new EmbeddedError(`PostgreSQL does not start on ${cluster}: ${tellingLine(log)} (see ${logFile})`);
}

function keep(child: ChildProcess, watchdog: Watchdog, socketPath: string): Postmaster {
  let isAsked = false;
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => {
      watchdog.dismiss();
      if (!isAsked) resolve();
    });
  });
  return {
    socketPath,
    exited,
    stop: async () => {
      isAsked = true;
      await endChild(child);
      await removeSocket(socketPath);
    },
    leave: () => {
      isAsked = true;
      watchdog.dismiss();
    },
  };
}

async function spawnLogged(
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
  logFile: string,
): Promise<ChildProcess> {
  const [program = '', ...args] = argv;
  const log = await open(logFile, 'a', 0o600);
  try {
    // Detached, so that Ctrl-C in the terminal does not reach it before this process has drained.
    const child = spawn(program, args, {
      env: { ...env },
      cwd: '/',
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    });
    child.on('error', () => undefined);
    child.unref();
    return child;
  } finally {
    await log.close();
  }
}

async function untilReady(child: ChildProcess, cluster: string): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!hasEnded(child)) {
    const server = await findRunning(cluster);
    if (server?.pid === child.pid && server?.isReady === true) return;
    if (Date.now() > deadline) {
      throw new EmbeddedError(`PostgreSQL on ${cluster} is not ready after ${START_TIMEOUT_MS / 1000} s: see its log`);
    }
    await delay(POLL_MS);
  }
}

async function endChild(child: ChildProcess): Promise<void> {
  child.ref();
  child.kill('SIGINT');
  if (await ended(child, FAST_SHUTDOWN_MS)) return;
  child.kill('SIGQUIT');
  if (await ended(child, IMMEDIATE_SHUTDOWN_MS)) return;
  child.kill('SIGKILL');
  await ended(child, IMMEDIATE_SHUTDOWN_MS);
}

interface Watchdog {
  dismiss(): void;
}

// It reads from a pipe that this process holds open: when that ends without a line, this process was killed.
const WATCHDOG_SCRIPT = `
read -r line && exit
kill -INT "$1"
tries=0
while [ -n "$2" ] && [ "$tries" -lt 100 ] && ! rmdir "$2" 2>/dev/null; do sleep 0.1; tries=$((tries + 1)); done
`;

/** Stops PostgreSQL when this process is killed, and removes the directory of its socket. */
function startWatchdog(child: ChildProcess, socketDirectory: string | undefined): Watchdog {
  if (child.pid === undefined) return { dismiss: () => undefined };
  const argv = ['-c', WATCHDOG_SCRIPT, 'sh', String(child.pid), socketDirectory ?? ''];
  const dog = spawn('/bin/sh', argv, { cwd: '/', detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  // Without a shell the next start finds the server and stops it.
  dog.on('error', () => undefined);
  dog.stdin.on('error', () => undefined);
  dog.unref();
  if (dog.stdin instanceof Socket) dog.stdin.unref();
  return { dismiss: () => void dog.stdin.end('\n') };
}

async function makeSocketDirectory(cluster: string, account: Account): Promise<string> {
  if (Buffer.byteLength(join(cluster, SOCKET_NAME)) <= MAX_SOCKET_PATH_BYTES) return cluster;
  const temporary = Buffer.byteLength(tmpdir()) < 60 ? tmpdir() : '/tmp';
  const directory = await mkdtemp(join(temporary, SOCKET_DIRECTORY_PREFIX));
  await account.give(directory);
  return directory;
}

/** Puts a long log aside. Gives the place from which on the new start writes. */
async function rotate(logFile: string): Promise<number> {
  const size = (await stat(logFile).catch(unless('ENOENT')))?.size ?? 0;
  if (size <= MAX_LOG_BYTES) return size;
  await rename(logFile, `${logFile}.1`);
  return 0;
}
