import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { bestContainment } from '../../src/runner/containment.js';
import { eventually, gone, guardProcess, isLiving, numberAfter } from './harness.js';
import {
  allow,
  CHECK_ID,
  deny,
  json,
  newCheckId,
  type ScriptedService,
  scriptedService,
  TOKEN,
} from './scripted-service.js';

let service: ScriptedService;
let directory: string;

beforeEach(async () => {
  service = await scriptedService();
  directory = mkdtempSync(join(tmpdir(), 'guard-test-'));
});

afterEach(async () => {
  await service.close();
  // A command that is about to be ended may write into it yet.
  rmSync(directory, { recursive: true, maxRetries: 10 });
});

const waiting = ['sh', '-c', 'echo pid $$; exec sleep 1000'];

async function running(flags: Parameters<typeof guardProcess>[1], command: readonly string[]) {
  const run = guardProcess(service, flags, command);
  await run.stdout.shows('\n');
  return { ...run, pid: numberAfter('pid', run.stdout.text) };
}

describe('the guard is killed', () => {
  test('the command does not outlive it, nor does a daemon it made', async () => {
    const daemon = "setsid sh -c 'echo daemon $$; exec sleep 1000' &";
    const run = await running({}, ['sh', '-c', `${daemon} echo pid $$; exec sleep 1000`]);
    await run.stdout.shows('daemon');
    await run.stdout.shows('pid');
    const { text } = run.stdout;
    run.process.kill('SIGKILL');
    await gone(numberAfter('pid', text));
    await gone(numberAfter('daemon', text));
    expect((await run.ended).signal).toBe('SIGKILL');
  });

  test('at any instant of the start: nothing of the command is left', async () => {
    service.check = (response) => json(response, 200, allow({ check_id: newCheckId() }));
    const marks = await Promise.all(
      Array.from({ length: 12 }, async (_, index) => {
        const path = join(directory, `pid-${index}`);
        const run = guardProcess(service, {}, ['sh', '-c', `echo $$ > ${path}; exec sleep 1000`]);
        const before = service.calls.length;
        const asked = () => service.calls.length > before;
        while (!asked()) await new Promise((resolve) => setTimeout(resolve, 1));
        await new Promise((resolve) => setTimeout(resolve, index * 4));
        run.process.kill('SIGKILL');
        await run.ended;
        return path;
      }),
    );
    for (const path of marks) {
      const pid = Number(readIfThere(path));
      if (pid > 0) await gone(pid);
    }
  }, 120_000);

  test('a watchdog that was killed is replaced', async () => {
    const run = await running({}, ['sh', '-c', 'echo pid $$; exec sleep 1000']);
    const watchdog = await watchdogOf(run.pid);
    process.kill(watchdog, 'SIGKILL');
    await gone(watchdog);
    await watchdogOf(run.pid);
    run.process.kill('SIGKILL');
    await gone(run.pid);
  });
});

describe('signals', () => {
  test.each(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH'] as const)(
    '%s reaches the command, and the guard ends as the command does',
    async (name) => {
      const script = `trap 'echo got; exit 9' ${name.slice(3)}; echo pid $$; while :; do sleep 0.05; done`;
      const run = await running({}, ['sh', '-c', script]);
      run.process.kill(name);
      await run.stdout.shows('got');
      expect(await run.ended).toEqual({ code: 9, signal: null });
    },
  );

  test('a command that dies of one gives 128 and its number', async () => {
    const run = await running({}, waiting);
    run.process.kill('SIGTERM');
    expect(await run.ended).toEqual({ code: 143, signal: null });
    expect(service.finishes()).toEqual([{ exit_code: null, signal: 'SIGTERM' }]);
  });

  test('SIGTSTP stops command and guard, SIGCONT wakes both', async () => {
    const run = await running({}, waiting);
    run.process.kill('SIGTSTP');
    await state(run.pid, 'T');
    await state(run.process.pid ?? 0, 'T');
    run.process.kill('SIGCONT');
    await state(run.pid, 'S');
    run.process.kill('SIGTERM');
    expect((await run.ended).code).toBe(143);
  });
});

describe('standard streams', () => {
  test('standard input goes to the command', async () => {
    const run = guardProcess(service, {}, ['cat']);
    run.process.stdin?.end('line one\nline two');
    expect(await run.ended).toEqual({ code: 0, signal: null });
    expect(run.stdout.text).toBe('line one\nline two');
  });

  test.each([
    [true, `${TOKEN.slice(0, 27)}***`],
    [false, TOKEN],
  ])('with mask %s the token shows as it should on both streams', async (mask, shown) => {
    const script = 'printf "<%s>" "$T"; printf "<%s>" "$T" >&2';
    const run = guardProcess(service, { mask, passTokenAs: 'T' }, ['sh', '-c', script]);
    await run.ended;
    expect([run.stdout.text, run.stderr.text]).toEqual([`<${shown}>`, `<${shown}>`]);
  });

  test('a token that is written in halves with a pause between them is masked', async () => {
    const script = 'printf "%s" "$(printf %s "$T" | cut -c1-50)"; sleep 0.2; printf %s "$T" | cut -c51-';
    const run = guardProcess(service, { passTokenAs: 'T' }, ['sh', '-c', script]);
    await run.ended;
    expect(run.stdout.text).toBe(`${TOKEN.slice(0, 27)}***\n`);
  });

  test('a prompt without a line end shows before the answer is given', async () => {
    const run = guardProcess(service, {}, ['sh', '-c', 'printf "Name: s"; read -r name; echo "hi $name"']);
    await run.stdout.shows('Name: s');
    run.process.stdin?.end('Ada\n');
    await run.ended;
    expect(run.stdout.text).toBe('Name: shi Ada\n');
  });

  test('ten megabytes arrive whole through a slow reader', async () => {
    const run = guardProcess(service, {}, ['sh', '-c', 'head -c 10000000 /dev/zero']);
    run.process.stdout?.pause();
    await service.watched();
    run.process.stdout?.resume();
    expect((await run.ended).code).toBe(0);
    expect(run.stdout.text.length).toBe(10_000_000);
  });

  test('a reader that goes away neither crashes the guard nor hangs the command', async () => {
    const run = await running({}, ['sh', '-c', 'echo pid $$; while :; do echo more; done']);
    run.process.stdout?.destroy();
    const { code } = await run.ended;
    expect([141, 1, 2]).toContain(code);
    await gone(run.pid);
  });

  test('a reader that stands still keeps no command alive whose right has ended', async () => {
    const run = guardProcess(service, {}, ['sh', '-c', `echo $$ > ${join(directory, 'pid')}; exec yes`]);
    run.process.stdout?.unpipe();
    run.process.stdout?.pause();
    const watch = await service.watched();
    const pid = await eventually(() => Number(readIfThere(join(directory, 'pid'))) || undefined);
    watch.write('event: revoked\n\n');
    await gone(pid);
    await run.stderr.shows('stopping the command (revoked)');
    run.process.stdout?.resume();
    expect((await run.ended).code).toBe(77);
  });
});

describe('the status file', () => {
  test('holds the verdict, for its owner alone', async () => {
    const path = join(directory, 'verdict');
    const run = guardProcess(service, { statusFile: path }, ['sh', '-c', 'exit 77']);
    expect((await run.ended).code).toBe(77);
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({
      verdict: 'ran',
      check_id: CHECK_ID,
      exit_code: 77,
      signal: null,
      reasons: [],
      containment: bestContainment(),
      guard_exit_code: 77,
    });
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test('tells a refusal from a command that exits 77', async () => {
    service.check = (response) => json(response, 200, deny());
    const path = join(directory, 'verdict');
    writeFileSync(path, '{"verdict":"ran"}');
    const run = guardProcess(service, { statusFile: path, json: true }, ['true']);
    expect((await run.ended).code).toBe(77);
    const verdict = JSON.parse(readFileSync(path, 'utf8'));
    expect(verdict).toMatchObject({
      verdict: 'refused',
      exit_code: null,
      reasons: deny().reasons,
      guard_exit_code: 77,
    });
    expect(JSON.parse(run.stderr.text)).toEqual(verdict);
  });

  test('says "unfinished" after a guard that was killed', async () => {
    const path = join(directory, 'verdict');
    const run = await running({ statusFile: path }, waiting);
    run.process.kill('SIGKILL');
    await gone(run.pid);
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ verdict: 'unfinished', guard_exit_code: null });
  });

  test.each(['/dev/null', '/dev/null/verdict'])(
    'that cannot be written, %s, keeps the command from starting',
    async (path) => {
      const run = guardProcess(service, { statusFile: path }, ['true']);
      expect((await run.ended).code).toBe(2);
      expect(service.calls).toEqual([]);
    },
  );
});

describe('usage', () => {
  test.each([
    ['no token', {}, ['true'], { COUNTERSIGN_TOKEN: '' }, 'Set COUNTERSIGN_TOKEN'],
    [
      'a token with a line break in it',
      {},
      ['true'],
      { COUNTERSIGN_TOKEN: 'cst_a\ncst_b' },
      'characters that no token',
    ],
    ['no command', {}, [], {}, 'no command to run'],
    ['a name that is no variable', { passTokenAs: 'A=B' }, ['true'], {}, '--pass-token-as'],
    ['a containment that is none', { containment: 'jail' }, ['true'], {}, '--containment wants one of pid-namespace, '],
    ['a grace that is no number', { grace: 'soon' }, ['true'], {}, '--grace wants seconds'],
    ['a negative time', { killAfter: '-1' }, ['true'], {}, '--kill-after wants seconds'],
  ])('%s: exit code 2, nothing is asked', async (_title, flags, command, env, message) => {
    const run = guardProcess(service, flags, command, env);
    expect((await run.ended).code).toBe(2);
    expect(run.stderr.text).toContain(message);
    expect(run.stderr.text).not.toContain('cst_');
    expect(service.calls).toEqual([]);
  });
});

test('the token is in the argv of no process', async () => {
  const run = await running({ passTokenAs: 'T' }, waiting);
  const watchdog = await watchdogOf(run.pid);
  const argv = [run.process.pid, run.pid, watchdog].map((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
  expect(argv.join('\n')).not.toContain(TOKEN.slice(27, 40));
  expect(readFileSync(`/proc/${watchdog}/environ`, 'utf8')).not.toContain(TOKEN.slice(27, 40));
  run.process.kill('SIGTERM');
  await run.ended;
});

test('what CI says of the place is told, and flags win over it', async () => {
  const env = { GITHUB_ACTIONS: 'true', GITHUB_REPOSITORY: 'acme/app', GITHUB_REF: 'refs/heads/main' };
  await guardProcess(service, { ref: 'refs/heads/other', environment: 'prod' }, ['true'], env).ended;
  expect(service.calls[0]?.body).toMatchObject({
    context: { repository: 'acme/app', ref: 'refs/heads/other', environment: 'prod', command: 'true' },
  });
});

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function state(pid: number, wanted: string): Promise<true> {
  return eventually(() => (readIfThere(`/proc/${pid}/stat`).includes(`) ${wanted} `) ? true : undefined));
}

function watchdogOf(groupId: number): Promise<number> {
  const isIts = (pid: number) => readIfThere(`/proc/${pid}/cmdline`).includes(`countersign-watchdog\0${groupId}\0`);
  return eventually(() =>
    readdirSync('/proc')
      .map(Number)
      .find((pid) => pid > 0 && isLiving(pid) && isIts(pid)),
  );
}
