import { describe, expect, test } from 'vitest';
import type { ExecCheck } from '../../src/sdk/index.js';
import { temporaryDirectory } from './command-line.js';
import { commandLineHere } from './in-process.js';
import { looseToken, meResource } from './resources.js';
import { scriptedService } from './scripted-service.js';

const service = scriptedService();
const home = temporaryDirectory();
const own = looseToken();
const run = (args: readonly string[]) =>
  commandLineHere(home)(args, { env: { COUNTERSIGN_URL: service.url, COUNTERSIGN_TOKEN: own.token } });

const ID = 'chk_0123456789ABCDEFGHIJKL';
const AT = '2026-03-02T09:00:00.000Z';

function checkResource(changes: Partial<ExecCheck> = {}): ExecCheck {
  return {
    check_id: ID,
    decision: 'allow',
    reasons: [],
    as_of: AT,
    valid_until: '2026-03-02T15:00:00.000Z',
    token_id: own.id,
    caller_token_id: own.id,
    workflow: 'codex-review',
    scopes: ['codex:exec'],
    context: { repository: 'acme/shop', command: 'codex exec \u001b[2J' },
    ip: '192.0.2.1',
    finished_at: '2026-03-02T09:01:00.000Z',
    exit_code: 0,
    signal: null,
    ...changes,
  };
}

const denied = checkResource({
  decision: 'deny',
  reasons: [
    { code: 'scope_missing', detail: 'the token does not hold codex:exec' },
    { code: 'ref_not_allowed', detail: 'no ref was said' },
  ],
  valid_until: null,
  token_id: null,
  finished_at: null,
  exit_code: null,
});

describe('exec-check list', () => {
  test('is a line each: when, what was decided, and what came of it', async () => {
    const killed = checkResource({ exit_code: null, signal: 'SIGTERM' });
    const running = checkResource({ finished_at: null, exit_code: null, context: {} });
    const checks = [checkResource(), killed, running, denied];
    service.follow(({ query }) => {
      const isFirst = !query.has('cursor');
      const data = isFirst ? checks.slice(0, 2) : checks.slice(2);
      return { status: 200, body: { data, next_cursor: isFirst ? 'more' : null } };
    });
    const { code, stdout, stderr } = await run(['exec-check', 'list']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.split('\n')).toEqual([
      `${ID}\t${AT}\tallow\texit 0\tcodex-review\tacme/shop\t${own.id}`,
      `${ID}\t${AT}\tallow\tSIGTERM\tcodex-review\tacme/shop\t${own.id}`,
      `${ID}\t${AT}\tallow\tno end known\tcodex-review\t\t${own.id}`,
      `${ID}\t${AT}\tdeny\tscope_missing ref_not_allowed\tcodex-review\tacme/shop\t`,
      '',
    ]);
    const few = await run(['exec-check', 'list', '--limit', '3', '--json']);
    expect(JSON.parse(few.stdout)).toEqual({ data: checks.slice(0, 3) });
    expect(few.stderr).toContain('There are more');
  });

  test('is narrowed by the service; `self` is the id of the calling token', async () => {
    service.follow(({ route }) => ({
      status: 200,
      body: route === 'GET /v1/me' ? meResource() : { data: [], next_cursor: null },
    }));
    const filters = ['--workflow', 'codex-review', '--decision', 'deny', '--after', '2026-03-02'];
    expect(await run(['exec-check', 'list', ...filters, '--token', 'tok_1', '--limit', '5'])).toMatchObject({
      code: 0,
      stdout: '',
      stderr: 'No checks match.\n',
    });
    expect(Object.fromEntries(service.received[0]?.query ?? [])).toEqual({
      workflow: 'codex-review',
      decision: 'deny',
      after: '2026-03-02T00:00:00.000Z',
      token: 'tok_1',
      limit: '6',
    });
    const me = meResource();
    service.follow(({ route }) => ({
      status: 200,
      body: route === 'GET /v1/me' ? me : { data: [], next_cursor: null },
    }));
    await run(['exec-check', 'list', '--token', 'self', '--after', ID]);
    expect(Object.fromEntries(service.received.at(-1)?.query ?? [])).toMatchObject({ token: me.token.id, after: ID });
    expect(await run(['exec-check', 'list', '--after', 'chk_1'])).toMatchObject({ code: 2 });
  });
});

test('exec-check show tells all of it, and nothing in it can steer a terminal', async () => {
  service.follow(() => ({ status: 200, body: denied }));
  const { code, stdout } = await run(['exec-check', 'show', ID]);
  expect(code).toBe(0);
  expect(service.received[0]?.route).toBe(`GET /v1/exec/checks/${ID}`);
  expect(stdout.split('\n')).toEqual([
    `id\t${ID}`,
    'decision\tdeny',
    'because\tthe token does not hold codex:exec (scope_missing)',
    'because\tno ref was said (ref_not_allowed)',
    `at\t${AT}`,
    'workflow\tcodex-review',
    'scopes\tcodex:exec',
    'token\tnone of this workspace',
    `asked by\t${own.id}`,
    'asked from\t192.0.2.1',
    'repository\tacme/shop',
    'command\tcodex exec \\x1b[2J',
    '',
  ]);
  const done = checkResource();
  service.follow(() => ({ status: 200, body: done }));
  expect(JSON.parse((await run(['exec-check', 'show', ID, '--json'])).stdout)).toEqual(done);
  expect((await run(['exec-check', 'show', ID])).stdout).toMatch(/finished\t2026-03-02T09:01:00.000Z\nexit code\t0\n$/);
});
