import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { gone, guard, isLiving, numberAfter } from './harness.js';
import { allow, json, openStream, problem, type ScriptedService, scriptedService } from './scripted-service.js';

let service: ScriptedService;
let directory: string;

beforeEach(async () => {
  service = await scriptedService();
  directory = mkdtempSync(join(tmpdir(), 'guard-test-'));
});

afterEach(async () => {
  await service.close();
  rmSync(directory, { recursive: true });
});

const sleeper = ['sh', '-c', 'echo pid $$; exec sleep 1000'];
const stubborn = ['sh', '-c', "trap '' TERM; echo pid $$; while :; do sleep 0.05; done"];

/** A command that ends when it is told to. */
function ending(exitCode: number) {
  const word = join(directory, 'end');
  const script = 'echo pid $$; while [ ! -e "$1" ]; do sleep 0.05; done; exit "$2"';
  return { command: ['sh', '-c', script, 'sh', word, String(exitCode)], end: () => writeFileSync(word, '') };
}

/** Starts a command, waits until it has told its number and is watched, and gives the run and the watch. */
async function running(over: Parameters<typeof guard>[1]) {
  const run = guard(service, over);
  const watch = await service.watched();
  await run.stdout.shows('\n');
  return { ...run, watch, pid: numberAfter('pid', run.stdout.text) };
}

describe('the right to run ends', () => {
  test.each([
    ['revoked', 'the token was revoked, or the runner removed'],
    ['paused', 'the workflow was paused'],
    ['suspended', "the token's creator or workspace was suspended, or the runner"],
  ])('%s: the command gets SIGTERM, the guard says why and exits 77', async (event, detail) => {
    const run = await running({ command: sleeper });
    run.watch.write(`event: ${event}\ndata: {}\n\n`);
    expect(await run.exitCode).toBe(77);
    expect(run.stderr.text).toBe(`countersign: stopping the command (${event}): ${detail}\n`);
    expect(isLiving(run.pid)).toBe(false);
    expect(service.finishes()).toEqual([{ exit_code: null, signal: 'SIGTERM' }]);
  });

  test('a command that cleans up on SIGTERM has the time to, and its code does not hide the stop', async () => {
    const command = ['sh', '-c', "trap 'echo cleaned; exit 0' TERM; echo pid $$; while :; do sleep 0.05; done"];
    const run = await running({ command });
    run.watch.write('event: revoked\n\n');
    expect(await run.exitCode).toBe(77);
    expect(run.stdout.text).toContain('cleaned\n');
    expect(service.finishes()).toEqual([{ exit_code: 0 }]);
  });

  test('a command that ignores SIGTERM gets SIGKILL', async () => {
    const run = await running({ command: stubborn, killAfterSeconds: 0.2 });
    run.watch.write('event: revoked\n\n');
    expect(await run.exitCode).toBe(77);
    expect(isLiving(run.pid)).toBe(false);
    expect(service.finishes()).toEqual([{ exit_code: null, signal: 'SIGKILL' }]);
  });

  test('a command that is stopped gets its SIGTERM all the same', async () => {
    const run = await running({ command: ['sh', '-c', 'echo pid $$; kill -STOP $$'] });
    run.watch.write('event: revoked\n\n');
    expect(await run.exitCode).toBe(77);
  });

  test('the whole group goes, and what has left it: a daemon that forked twice into a session of its own', async () => {
    const daemon = 'setsid sh -c \'sh -c "echo daemon \\$\\$; exec sleep 1000" & sh -c "exit"\'';
    const command = ['sh', '-c', `sleep 1000 & echo member $!; ${daemon}; echo pid $$; exec sleep 1000`];
    const run = await running({ command });
    await run.stdout.shows('pid');
    await run.stdout.shows('daemon');
    run.watch.write('event: revoked\n\n');
    expect(await run.exitCode).toBe(77);
    const { text } = run.stdout;
    for (const word of ['member', 'daemon', 'pid']) await gone(numberAfter(word, text));
  });

  test('the end of the allowed time stops the command', async () => {
    service.check = (response) => json(response, 200, allow({ valid_until: '2031-05-01T00:00:00.300Z' }));
    const run = guard(service, { command: sleeper });
    expect(await run.exitCode).toBe(77);
    expect(run.stderr.text).toBe(
      'countersign: stopping the command (time_limit): the run was allowed until 2031-05-01T00:00:00.300Z and no longer\n',
    );
  });

  test('a time beyond 2^31 milliseconds is far, not now', async () => {
    service.check = (response) => json(response, 200, allow({ valid_until: '2031-05-31T00:00:00Z' }));
    const { command, end } = ending(4);
    const run = await running({ command });
    end();
    expect(await run.exitCode).toBe(4);
  });

  test('it ends while the service was out of reach', async () => {
    const run = await running({ command: sleeper });
    service.watch = (response) => problem(response, 401, 'unauthenticated');
    service.cut();
    expect(await run.exitCode).toBe(77);
  });
});

describe('the watch breaks', () => {
  test('it is taken up again and the command runs on', async () => {
    const run = await running({ command: ['sh', '-c', 'echo pid $$; while :; do sleep 0.05; done'] });
    service.cut();
    const watch = await service.watched(2);
    await run.stderr.shows('the service is back');
    expect(isLiving(run.pid)).toBe(true);
    watch.write('event: paused\n\n');
    expect(await run.exitCode).toBe(77);
    expect(run.stderr.text).toMatch(
      /^countersign: lost the service, trying for 60 s to get it back: .+\ncountersign: the service is back\ncountersign: stopping .+\n$/,
    );
  });

  test('a stream without a sign of life counts as broken', async () => {
    let opened = 0;
    service.watch = (response) => {
      openStream(response);
      opened += 1;
      if (opened > 1) response.write('event: revoked\n\n');
    };
    const run = guard(service, { command: sleeper, silenceSeconds: 0.2 });
    expect(await run.exitCode).toBe(77);
    expect(opened).toBeGreaterThan(1);
    expect(run.stderr.text).toContain('the service fell silent');
  });

  test('a service that goes away for good: 69, and the failed record costs one line', async () => {
    const run = await running({ command: sleeper, graceSeconds: 0.3 });
    await service.close();
    expect(await run.exitCode).toBe(69);
    expect(run.stderr.text).toMatch(/could not put the end on record: .+\n$/);
    service = await scriptedService();
  });

  test('a service that comes back within the grace knows of a revocation in between', async () => {
    service.watch = (response) => problem(response, 503, 'database_unavailable');
    const run = guard(service, { command: sleeper });
    await service.watched(2);
    service.watch = (response) => {
      openStream(response);
      response.write('event: revoked\n\n');
    };
    expect(await run.exitCode).toBe(77);
  });
});

describe('the command comes to its own end', () => {
  test('what it left behind does not run on without a guard', async () => {
    const command = ['sh', '-c', 'sleep 1000 & echo pid $!; exit 5'];
    const run = guard(service, { command });
    expect(await run.exitCode).toBe(5);
    expect(isLiving(numberAfter('pid', run.stdout.text))).toBe(false);
    expect(run.stderr.text).toBe('countersign: the command left processes behind, which were stopped\n');
  });

  test('the watch is closed', async () => {
    const { command, end } = ending(0);
    const run = await running({ command });
    const closed = new Promise((resolve) => run.watch.once('close', resolve));
    end();
    expect(await run.exitCode).toBe(0);
    await closed;
  });
});
