import { existsSync } from 'node:fs';
import { describe, test } from 'vitest';
import type { GuardOptions } from '../../src/runner/guard.js';
import { ground, guard } from './harness.js';
import { allow, newCheckId, openStream, problem, type ScriptedService, TOKEN } from './scripted-service.js';
import { FAULTS, LIES, lie, REFUSALS } from './service-faults.js';

const sleeper = ['sh', '-c', 'exec sleep 1000'];

async function run(service: ScriptedService, over: Partial<GuardOptions> & Pick<GuardOptions, 'command'>) {
  const { exitCode, stdout, stderr } = guard(service, over);
  return { code: await exitCode, stdout: stdout.text, stderr: stderr.text };
}

describe.concurrent('before the start: nothing starts', () => {
  test.for(FAULTS)('$title: 69', async ({ answer }, { expect, onTestFinished }) => {
    const { service, elsewhere, trace } = await ground(onTestFinished);
    service.check = (response) => answer(response, elsewhere.url);
    const { code, stdout, stderr } = await run(service, { command: ['touch', trace], checkTimeoutSeconds: 0.5 });
    expect({ code, stdout, hasStarted: existsSync(trace) }).toEqual({ code: 69, stdout: '', hasStarted: false });
    expect(stderr).toMatch(/^countersign: nothing was started: .+\n$/);
    expect(stderr).not.toContain(TOKEN.slice(27, 40));
    expect(elsewhere.calls).toEqual([]);
  });

  test.for(LIES)('%s: 69', async ([, body], { expect, onTestFinished }) => {
    const { service, trace } = await ground(onTestFinished);
    service.check = lie(body);
    const { code, stderr } = await run(service, { command: ['touch', trace] });
    expect({ code, hasStarted: existsSync(trace) }).toEqual({ code: 69, hasStarted: false });
    expect(stderr).toMatch(/^countersign: nothing was started: .+\n$/);
  });

  test.for(REFUSALS)('%i: 77', async (status, { expect, onTestFinished }) => {
    const { service, trace } = await ground(onTestFinished);
    service.check = (response) => problem(response, status, 'some_kind');
    const { code, stderr } = await run(service, { command: ['touch', trace] });
    expect({ code, hasStarted: existsSync(trace) }).toEqual({ code: 77, hasStarted: false });
    expect(stderr).toMatch(/^countersign: refused \(some_kind\): .+\n$/);
  });
});

describe.concurrent('during the run: the command is stopped', () => {
  const short = { command: sleeper, graceSeconds: 0.4, silenceSeconds: 0.4 };

  test.for(FAULTS)('$title, for longer than the grace: 69', async ({ answer }, { expect, onTestFinished }) => {
    const { service, elsewhere } = await ground(onTestFinished);
    service.watch = (response) => answer(response, elsewhere.url);
    const { code, stderr } = await run(service, short);
    expect(code).toBe(69);
    expect(stderr).toMatch(/stopping the command \(unreachable\): the service has been out of reach for 0.4 s: .+\n/);
    expect(service.finishes()).toEqual([{ exit_code: null, signal: 'SIGTERM' }]);
    expect(elsewhere.calls).toEqual([]);
  });

  test.for(REFUSALS)('the watch is refused with %i: 77', async (status, { expect, onTestFinished }) => {
    const { service } = await ground(onTestFinished);
    service.watch = (response) => problem(response, status, 'some_kind');
    const { code, stderr } = await run(service, { command: sleeper });
    expect(code).toBe(77);
    expect(stderr).toContain('stopping the command (some_kind): because of some_kind\n');
  });

  const rubbish: readonly (readonly [title: string, text: string])[] = [
    ['a stream of words that no event has', 'event: banana\ndata: {"type":"alive"}\n\n'],
    ['a stream of text that is no event', 'everything is fine, go on\n\n'],
    ['a stream of data that call themselves alive', 'data: alive\n\n'],
    ['a stream of bytes that are no text', '\u0000\ufffd\u0007\n\n'],
    ['a stream of one event without an end', 'data: '.padEnd(10_000, 'x')],
  ];
  test.for(rubbish)('%s, which is no sign of life: 69', async ([, text], { expect, onTestFinished }) => {
    const { service } = await ground(onTestFinished);
    service.watch = (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const timer = setInterval(() => response.write(text), 5);
      response.once('close', () => clearInterval(timer));
    };
    expect((await run(service, short)).code).toBe(69);
  });

  const lastWords: readonly (readonly [title: string, pieces: readonly string[]])[] = [
    ['in pieces', ['eve', 'nt: rev', 'oked\nda', 'ta: {}\n', '\n']],
    ['behind a comment in the same block', [': keep-alive\nevent: revoked\ndata: {}\n\n']],
    ['among rubbish', ['event: banana\n\nnonsense\n\n', 'event: revoked\n\n']],
    ['and a sign of life after it', ['event: revoked\n\n: alive\n\n']],
  ];
  test.for(lastWords)('the last word comes %s: 77', async ([, pieces], { expect, onTestFinished }) => {
    const { service } = await ground(onTestFinished);
    service.watch = async (response) => {
      openStream(response);
      for (const piece of pieces) await new Promise((resolve) => response.write(piece, resolve));
    };
    const { code, stderr } = await run(service, { command: sleeper });
    expect(code).toBe(77);
    expect(stderr).toContain('stopping the command (revoked): ');
  });
});

describe.concurrent("at the end: the command's own exit code, and a line", () => {
  test.for(FAULTS)('$title', async ({ answer }, { expect, onTestFinished }) => {
    const { service, elsewhere } = await ground(onTestFinished);
    service.finish = (response) => answer(response, elsewhere.url);
    const { code, stderr } = await run(service, { command: ['sh', '-c', 'exit 3'] });
    expect(code).toBe(3);
    expect(stderr).toMatch(/^countersign: could not put the end on record: .+\n$/);
    expect(elsewhere.calls).toEqual([]);
  });
});

describe.concurrent('clocks that are hours, or years, apart', () => {
  const clocks = [
    ['behind', '2001-05-01T00:00:00Z'],
    ['ahead', '2099-05-01T00:00:00Z'],
    ['hours behind', new Date(Date.now() - 9 * 3_600_000).toISOString()],
    ['hours ahead', new Date(Date.now() + 9 * 3_600_000).toISOString()],
  ] as const;
  const allowAt = (asOf: string, milliseconds: number) => {
    const iat = Date.parse(asOf) / 1000 - 60;
    const times = { iat: Math.floor(iat), nbf: Math.floor(iat), exp: Math.floor(iat) + 86_400 };
    const valid_until = new Date(Date.parse(asOf) + milliseconds).toISOString();
    return allow({
      check_id: newCheckId(),
      as_of: asOf,
      valid_until,
      token: { ...Object(allow()['token']), ...times },
    });
  };

  test.for(clocks)('the service is %s: the command runs', async ([, asOf], { expect, onTestFinished }) => {
    const { service } = await ground(onTestFinished);
    service.check = lie(allowAt(asOf, 3_600_000));
    expect((await run(service, { command: ['true'] })).code).toBe(0);
  });

  test.for(clocks)('the service is %s: the allowed time ends when it should', async ([, asOf], context) => {
    const { service } = await ground(context.onTestFinished);
    service.check = lie(allowAt(asOf, 300));
    const { code, stderr } = await run(service, { command: sleeper });
    context.expect(code).toBe(77);
    context.expect(stderr).toContain('stopping the command (time_limit)');
  });
});
