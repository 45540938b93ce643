import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { MAIN } from '../harness/built.js';
import { connectTo, expectStatus } from '../harness/client.js';
import { readProcess } from '../harness/processes.js';
import { onStage, type Stage } from '../harness/stage.js';
import { quantile } from '../harness/statistics.js';
import { TARGETS } from '../report/targets.js';
import { seedGround, startNode } from '../systems/service.js';
import type { Measure } from './measure.js';

const WORKFLOW = 'jobs';
// Two processes that would run on; they tell their ids.
const JOB = 'sleep 600 & echo "job $$ $!"; wait';
/** Enough for a 99th percentile that is not the worst of all. */
const RUNS_A_REPEAT = 10;
const POLL_MS = 1;
const PATIENCE_MS = 30_000;

/** From the answer to a revocation until nothing of the job that ran with the token is left. */
export const kill: Measure = {
  part: 'kill',
  title: 'A revocation ends a running job',
  run: (stage, ground, plan) =>
    onStage(stage, async (inner) => {
      const group = { workflow: WORKFLOW, scopes: ['codex:exec'], count: plan.repeats * RUNS_A_REPEAT };
      const seeded = await seedGround(inner, ground.dataDir, ground.options, [group], 0);
      const server = await startNode(inner, ground, { name: 'kill', isPinned: false });
      const spans: number[] = [];
      for (const token of seeded.get(WORKFLOW) ?? []) spans.push(await spanOf(inner, server.url, token));
      return [
        { what: 'from its answer until the job is gone: p50', value: quantile(spans, 0.5), unit: 'ms' },
        {
          what: 'from its answer until the job is gone: p99',
          value: quantile(spans, 0.99),
          unit: 'ms',
          target: TARGETS.kill,
        },
        { what: 'runs', value: spans.length, unit: '' },
      ];
    }),
};

function spanOf(stage: Stage, url: string, token: string): Promise<number> {
  return onStage(stage, async (inner) => {
    const { guard, pids } = await startJob(inner, url, token);
    await untilWatched(url, inner.signal);
    const connection = connectTo(url);
    inner.atEnd(connection.close);
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const gone = untilGone(pids, inner.signal);
    const answer = await connection.post('/oauth2/revoke', form, `token=${token}`);
    expectStatus(answer, 200);
    const span = (await gone) - answer.answeredMs;
    if (guard.exitCode === null) await once(guard, 'exit');
    if (guard.exitCode !== 77) throw new Error(`the guard exited with ${guard.exitCode}, not 77`);
    return span;
  });
}

async function startJob(stage: Stage, url: string, token: string) {
  const { PATH = '/usr/bin:/bin' } = process.env;
  const argv = [MAIN, 'exec', '--workflow', WORKFLOW, '--', 'sh', '-c', JOB];
  const guard = spawn(process.execPath, argv, {
    cwd: stage.directory,
    env: { PATH, HOME: stage.directory, COUNTERSIGN_URL: url, COUNTERSIGN_TOKEN: token },
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  stage.atEnd(() => end(guard));
  let said = '';
  for await (const piece of guard.stdout) {
    said += String(piece);
    const [, shell, sleep] = /job (\d+) (\d+)/.exec(said) ?? [];
    if (sleep === undefined) continue;
    return { guard, pids: [Number(shell), Number(sleep)] };
  }
  throw new Error('the job did not start');
}

/** Waits until the guard has its watch open: what is measured is the end of a job, not the beginning of one. */
async function untilWatched(url: string, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const metrics = await (await fetch(`${url}/metrics`, { signal })).text();
    if (/^countersign_watches(\{.*\})? [1-9]/m.test(metrics)) return;
    if (performance.now() > deadline) throw new Error('the guard did not watch its job');
    await pause(POLL_MS, undefined, { signal });
  }
}

/** Waits until processes have ended; a zombie has. Gives when that was seen, on the monotonic clock. */
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
