import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { CORES } from './processes.js';
import type { Stage } from './stage.js';

/** A server under test. */
export interface ServerProcess {
  readonly name: string;
  readonly url: string;
  readonly pid: number;
  /** SIGTERM, then SIGKILL. Safe to call again. */
  stop(): Promise<void>;
}

export interface ServerOptions {
  readonly name: string;
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Runs on the server's core alone; elsewhere where the system puts it. */
  readonly isPinned: boolean;
  /** The URL, for a server that prints no line about it. It is asked until it answers. */
  readonly url?: string;
}

const START_MS = 60_000;
const STOP_MS = 20_000;
const POLL_MS = 50;

/** Starts a server in an environment that has nothing of this process's but its path, and waits until it listens: a JSON
 *  line with `url` on its standard output, or an answer. It ends with the stage. */
export async function startProcess(stage: Stage, options: ServerOptions): Promise<ServerProcess> {
  stage.signal.throwIfAborted();
  const [program = '', ...args] = options.isPinned
    ? ['taskset', '-c', CORES.server, ...options.argv]
    : [...options.argv];
  const logPath = join(stage.directory, `${options.name}.log`);
  const log = openSync(logPath, 'a', 0o600);
  const { PATH = '/usr/bin:/bin' } = process.env;
  // Detached, so that Ctrl-C in the terminal reaches it through the stage alone.
  const child = spawn(program, args, {
    cwd: options.cwd ?? stage.directory,
    env: { PATH, HOME: stage.directory, ...options.env },
    detached: true,
    stdio: ['ignore', options.url === undefined ? 'pipe' : log, log],
  });
  closeSync(log);
  const stop = () => stopChild(child);
  stage.atEnd(stop);
  try {
    const url = await inTime(options.url === undefined ? readUrl(child) : untilAnswered(child, options.url));
    if (child.pid === undefined) throw new Error('it has no process id');
    return { name: options.name, url, pid: child.pid, stop };
  } catch (error) {
    await stop();
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`${options.name} did not start: ${why}\n${lastLines(logPath)}`, { cause: error });
  }
}

async function readUrl(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('its output is not read');
  child.once('error', () => child.stdout?.destroy());
  for await (const line of createInterface({ input: child.stdout })) {
    const found = /"url":"(http[^"]+)"/.exec(line)?.[1];
    if (found === undefined) continue;
    child.stdout.resume();
    return found;
  }
  throw new Error('it ended without listening');
}

async function untilAnswered(child: ChildProcess, url: string): Promise<string> {
  while (child.exitCode === null && child.signalCode === null) {
    const answer = await fetch(url).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer !== undefined) return url;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  throw new Error('it ended without listening');
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${START_MS / 1000} s`)), START_MS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await ended;
  clearTimeout(late);
}

function lastLines(path: string): string {
  return readFileSync(path, 'utf8').trimEnd().split('\n').slice(-5).join('\n');
}
