import { describe, expect, test } from 'vitest';
import { temporaryDirectory } from './command-line.js';
import { commandLineHere } from './in-process.js';
import { looseToken, mintedResource, tokenResource } from './resources.js';
import { problem, scriptedService } from './scripted-service.js';

const service = scriptedService();
const home = temporaryDirectory();
const own = looseToken();

async function run(...args: readonly string[]) {
  return await commandLineHere(home)(args, { env: { COUNTERSIGN_URL: service.url, COUNTERSIGN_TOKEN: own.token } });
}

const routes = () => service.received.map(({ route }) => route);

describe('token take-over', () => {
  const taken = mintedResource();

  test('prints the secret alone', async () => {
    service.follow(() => ({ status: 201, body: taken }));
    const outcome = await run('token', 'take-over', 'tok_0');
    expect(outcome).toMatchObject({ code: 0, stdout: `${taken.token}\n` });
    expect(outcome.stderr).toContain('tok_0 has ended.');
    expect(outcome.stderr).not.toContain(taken.token);
    expect(routes()).toEqual(['POST /v1/tokens/tok_0/take-over']);
    expect(JSON.parse((await run('token', 'take-over', 'tok_0', '--json')).stdout)).toEqual(taken);
  });

  test('is asked for once, and says what to do when it was done already', async () => {
    service.follow(() => problem(409, 'conflict', 'it was already'));
    expect(await run('token', 'take-over', 'tok_0')).toMatchObject({ code: 1, stdout: '' });
    service.follow(() => problem(503, 'database-unavailable', 'nothing is known'));
    const lost = await run('token', 'take-over', 'tok_0');
    expect(lost).toMatchObject({ code: 69, stderr: expect.stringContaining('rotate it.') });
    expect(routes().filter((route) => route.endsWith('/take-over')).length).toBeLessThanOrEqual(2);
  });
});

test('token unfreeze says what state the token is in', async () => {
  const thawed = tokenResource({ status: 'suspended' });
  service.follow(() => ({ status: 200, body: thawed }));
  const outcome = await run('token', 'unfreeze', thawed.id);
  expect(outcome).toMatchObject({ code: 0, stdout: '', stderr: `${thawed.id} is suspended.\n` });
  expect(JSON.parse((await run('token', 'unfreeze', thawed.id, '--json')).stdout)).toEqual(thawed);
  expect(routes()).toContain(`POST /v1/tokens/${thawed.id}/unfreeze`);
});

test('token show tells who may take it over', async () => {
  const frozen = tokenResource({
    status: 'suspended',
    frozen_at: '2026-03-02T09:00:00.000Z',
    takeover_by: 'mem_01KfUXmCbVYz8sQ2dW3nRk',
    takeover_until: '2026-03-09T09:00:00.000Z',
  });
  service.follow(() => ({ status: 200, body: frozen }));
  const { stdout } = await run('token', 'show', frozen.id);
  expect(stdout).toMatch(/^frozen\t2026-03-02/m);
  expect(stdout).toMatch(/^may be taken over by\tmem_01KfUXmCbVYz8sQ2dW3nRk$/m);
  expect(stdout).toMatch(/^until\t2026-03-09/m);
});

describe('report', () => {
  const why = [{ code: 'unused', detail: 'never used; made 31 days ago' }];

  test.each([
    [['ownerless'], { kind: 'ownerless' }],
    [['unused', '--days', '90'], { kind: 'unused', days: '90' }],
    [['beyond-policy'], { kind: 'beyond_policy' }],
    [['expiring', '--days', '14', '--limit', '5'], { kind: 'expiring', days: '14' }],
  ])('%j lists tokens with why', async (args, query) => {
    const data = [{ ...tokenResource(), why }];
    service.follow(() => ({ status: 200, body: { data, next_cursor: null } }));
    const outcome = await run('report', ...args);
    expect(outcome).toMatchObject({ code: 0, stdout: expect.stringContaining('\tnever used; made 31 days ago\n') });
    const asked = service.received[0];
    expect(asked?.route).toBe('GET /v1/reports/tokens');
    expect(JSON.parse((await run('report', ...args, '--json')).stdout)).toEqual({ data });
    expect(Object.fromEntries(asked?.query ?? [])).toMatchObject(query);
  });

  test('says plainly when there are none', async () => {
    service.follow(() => ({ status: 200, body: { data: [], next_cursor: null } }));
    expect(await run('report', 'ownerless')).toMatchObject({ code: 0, stdout: '', stderr: 'There are none.\n' });
    expect(await run('report', 'ownerless', '--days', '7')).toMatchObject({ code: 2 });
  });
});
