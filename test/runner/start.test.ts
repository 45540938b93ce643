import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { newId, newTokenSecret, printId, printToken } from '../../src/rules/format.js';
import { freePort } from '../setup/free-port.js';
import { guard } from './harness.js';
import { CHECK_ID, deny, json, problem, type ScriptedService, scriptedService, TOKEN } from './scripted-service.js';

let service: ScriptedService;
let directory: string;
let trace: string;

beforeEach(async () => {
  service = await scriptedService();
  directory = mkdtempSync(join(tmpdir(), 'guard-test-'));
  trace = join(directory, 'started');
});

afterEach(async () => {
  await service.close();
  rmSync(directory, { recursive: true });
});

async function attempt(url = service.url) {
  const run = guard({ url }, { command: ['touch', trace] });
  const code = await run.exitCode;
  expect(run.stdout.text).toBe('');
  expect(run.stderr.text).not.toContain(TOKEN.slice(27, 40));
  return { code, stderr: run.stderr.text, hasStarted: existsSync(trace) };
}

describe('who is asked is not the service: nothing starts (69)', () => {
  test('nobody listens', async () => {
    expect(await attempt(`http://127.0.0.1:${await freePort()}`)).toMatchObject({ code: 69, hasStarted: false });
  });

  test('something listens that does not speak HTTP', async () => {
    const server = createServer((socket) => socket.on('error', () => undefined).end('SSH-2.0-OpenSSH\r\n'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    expect(await attempt(`http://127.0.0.1:${port}`)).toMatchObject({ code: 69, hasStarted: false });
    server.close();
  });
});

describe('a definite no starts nothing (77)', () => {
  test('a dead token is named by its public id, with what may have ended it and how to see', async () => {
    service.check = (response) => problem(response, 401, 'unauthenticated');
    const id = newId('tok', new Date());
    const token = printToken({ id, tokenSecret: newTokenSecret() });
    const run = guard(service, { command: ['touch', trace], token });
    expect(await run.exitCode).toBe(77);
    expect(run.stderr.text).toMatch(
      /^countersign: refused \(unauthenticated\): the token is not valid: it is expired, revoked, .+\n$/,
    );
    expect(run.stderr.text).toContain(`countersign token explain ${printId('tok', id)}\n`);
    expect(run.stderr.text).not.toContain(token.slice(27, 40));
    expect(existsSync(trace)).toBe(false);
  });

  test('a token that lost a part of it is called that', async () => {
    service.check = (response) => problem(response, 401, 'unauthenticated');
    expect(await attempt()).toMatchObject({ code: 77, stderr: expect.stringContaining('is not a whole one') });
  });

  test('a denial tells each reason on a line of its own, and no reason can steer the terminal', async () => {
    service.check = (response) =>
      json(
        response,
        200,
        deny([
          { code: 'scope_missing', detail: 'the token does not hold codex:exec' },
          { code: 'ref_not_allowed', detail: 'the ref\u001b[2J\nis outside' },
        ]),
      );
    expect(await attempt()).toEqual({
      code: 77,
      hasStarted: false,
      stderr:
        'countersign: refused (scope_missing): the token does not hold codex:exec\n' +
        'countersign: refused (ref_not_allowed): the ref\ufffd[2J\ufffdis outside\n',
    });
  });

  test('a denial without a reason is one', async () => {
    service.check = (response) => json(response, 200, deny([]));
    expect(await attempt()).toMatchObject({ code: 77, hasStarted: false });
  });
});

test('an allow starts the command', async () => {
  expect(await attempt()).toEqual({ code: 0, stderr: '', hasStarted: true });
  expect(service.finishes()).toEqual([{ exit_code: 0 }]);
});

test('the check tells workflow, scopes and context, and the token only as credentials', async () => {
  const context = { repository: 'acme/app', command: 'true' };
  await guard(service, { command: ['true'], context }).exitCode;
  const [check] = service.calls;
  expect(check?.body).toEqual({ workflow: 'tests', scopes: ['codex:exec'], context, lease_seconds: 120 });
  expect(check?.headers['authorization']).toBe(`Bearer ${TOKEN}`);
});

describe('what the command gets', () => {
  const shown = async (over: Parameters<typeof guard>[1]) => {
    const run = guard(service, over);
    await run.exitCode;
    return run.stdout.text;
  };
  const env = {
    PATH: process.env['PATH'],
    COUNTERSIGN_TOKEN: TOKEN,
    COUNTERSIGN_TOKEN_FILE: '/run/secret',
    OTHER: 'kept',
    'INPUT_MY-NAME': 'kept too',
  };

  test('the check id, and its environment without the token', async () => {
    const text = await shown({ command: ['env'], env });
    expect(text).toContain(`COUNTERSIGN_CHECK_ID=${CHECK_ID}\n`);
    expect(text).toContain('OTHER=kept\n');
    expect(text).toContain('INPUT_MY-NAME=kept too\n');
    expect(text).not.toContain('COUNTERSIGN_TOKEN');
  });

  test('the token under the name that was asked for, and no other', async () => {
    const text = await shown({ command: ['env'], env, passTokenAs: 'GH_TOKEN', isMasked: true });
    expect(text).toContain(`GH_TOKEN=${TOKEN.slice(0, 27)}***\n`);
    expect(text).not.toContain('COUNTERSIGN_TOKEN');
  });

  test('true pipes, which /dev/stdout and /dev/stderr can open', async () => {
    const run = guard(service, { command: ['sh', '-c', 'echo a >/dev/stdout; echo b >/dev/stderr'] });
    expect(await run.exitCode).toBe(0);
    expect([run.stdout.text, run.stderr.text]).toEqual(['a\n', 'b\n']);
  });

  test('its output through, also where no file can be made', async () => {
    vi.stubEnv('TMPDIR', '/dev/null/none');
    onTestFinished(() => void vi.unstubAllEnvs());
    const run = guard(service, { command: ['sh', '-c', 'echo hi; echo ho >&2'] });
    expect(await run.exitCode).toBe(0);
    expect([run.stdout.text, run.stderr.text]).toEqual(['hi\n', 'ho\n']);
  });

  test('no descriptor but its standard streams', async () => {
    const text = await shown({ command: ['sh', '-c', 'for fd in /proc/$$/fd/[3-9]; do readlink $fd; done'] });
    expect(text).not.toMatch(/socket|countersign/);
  });

  test('its arguments as they are', async () => {
    expect(await shown({ command: ['printf', '<%s>', 'a b', '', '$HOME', "it's", '--', '*'] })).toBe(
      "<a b><><$HOME><it's><--><*>",
    );
  });
});

describe('how the command ends is how the guard ends', () => {
  test.each([
    ['its own code', ['sh', '-c', 'exit 42'], 42, { exit_code: 42 }],
    ['69 of its own', ['sh', '-c', 'exit 69'], 69, { exit_code: 69 }],
    ['a signal', ['sh', '-c', 'kill -KILL $$'], 137, { exit_code: null, signal: 'SIGKILL' }],
    ['a command that is not found', ['countersign-no-such-command'], 127, { exit_code: 127 }],
    ['a command that is not executable', ['/etc/passwd'], 126, { exit_code: 126 }],
  ])('%s', async (_title, command, code, finish) => {
    const run = guard(service, { command });
    expect(await run.exitCode).toBe(code);
    expect(service.finishes()).toEqual([finish]);
  });

  test('a command that the system will not start, its arguments being too long: 126', async () => {
    const run = guard(service, { command: ['true', 'x'.repeat(3_000_000)] });
    expect(await run.exitCode).toBe(126);
    expect(run.stderr.text).toMatch(/^countersign: the command could not be started: .+E2BIG.*\n$/);
    expect(service.finishes()).toEqual([{ exit_code: 126 }]);
  });

  test('a containment that this host does not have: 126, and nothing runs', async () => {
    vi.stubEnv('PATH', '/dev/null');
    onTestFinished(() => void vi.unstubAllEnvs());
    const run = guard(service, { command: ['/usr/bin/touch', trace], containment: 'pid-namespace' });
    expect(await run.exitCode).toBe(126);
    expect(run.stderr.text).toContain('does not have the containment that was asked for, pid-namespace: ');
    expect(existsSync(trace)).toBe(false);
    expect(service.finishes()).toEqual([{ exit_code: 126 }]);
  });

  test('a service that does not take the end down costs one line and changes no exit code', async () => {
    service.finish = (response) => problem(response, 503, 'database_unavailable');
    const run = guard(service, { command: ['sh', '-c', 'exit 3'] });
    expect(await run.exitCode).toBe(3);
    expect(run.stderr.text).toBe('countersign: could not put the end on record: because of database_unavailable\n');
  });
});
