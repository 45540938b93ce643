import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { makeCgroup } from '../../src/runner/cgroup.js';
import { bestContainment, type Containment } from '../../src/runner/containment.js';
import { whyNoNamespace } from '../../src/runner/namespace.js';
import { findInterpreter } from '../../src/runner/supervisor.js';
import { ALL, ENDS, HIDERS } from './escapes.js';
import { eventually, gone, ground, guard, guardProcess, isLiving } from './harness.js';

const IS_HERE: Record<Containment, boolean> = {
  'process-group': true,
  subreaper: findInterpreter() !== undefined,
  cgroup: bestContainment() === 'cgroup',
  'pid-namespace': findInterpreter() !== undefined && whyNoNamespace() === undefined,
};

const cases = ENDS.map(([containment, title, end, held]) => ({ containment, title, end, held }));

describe('nothing outlives the right to run', () => {
  test.for(cases.filter(({ containment }) => IS_HERE[containment]))(
    'held by $containment: $title',
    async ({ containment, end, held }) => {
      const { service, directory, checkId } = await ground(onTestFinished);
      const home = (name: string) => join(directory, name.replaceAll(' ', '-'));
      const names = held === 'command' ? [] : held;
      for (const name of [...ALL, 'command', 'tmp']) mkdirSync(home(name));
      onTestFinished(() => sweep(ALL.map(home)));
      const started = names.map((name) => `cd '${home(name)}'; ${HIDERS[name]}`).join('\n');
      const exit = end === 'own end' ? 'while [ ! -e go ]; do sleep 0.05; done; exit 5' : 'exec sleep 1000';
      const command = ['bash', '-c', `${started}\ncd '${home('command')}'; ${exit}`];
      const everyone = [...names, 'command'].map(home);

      if (end === 'revoked' || end === 'own end') {
        const run = guard(service, { command, containment, killAfterSeconds: 0.3 });
        const watch = await service.watched();
        await isInhabited(everyone);
        if (end === 'revoked') watch.write('event: revoked\n\n');
        else writeFileSync(join(home('command'), 'go'), '');
        expect(await run.exitCode).toBe(end === 'revoked' ? 77 : 5);
        expect(looks(everyone)).toEqual([]);
      } else {
        const run = guardProcess(service, { containment, killAfter: 0.3 }, command, { TMPDIR: home('tmp') });
        onTestFinished(() => void run.process.kill('SIGKILL'));
        await service.watched();
        await isInhabited(everyone);
        const family = familyOf(run.process.pid ?? 0, checkId);
        const victims = end.map((role) => found(family[role]));
        // Nobody can act on the death of another one before all are dead.
        for (const pid of victims) process.kill(pid, 'SIGSTOP');
        for (const pid of victims) process.kill(pid, 'SIGKILL');
        const { code, signal } = await run.ended;
        expect({ code, signal }).toEqual(
          end.includes('guard') ? { code: null, signal: 'SIGKILL' } : { code: 137, signal: null },
        );
        await eventually(() => looks(everyone).length === 0 || undefined);
        for (const pid of Object.values(family)) if (pid !== undefined) await gone(pid);
        if (!end.includes('watchdog')) {
          await eventually(
            () => !readdirSync(home('tmp')).some((name) => name.startsWith('countersign-')) || undefined,
          );
        }
      }
      // Nobody is left to remove it when all three are killed.
      if (held === 'command') for (const path of cgroupsOf(checkId)) rmdirSync(path);
      else await eventually(() => cgroupsOf(checkId).length === 0 || undefined);
    },
  );
});

function processes(): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0);
}

function dwellersIn(home: string): number[] {
  return processes().filter((pid) => read(() => readlinkSync(`/proc/${pid}/cwd`)) === home && isLiving(pid));
}

function found<T>(one: T | undefined): T {
  if (one === undefined) throw new Error('it is missing');
  return one;
}

/** Resolves when somebody was seen in each place. */
async function isInhabited(homes: readonly string[]): Promise<void> {
  for (const home of homes) await eventually(() => dwellersIn(home).length > 0 || undefined);
}

/** Who is seen in any of the places in five looks: one that is about to move may be missed in a single one. */
function looks(homes: readonly string[]): number[] {
  return [1, 2, 3, 4, 5].flatMap(() => homes.flatMap(dwellersIn));
}

function familyOf(guardId: number, checkId: string) {
  const children = processes().filter((pid) => stat(pid)?.[1] === String(guardId));
  const named = (text: string) =>
    children.find((pid) => read(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8'))?.includes(text));
  return {
    guard: guardId,
    watchdog: named(`countersign-watchdog`) && named(checkId),
    supervisor: named('countersign-supervisor'),
  };
}

function stat(pid: number): string[] | undefined {
  const text = read(() => readFileSync(`/proc/${pid}/stat`, 'latin1'));
  return text?.slice(text.lastIndexOf(')') + 2).split(' ');
}

function read(look: () => string): string | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}

function cgroupsOf(checkId: string): string[] {
  const mounts = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'].map((mount) => join(mount, `countersign-job-${checkId}`));
  return mounts.filter((path) => existsSync(path));
}

/** Ends what a test expects to be left, and what a failing one leaves. */
async function sweep(homes: readonly string[]): Promise<void> {
  await eventually(() => {
    const left = looks(homes);
    for (const pid of left) read(() => String(process.kill(pid, 'SIGKILL')));
    return left.length === 0 || undefined;
  });
}

test.runIf(IS_HERE.cgroup)(
  'a control group that was left behind goes after an hour, one that is in use does not',
  () => {
    const left = found(makeCgroup('left'));
    const inUse = found(makeCgroup('in-use'));
    onTestFinished(() => {
      for (const cgroup of [left, inUse]) cgroup.remove();
    });
    const sleeper = spawn('sleep', ['1000'], { stdio: 'ignore' });
    onTestFinished(async () => {
      inUse.kill();
      await once(sleeper, 'exit');
    });
    inUse.take(found(sleeper.pid));
    const long = new Date(Date.now() - 7_200_000);
    for (const { path } of [left, inUse]) utimesSync(path, long, long);
    makeCgroup('next')?.remove();
    expect([left, inUse].map(({ path }) => existsSync(path))).toEqual([false, true]);
  },
);
