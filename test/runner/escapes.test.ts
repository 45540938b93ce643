import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { bestContainment, type Containment } from '../../src/runner/containment.js';
import { whyNoNamespace } from '../../src/runner/namespace.js';
import { findInterpreter } from '../../src/runner/supervisor.js';
import { eventually, gone, ground, guard, guardProcess, isLiving } from './harness.js';

/** What a command may start so that it is not found. Each of them lives in a directory of its own, by which the test
 *  finds it whatever it calls itself and in whatever namespace. */
const HIDERS = {
  child: 'sleep 1000 &',
  'ignores SIGTERM': `sh -c 'trap "" TERM HUP INT; while :; do sleep 1; done' &`,
  'forks twice': '(sleep 1000 &)',
  'makes its own session': 'setsid sleep 1000 &',
  'closes all its descriptors': 'sleep 1000 <&- >&- 2>&- &',
  'calls itself something else': `perl -e '$0 = "[kworker/0:0]"; sleep 1000' &`,
  'clears its environment': 'env -i sleep 1000 &',
  'is stopped': 'sleep 1000 & kill -STOP $!',
  'forks in a storm': `perl -e 'fork; fork; while (1) { exit select(undef, undef, undef, 0.1) if !fork; 1 while waitpid(-1, 1) > 0; select(undef, undef, undef, 0.01) }' &`,
  'does all of that at once': `setsid env -i perl -e '$0 = "init"; $SIG{$_} = "IGNORE" for qw(TERM HUP INT); exit if fork; close $_ for *STDIN, *STDOUT, *STDERR; sleep 1000 while 1'`,
  'moves to a new process and session every few milliseconds': `env -i perl -MPOSIX -e 'while (1) { exit if fork; POSIX::setsid(); select(undef, undef, undef, 0.004) }' &`,
} as const;
type Hider = keyof typeof HIDERS;

const ALL = Object.keys(HIDERS) as Hider[];
/** Those that neither left group and session nor lost the check's id, or only one of these. */
const MARKED = ALL.filter((one) => one !== 'does all of that at once' && !one.startsWith('moves'));

type End = 'revoked' | 'own end' | readonly ('guard' | 'watchdog' | 'supervisor')[];

const ENDS: readonly (readonly [
  containment: Containment,
  title: string,
  end: End,
  held: readonly Hider[] | 'command',
])[] = [
  ['process-group', 'the right ends', 'revoked', MARKED],
  ['process-group', 'the command ends', 'own end', MARKED],
  ['process-group', 'the guard is killed', ['guard'], MARKED],
  ['subreaper', 'the right ends', 'revoked', ALL],
  ['subreaper', 'the command ends', 'own end', ALL],
  ['subreaper', 'the guard is killed', ['guard'], ALL],
  ['subreaper', 'guard and watchdog are killed at once', ['guard', 'watchdog'], ALL],
  ['subreaper', 'the supervisor is killed', ['supervisor'], MARKED],
  ['subreaper', 'guard and supervisor are killed at once', ['guard', 'supervisor'], MARKED],
  ['subreaper', 'all three are killed at once', ['guard', 'watchdog', 'supervisor'], 'command'],
  ['cgroup', 'the right ends', 'revoked', ALL],
  ['cgroup', 'the command ends', 'own end', ALL],
  ['cgroup', 'the guard is killed', ['guard'], ALL],
  ['cgroup', 'guard and watchdog are killed at once', ['guard', 'watchdog'], ALL],
  ['cgroup', 'the supervisor is killed', ['supervisor'], ALL],
  ['cgroup', 'guard and supervisor are killed at once', ['guard', 'supervisor'], ALL],
  ['cgroup', 'all three are killed at once', ['guard', 'watchdog', 'supervisor'], 'command'],
  ['pid-namespace', 'the right ends', 'revoked', ALL],
  ['pid-namespace', 'the command ends', 'own end', ALL],
  ['pid-namespace', 'the guard is killed', ['guard'], ALL],
  ['pid-namespace', 'the supervisor is killed', ['supervisor'], ALL],
  ['pid-namespace', 'all three are killed at once', ['guard', 'watchdog', 'supervisor'], ALL],
];

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
        const victims = end.map((role) => family[role] ?? 0);
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
      if (held !== 'command') await eventually(() => cgroupsOf(checkId).length === 0 || undefined);
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
  const mounts = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'].map((mount) => join(mount, `countersign-${checkId}`));
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
