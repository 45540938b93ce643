import { describe, expect, test } from 'vitest';
import { temporaryDirectory } from './command-line.js';
import { commandLineHere } from './in-process.js';
import { looseToken, meResource, runResource, workflowResource } from './resources.js';
import { problem, scriptedService } from './scripted-service.js';

const service = scriptedService();
const home = temporaryDirectory();
const own = looseToken();
const run = (args: readonly string[]) =>
  commandLineHere(home)(args, { env: { COUNTERSIGN_URL: service.url, COUNTERSIGN_TOKEN: own.token } });

const one = runResource();
const ID = one.run_id;

describe('runs list', () => {
  test('is a line each: since when, where it stands, what runs, where, and under which token', async () => {
    const runner = { id: 'rnr_0123456789ABCDEFGHIJKL', name: 'builder-7' };
    const onRunner = runResource({ runner, context: {}, status: 'stopped' });
    service.follow(() => ({ status: 200, body: { data: [one, onRunner], next_cursor: null } }));
    const { code, stdout, stderr } = await run(['runs', 'list']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { started_at: at, token_id: token, creator } = one;
    expect(stdout.split('\n')).toEqual([
      `${ID}\t${at}\trunning\tcodex-review\tacme/shop\ttests\t192.0.2.1\t${creator.email}\t${token}`,
      `${ID}\t${at}\tstopped\tcodex-review\t\t\tbuilder-7\t${creator.email}\t${onRunner.token_id}`,
      '',
    ]);
    const few = await run(['runs', 'list', '--limit', '1', '--json']);
    expect(JSON.parse(few.stdout)).toEqual({ data: [one] });
    expect(few.stderr).toContain('There are more');
  });

  test('is narrowed by the service; `self` is the id of the calling token', async () => {
    const me = meResource();
    service.follow(({ route }) => ({
      status: 200,
      body: route === 'GET /v1/me' ? me : { data: [], next_cursor: null },
    }));
    expect(await run(['runs', 'list'])).toMatchObject({ code: 0, stdout: '', stderr: 'Nothing runs that matches.\n' });
    expect(Object.fromEntries(service.received[0]?.query ?? [])).toEqual({ limit: '51' });
    const filters = ['--workflow', 'codex-review', '--status', 'lost', '--token', 'self'];
    expect(await run(['runs', 'list', ...filters])).toMatchObject({ code: 0, stderr: 'No runs match.\n' });
    expect(Object.fromEntries(service.received.at(-1)?.query ?? [])).toEqual({
      workflow: 'codex-review',
      status: 'lost',
      token: me.token.id,
      limit: '51',
    });
    expect(await run(['runs', 'list', '--status', 'over'])).toMatchObject({ code: 2 });
  });
});

test('runs show tells all of it, and nothing in it can steer a terminal; it takes the id of the check', async () => {
  const ended = runResource({
    status: 'stopped',
    stopped_at: '2026-03-02T09:01:00.000Z',
    stopped_by: 'mem_0123456789ABCDEFGHIJKL',
    stopped_reason: 'too loud',
    finished_at: '2026-03-02T09:01:01.000Z',
    signal: 'SIGTERM',
  });
  service.follow(() => ({ status: 200, body: ended }));
  const { code, stdout } = await run(['runs', 'show', ID.replace('run_', 'chk_')]);
  expect(code).toBe(0);
  expect(service.received[0]?.route).toBe(`GET /v1/exec/runs/${ID}`);
  expect(stdout.split('\n')).toEqual([
    `id\t${ID}`,
    'status\tstopped',
    'workflow\tcodex-review',
    `started\t${ended.started_at}`,
    'repository\tacme/shop',
    'ref\trefs/heads/main',
    'job\ttests',
    'command\tcodex exec \\x1b[2J',
    'scopes\tcodex:exec',
    'address\t192.0.2.1',
    `token\t${ended.token_id}`,
    expect.stringMatching(/^creator\t/),
    `lease ends\t${ended.lease_ends_at}`,
    `valid until\t${ended.valid_until}`,
    'finished\t2026-03-02T09:01:01.000Z',
    'signal\tSIGTERM',
    'stopped\t2026-03-02T09:01:00.000Z',
    'stopped by\tmem_0123456789ABCDEFGHIJKL',
    'reason\ttoo loud',
    '',
  ]);
  expect(JSON.parse((await run(['runs', 'show', ID, '--json'])).stdout)).toEqual(ended);
  service.follow(() => problem(404, 'not-found', 'nothing is here'));
  expect(await run(['runs', 'show', ID])).toMatchObject({ code: 1, stdout: '' });
});

describe('runs stop', () => {
  test('stops it, and asks again when the answer is lost', async () => {
    const stopped = runResource({ status: 'stopped' });
    let isFirst = true;
    service.follow(() => {
      const answer = isFirst ? ('lost' as const) : { status: 200, body: stopped };
      isFirst = false;
      return answer;
    });
    expect(await run(['runs', 'stop', ID, '--reason', 'too loud'])).toEqual({
      code: 0,
      stdout: '',
      stderr: `${ID} is stopped: its guard ends the job.\n`,
    });
    expect(service.received.map(({ route, body }) => [route, JSON.parse(body)])).toEqual([
      [`POST /v1/exec/runs/${ID}/stop`, { reason: 'too loud' }],
      [`POST /v1/exec/runs/${ID}/stop`, { reason: 'too loud' }],
    ]);
    const asJson = await run(['runs', 'stop', ID, '--json']);
    expect(JSON.parse(asJson.stdout)).toEqual(stopped);
    expect(service.received.at(-1)?.body).toBe('{}');
  });

  test('has the exit codes of the house', async () => {
    for (const [status, kind, code] of [
      [409, 'conflict', 1],
      [404, 'not-found', 1],
      [403, 'insufficient-scope', 77],
      [401, 'unauthenticated', 77],
      [503, 'database-unavailable', 69],
    ] as const) {
      service.follow(() => ({ ...Object(problem(status, kind, 'no')), headers: { 'retry-after': '0' } }));
      expect((await run(['runs', 'stop', ID])).code).toBe(code);
    }
  });
});

describe('workflow set', () => {
  test.each([
    [['--max-concurrent-runs', '7'], { max_concurrent_runs: 7, max_concurrent_runs_per_token: 3 }],
    [
      ['--max-concurrent-runs', 'none', '--max-concurrent-runs-per-token', '10000'],
      { max_concurrent_runs_per_token: 10_000 },
    ],
    [['--max-concurrent-runs-per-token', 'none'], { max_concurrent_runs: 5 }],
    [[], { max_concurrent_runs: 5, max_concurrent_runs_per_token: 3 }],
  ])('%j limits the runs and keeps the limits that are not named', async (flags, limits) => {
    const current = workflowResource({ max_concurrent_runs: 5, max_concurrent_runs_per_token: 3 });
    service.follow(() => ({ status: 200, body: current }));
    expect(await run(['workflow', 'set', 'codex-review', ...flags])).toMatchObject({ code: 0 });
    const [put] = service.received.filter(({ route }) => route.startsWith('PUT '));
    const body: Record<string, unknown> = JSON.parse(put?.body ?? '{}');
    expect(Object.fromEntries(Object.entries(body).filter(([name]) => name.startsWith('max_concurrent')))).toEqual(
      limits,
    );
  });

  test.each(['0', '10001', 'all', '-1', '1.5'])('takes no limit of %s', async (limit) => {
    expect(await run(['workflow', 'set', 'w', '--max-concurrent-runs', limit])).toMatchObject({ code: 2 });
  });
});
