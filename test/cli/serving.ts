import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, vi } from 'vitest';
import { type Client, createClient } from '../../src/sdk/index.js';
import { MAIN, temporaryDirectory } from './command-line.js';

export interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A `serve --json` that was started, in a group of processes of its own. */
export interface Starting {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly ended: Promise<End>;
  stdout(): string;
  stderr(): string;
  /** The first line on standard output; empty when it ended without one. */
  firstLine(): Promise<string>;
  /** Sends a signal to the process, and gives how it ended. */
  stop(signal?: NodeJS.Signals): Promise<End>;
}

/** One that listens. */
export interface Serving extends Starting {
  readonly url: string;
  readonly port: number;
  readonly tokenFile: string | null;
  /** A client with the owner's token of the data directory. */
  owner(): Promise<Client>;
}

type Environment = Readonly<Record<string, string | undefined>>;

const started: Starting[] = [];

/** Ends what the tests of a file have started and not stopped. */
export async function endServices(): Promise<void> {
  for (const { child, pid, ended } of started.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    process.kill(-pid, 'SIGKILL');
    await ended;
  }
}

/** Starts a `serve` on a free port, with nothing of this process's environment but `PATH`. */
export function spawnServe(env: Environment): Starting {
  const child = spawn(process.execPath, [MAIN, 'serve', '--json'], {
    cwd: temporaryDirectory(),
    env: { PATH: process.env['PATH'], PORT: '0', ...env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (piece) => {
    stdout += piece;
    child.emit('countersign-output');
  });
  child.stderr.on('data', (piece) => {
    stderr += piece;
  });
  const ended = new Promise<End>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  const starting = {
    child,
    pid: child.pid ?? 0,
    ended,
    stdout: () => stdout,
    stderr: () => stderr,
    firstLine: async () => {
      let isOver = false;
      void ended.then(() => {
        isOver = true;
      });
      while (!stdout.includes('\n') && !isOver) await Promise.race([once(child, 'countersign-output'), ended]);
      return stdout.split('\n')[0] ?? '';
    },
    stop: (signal: NodeJS.Signals = 'SIGTERM') => {
      child.kill(signal);
      return ended;
    },
  };
  started.push(starting);
  return starting;
}

/** Starts a `serve` and waits until it listens. */
export async function startServe(env: Environment): Promise<Serving> {
  const starting = spawnServe(env);
  const line = await starting.firstLine();
  if (line === '') throw new Error(`serve did not start: ${starting.stderr()}`);
  const { url, token_file: tokenFile } = JSON.parse(line);
  return {
    ...starting,
    url,
    port: Number(new URL(url).port),
    tokenFile,
    owner: async () => {
      const file = join(env['COUNTERSIGN_DATA_DIR'] ?? '', 'owner.token');
      return createClient({ url, token: (await readFile(file, 'utf8')).trim() });
    },
  };
}

/** Makes a data directory that a serve was on and left in good order. Gives a maker of copies. */
export async function seedDataDir(): Promise<() => Promise<string>> {
  const seed = join(temporaryDirectory(), 'data');
  const serving = await startServe({ COUNTERSIGN_DATA_DIR: seed });
  expect(await serving.stop()).toEqual({ code: 0, signal: null });
  return async () => {
    const copy = join(temporaryDirectory(), 'data');
    await promisify(execFile)('cp', ['-a', seed, copy]);
    return copy;
  };
}

/** Waits until nothing runs any more that belonged to a serve: no worker, no PostgreSQL of its data directory. */
export async function untilNothingIsLeft(starting: Pick<Starting, 'pid'>, dataDir?: string): Promise<void> {
  await vi.waitFor(async () => expect(await leftOf(starting, dataDir)).toEqual([]), { timeout: 25_000, interval: 50 });
}

/** The processes of a serve that run. */
export async function leftOf({ pid }: Pick<Starting, 'pid'>, dataDir?: string): Promise<string[]> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-ww', '-o', 'pid=,pgid=,stat=,command=']);
  return stdout.split('\n').filter((line) => {
    const [, , group, state] = /^\s*(\d+)\s+(\d+)\s+(\S+)/.exec(line) ?? [];
    const isIts = Number(group) === pid || (dataDir !== undefined && line.includes(dataDir));
    return isIts && !state?.startsWith('Z');
  });
}

/** The process id of the PostgreSQL that runs in a data directory. */
export async function postmasterOf(dataDir: string): Promise<number> {
  return Number.parseInt(await readFile(join(dataDir, 'postgres/postmaster.pid'), 'utf8'), 10);
}
