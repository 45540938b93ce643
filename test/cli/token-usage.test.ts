import { expect, test } from 'vitest';
import type { TokenUsage } from '../../src/sdk/index.js';
import { temporaryDirectory } from './command-line.js';
import { commandLineHere } from './in-process.js';
import { looseToken } from './resources.js';
import { scriptedService } from './scripted-service.js';

const service = scriptedService();
const home = temporaryDirectory();
const own = looseToken();
const id = own.id;

async function run(args: readonly string[], isTerminal = false) {
  const env = { COUNTERSIGN_URL: service.url, COUNTERSIGN_TOKEN: own.token };
  return await commandLineHere(home)(args, { env, isTerminal });
}

const AT = '2026-03-02T09:00:00.000Z';
const none = { data: [], has_more: false };
const seen = { first_seen_at: AT, last_seen_at: AT, allowed: 3, denied: 1 };

function usage(changes: Partial<TokenUsage> = {}): TokenUsage {
  return {
    token_id: id,
    lineage_id: id,
    tokens: { data: [id], has_more: false },
    since: '2026-03-01T00:00:00.000Z',
    until: '2026-03-03T00:00:00.000Z',
    complete_since: '2026-03-01T00:00:00.000Z',
    total: { allowed: 3, denied: 1 },
    days: [
      { day: '2026-03-01', allowed: 0, denied: 0 },
      { day: '2026-03-02', allowed: 3, denied: 1 },
    ],
    repositories: { data: [{ value: 'acme/shop\u001b[2J', ...seen }], has_more: false },
    refs: none,
    environments: none,
    jobs: none,
    runners: { data: [{ id: 'rnr_01KfUXmCbVYz8sQ2dW3nRk', name: 'build-1', ...seen }], has_more: false },
    addresses: none,
    last_used_token_id: id,
    last_used_at: AT,
    last_used_ip: '192.0.2.1',
    last_used_by: null,
    last_used_run: null,
    ...changes,
  };
}

test('token usage asks for what was said, and gives programs exact values', async () => {
  service.follow(() => ({ status: 200, body: usage() }));
  const outcome = await run(['token', 'usage', id, '--days', '2', '--lineage']);
  const asked = service.received[0];
  expect(asked?.route).toBe(`GET /v1/tokens/${id}/usage`);
  expect(Object.fromEntries(asked?.query ?? [])).toEqual({ days: '2', lineage: 'true' });
  expect(outcome).toMatchObject({ code: 0, stderr: '' });
  expect(outcome.stdout.split('\n')).toEqual([
    `token\t${id}`,
    `last used\t${AT}`,
    'last used from\t192.0.2.1',
    'allowed\t3',
    'denied\t1',
    '2026-03-01\t0\t0',
    '2026-03-02\t3\t1',
    // What a job says of itself does nothing to a terminal.
    `repository\tacme/shop\\x1b[2J\t3\t1\t${AT}\t${AT}`,
    `runner\trnr_01KfUXmCbVYz8sQ2dW3nRk\t3\t1\t${AT}\t${AT}`,
    '',
  ]);
  const json = await run(['token', 'usage', 'self', '--json']);
  expect(JSON.parse(json.stdout)).toEqual(usage());
  expect(Object.fromEntries(service.received.at(-1)?.query ?? [])).toEqual({});
});

test('token usage draws a bar for each day on a terminal', async () => {
  service.follow(() => ({ status: 200, body: usage() }));
  const { stdout } = await run(['token', 'usage', id], true);
  const line = stdout.split('\n').find((text) => text.startsWith('2026-03-02'));
  expect(line).toBe(`2026-03-02  3        1       ${'#'.repeat(30)}${'x'.repeat(10)}`);
  expect(stdout).toContain('build-1');
});

test('token usage says which token of the lineage was used last, and in which run', async () => {
  const run_id = 'run_01KfUXmCbVYz8sQ2dW3nRk';
  const last = {
    run_id,
    check_id: 'chk_0',
    started_at: AT,
    repository: 'acme/shop',
    ref: null,
    job: null,
    runner: null,
  };
  service.follow(() => ({ status: 200, body: usage({ last_used_token_id: 'tok_other', last_used_run: last }) }));
  const { stdout } = await run(['token', 'usage', id, '--lineage']);
  expect(stdout).toContain('last used as\ttok_other\n');
  expect(stdout).toContain(`last run\t${run_id}\n`);
});

test('token usage says what its figures leave out', async () => {
  const complete = '2026-03-02T08:00:00.000Z';
  const more = { complete_since: complete, tokens: { data: [id], has_more: true }, refs: { data: [], has_more: true } };
  service.follow(() => ({ status: 200, body: usage(more) }));
  const { stderr } = await run(['token', 'usage', id]);
  expect(stderr.trimEnd().split('\n')).toHaveLength(3);
  expect(stderr).toContain(complete);
});

test('token usage takes 1 to 90 days', async () => {
  for (const days of ['0', '91', 'many']) expect((await run(['token', 'usage', id, '--days', days])).code).toBe(2);
});
