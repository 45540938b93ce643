import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { MAIN } from './built.js';
import { readProcess } from './processes.js';
import type { Stage } from './stage.js';

// Two processes that would run on; they tell their ids.
const JOB = 'sleep 600 & echo "job $$ $!"; wait';
const POLL_MS = 1;
const PATIENCE_MS = 30_000;

/** A job of two processes under a guard of the build, which watches it. */
export interface Job {
  /** Ends when nothing of the job is left; a zombie is nothing. Gives when that was seen, on the monotonic clock. */
  untilGone(): Promise<number>;
  /** Ends with the guard. Throws when it did not end for having no right to go on. */
  untilRefused(): Promise<void>;
}

/** Starts one. It is watched when this returns: what is measured is the end of a job, not the beginning of one. */
export async function startJob(
  stage: Stage,
  { url, workflow, token }: { readonly url: string; readonly workflow: string; readonly token: string },
): Promise<Job> {
  const { PATH = '/usr/bin:/bin' } = process.env;
  const guard = spawn(process.execPath, [MAIN, 'exec', '--workflow', workflow, '--', 'sh', '-c', JOB], {
    cwd: stage.directory,
    env: { PATH, HOME: stage.directory, COUNTERSIGN_URL: url, COUNTERSIGN_TOKEN: token },
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  stage.atEnd(() => end(guard));
  const pids = await startedPids(guard.stdout);
  await untilWatched(url, stage.signal);
  return {
    untilGone: () => untilGone(pids, stage.signal),
    untilRefused: async () => {
      if (guard.exitCode === null) await once(guard, 'exit');
      if (guard.exitCode !== 77) throw new Error(`the guard exited with ${guard.exitCode}, not 77`);
    },
  };
}

async function startedPids(stdout: NodeJS.ReadableStream): Promise<readonly number[]> {
  let said = '';
  for await (const piece of stdout) {
    said += String(piece);
    const [, shell, sleep] = /job (\d+) (\d+)/.exec(said) ?? [];
    if (sleep !== undefined) return [Number(shell), Number(sleep)];
  }
  throw new Error('the job did not start');
}

async function untilWatched(url: string, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const metrics = await (await fetch(`${url}/metrics`, { signal })).text();
    if (/^countersign_watches(\{.*\})? [1-9]/m.test(metrics)) return;
    if (performance.now() > deadline) throw new Error('the guard did not watch its job');
    await pause(POLL_MS, undefined, { signal });
  }
}

async function untilGone(pids: readonly number[], signal: AbortSignal): Promise<number> {
  const deadline = performance.now() + PATIENCE_MS;
  while (pids.some((pid) => readProcess(pid)?.isAlive === true)) {
    if (performance.now() > deadline) throw new Error(`the job was still there after ${PATIENCE_MS / 1000} s`);
    await pause(POLL_MS, undefined, { signal });
  }
  return performance.now();
}

async function end(guard: ChildProcess): Promise<void> {
  if (guard.exitCode !== null || guard.signalCode !== null) return;
  const exited = once(guard, 'exit');
  guard.kill('SIGTERM');
  await exited;
}
