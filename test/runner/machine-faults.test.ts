import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'vitest';
import type { ExecFlags } from '../../src/cli/exec.js';
import { bestContainment } from '../../src/runner/containment.js';
import { findInterpreter } from '../../src/runner/supervisor.js';
import { eventually, gone, ground, guardArguments, guardProcess, numberAfter } from './harness.js';
import { deny, json, problem } from './scripted-service.js';

/** Runs a guard whose standard streams a shell sets up first. Gives its exit code. */
async function redirected(service: { url: string }, redirections: string, flags: Partial<ExecFlags>, trace: string) {
  // It writes on both streams, reads, and then leaves a trace of having come to its end.
  const command = ['sh', '-c', 'echo out; echo err >&2; cat; echo "$?" > "$0"; exit 5', trace];
  const { path, args, env } = guardArguments(service, flags, command);
  const shell = ['-c', `exec "$@" ${redirections}`, 'sh', path, ...args];
  const child = spawn('/bin/sh', shell, { env, stdio: 'ignore' });
  const [code] = await once(child, 'exit');
  return code;
}

describe.concurrent('standard streams that are closed, full or broken', () => {
  const streams = [
    ['standard input is closed', '0<&-'],
    ['standard output is closed', '1>&-'],
    ['standard error is closed', '2>&-'],
    ['all three are closed', '0<&- 1>&- 2>&-'],
    ['standard output is full', '1>/dev/full'],
    ['standard error is full', '2>/dev/full'],
  ] as const;
  const cases = streams.flatMap(([title, text]) => [true, false].map((mask) => ({ title, text, mask })));

  test.for(cases)('$title, mask $mask: the command runs to its end', async ({ text, mask }, context) => {
    const { service, trace } = await ground(context.onTestFinished);
    context.expect(await redirected(service, text, { mask }, trace)).toBe(5);
    context.expect(existsSync(trace)).toBe(true);
  });

  test.for(streams)('%s: a refusal is one', async ([, text], { expect, onTestFinished }) => {
    const { service, trace } = await ground(onTestFinished);
    service.check = (response) => json(response, 200, deny());
    expect(await redirected(service, text, {}, trace)).toBe(77);
    expect(existsSync(trace)).toBe(false);
  });

  test.for([true, false])('nobody reads standard error, mask %s: the guard goes on guarding', async (mask, context) => {
    const { service } = await ground(context.onTestFinished);
    const run = guardProcess(service, { mask }, ['sh', '-c', 'echo pid $$; exec sleep 1000']);
    await run.stdout.shows('\n');
    run.process.stderr?.destroy();
    const first = await service.watched();
    first.destroy();
    const second = await service.watched(2);
    second.write('event: revoked\n\n');
    context.expect(await run.ended).toEqual({ code: 77, signal: null });
    await gone(numberAfter('pid', run.stdout.text));
  });
});

describe.concurrent('a guard that is stopped', () => {
  const held = [bestContainment(), 'subreaper'].filter(
    (one, at, all) => one !== 'process-group' && all.indexOf(one) === at,
  );

  test.runIf(findInterpreter() !== undefined).for(held)(
    'has its job stand still, held by %s, until it goes on',
    async (containment, { expect, onTestFinished }) => {
      const { service, trace } = await ground(onTestFinished);
      const command = ['sh', '-c', 'while :; do echo >> "$0"; sleep 0.05; done', trace];
      const run = guardProcess(service, { containment }, command);
      onTestFinished(() => void run.process.kill('SIGKILL'));
      const watch = await service.watched();
      await eventually(() => existsSync(trace) || undefined);
      run.process.kill('SIGSTOP');
      await eventually(() => Date.now() - statSync(trace).mtimeMs > 1_500 || undefined);
      const { size } = statSync(trace);
      watch.write('event: revoked\n\n');
      expect(statSync(trace).size).toBe(size);
      run.process.kill('SIGCONT');
      expect(await run.ended).toEqual({ code: 77, signal: null });
    },
  );
});

describe.concurrent('the supervisor is stopped by the command', () => {
  test.runIf(findInterpreter() !== undefined).for(['the right ends', 'the guard is killed'])(
    '%s: nothing is left all the same',
    async (end, { expect, onTestFinished }) => {
      const { service } = await ground(onTestFinished);
      const command = ['sh', '-c', 'kill -STOP $PPID; echo pid $$ above $PPID; exec sleep 1000'];
      const run = guardProcess(service, { containment: 'subreaper' }, command);
      onTestFinished(() => void run.process.kill('SIGKILL'));
      const watch = await service.watched();
      await run.stdout.shows('\n');
      if (end === 'the right ends') watch.write('event: revoked\n\n');
      else run.process.kill('SIGKILL');
      expect((await run.ended).code).toBe(end === 'the right ends' ? 77 : null);
      await gone(numberAfter('pid', run.stdout.text));
      await gone(numberAfter('above', run.stdout.text));
    },
  );
});

describe.concurrent('a disk that is full', () => {
  const isRoot = process.getuid?.() === 0;

  function smallDisk(directory: string, onTestFinished: TestContext['onTestFinished']): string {
    const path = join(directory, 'disk');
    const { status } = spawnSync('sh', ['-c', 'mkdir "$0" && mount -t tmpfs -o size=64k tmpfs "$0"', path]);
    if (status !== 0) throw new Error('no file system could be mounted');
    onTestFinished(() => void spawnSync('sh', ['-c', 'umount "$0"', path]));
    return path;
  }

  test.runIf(isRoot)(
    'before the start, under the status file: nothing is asked',
    async ({ expect, onTestFinished }) => {
      const { service, directory } = await ground(onTestFinished);
      const disk = smallDisk(directory, onTestFinished);
      spawnSync('sh', ['-c', 'cat /dev/zero > "$0/fill"', disk]);
      const run = guardProcess(service, { statusFile: join(disk, 'verdict') }, ['true']);
      expect((await run.ended).code).toBe(2);
      expect(run.stderr.text).toMatch(/^--status-file cannot be written: ENOSPC/);
      expect(service.calls).toEqual([]);
      expect(readdirSync(disk)).toEqual(['fill']);
    },
  );

  test.runIf(isRoot)('at the end: the exit code holds and a line says it', async ({ expect, onTestFinished }) => {
    const { service, directory } = await ground(onTestFinished);
    const disk = smallDisk(directory, onTestFinished);
    const statusFile = join(disk, 'verdict');
    const command = ['sh', '-c', 'cat /dev/zero > "$0/fill" 2>/dev/null; exit 5', disk];
    const run = guardProcess(service, { statusFile }, command);
    expect((await run.ended).code).toBe(5);
    expect(run.stderr.text).toMatch(/^countersign: cannot write .+: ENOSPC/);
    expect(JSON.parse(readFileSync(statusFile, 'utf8'))).toMatchObject({ verdict: 'unfinished' });
    expect(readdirSync(disk).sort()).toEqual(['fill', 'verdict']);
  });

  test('a temporary directory that does not exist: the command runs', async ({ expect, onTestFinished }) => {
    const { service, directory } = await ground(onTestFinished);
    const env = { TMPDIR: join(directory, 'none') };
    const run = guardProcess(service, {}, ['sh', '-c', 'echo ran >/dev/stdout'], env);
    expect((await run.ended).code).toBe(0);
    expect(run.stdout.text).toBe('ran\n');
  });
});

test('the watch is refused as the command ends: that is a refusal or an end', async ({ expect, onTestFinished }) => {
  const { service } = await ground(onTestFinished);
  service.watch = (response) => problem(response, 401, 'unauthenticated');
  const run = guardProcess(service, {}, ['sh', '-c', 'exit 3']);
  expect([3, 77]).toContain((await run.ended).code);
});
