import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { idFloor, parsePublicId, type TokenId } from '../../src/rules/format.js';
import { addDays, addSeconds } from '../../src/rules/lifetime.js';
import { dayOf, MAX_COUNTED_CHECKS, MAX_COUNTED_TOKENS } from '../../src/rules/token-usage.js';
import type { ExecContext } from '../../src/wire/resources.js';
import { seedRunner } from '../setup/dpop.js';
import { send } from '../setup/request.js';
import { createTestService, type TestService } from '../setup/service.js';

let service: TestService;
beforeAll(async () => {
  // Noon, so that a day is over neither by an hour more nor by one less.
  service = await createTestService({ at: new Date('2026-03-15T12:00:00Z') });
});
afterAll(() => service.close());

const DAY = 86_400;

/** Asks for a job with its own token. */
const check = (token: string, context: ExecContext = {}, workflow = 'nightly', address?: string) =>
  service.client(token, address).execChecks.check({ workflow, context });

const idOf = (publicId: string) => parsePublicId('tok', publicId) as TokenId;

describe('the usage of a token', () => {
  test('counts allowed and denied checks by day in UTC, those without any too', async () => {
    const { id, token } = await service.seedToken();
    const today = service.clock.now();
    await check(token);
    await check(token);
    await check(token, {}, 'another');
    service.clock.advance(2 * DAY);
    await check(token);
    const usage = await service.client().tokens.usage(id, { days: 4 });
    const days = [-1, 0, 1, 2].map((ahead) => dayOf(addDays(today, ahead)));
    expect(usage).toMatchObject({
      token_id: id,
      tokens: { data: [id], has_more: false },
      since: `${days[0]}T00:00:00.000Z`,
      until: `${dayOf(addDays(today, 3))}T00:00:00.000Z`,
      complete_since: `${days[0]}T00:00:00.000Z`,
      total: { allowed: 3, denied: 1 },
      days: [
        { day: days[0], allowed: 0, denied: 0 },
        { day: days[1], allowed: 2, denied: 1 },
        { day: days[2], allowed: 0, denied: 0 },
        { day: days[3], allowed: 1, denied: 0 },
      ],
    });
    // What lies before the window is not counted.
    expect((await service.client().tokens.usage(id, { days: 2 })).total).toEqual({ allowed: 1, denied: 0 });
    expect((await service.client().tokens.usage(id)).days).toHaveLength(30);
  });

  test('a check in the last millisecond of a day is of that day, one in the next of the next', async () => {
    const { id, token } = await service.seedToken();
    const midnight = addDays(new Date(`${dayOf(service.clock.now())}T00:00:00.000Z`), 1);
    service.clock.advance((midnight.getTime() - 1 - service.clock.now().getTime()) / 1000);
    await check(token);
    const before = await service.client().tokens.usage(id, { days: 1 });
    expect(before.days).toEqual([{ day: dayOf(addDays(midnight, -1)), allowed: 1, denied: 0 }]);
    service.clock.advance(0.001);
    await check(token);
    const after = await service.client().tokens.usage(id, { days: 1 });
    expect(after.days).toEqual([{ day: dayOf(midnight), allowed: 1, denied: 0 }]);
    expect((await service.client().tokens.usage(id, { days: 2 })).total.allowed).toBe(2);
    service.clock.advance(DAY / 2);
  });

  test('names where it ran, the latest first, with when and how often', async () => {
    const { id, token } = await service.seedToken();
    const first = service.clock.now().toISOString();
    await check(token, { repository: 'acme/shop', ref: 'refs/heads/main', job: 'tests' }, 'nightly', '198.51.100.1');
    service.clock.advance(60);
    const second = service.clock.now().toISOString();
    await check(token, { repository: 'acme/site', environment: 'prod', job: 'tests' }, 'nightly', '198.51.100.2');
    service.clock.advance(60);
    const third = service.clock.now().toISOString();
    await check(token, { repository: 'acme/shop' }, 'another', '198.51.100.1');
    const usage = await service.client().tokens.usage(id);
    const once = (at: string) => ({ first_seen_at: at, last_seen_at: at, allowed: 1, denied: 0 });
    expect(usage.repositories).toEqual({
      data: [
        { value: 'acme/shop', first_seen_at: first, last_seen_at: third, allowed: 1, denied: 1 },
        { value: 'acme/site', ...once(second) },
      ],
      has_more: false,
    });
    expect(usage.refs.data).toEqual([{ value: 'refs/heads/main', ...once(first) }]);
    expect(usage.environments.data).toEqual([{ value: 'prod', ...once(second) }]);
    expect(usage.jobs.data).toEqual([
      { value: 'tests', first_seen_at: first, last_seen_at: second, allowed: 2, denied: 0 },
    ]);
    expect(usage.addresses.data.map(({ value }) => value)).toEqual(['198.51.100.1', '198.51.100.2']);
    expect(usage.runners).toEqual({ data: [], has_more: false });
  });

  test('names the runners that proved themselves, those that were removed since too', async () => {
    const { id, token } = await service.seedToken();
    const hosts = [await seedRunner(service), await seedRunner(service)];
    for (const host of hosts) {
      service.clock.advance(1);
      await host.send('POST', '/v1/exec/checks', { json: { token, workflow: 'nightly' } });
    }
    await service.client().runners.remove(hosts[0]?.runner.id ?? '');
    const { runners } = await service.client().tokens.usage(id);
    const names = hosts.map(({ runner }) => [runner.id, runner.name]).reverse();
    expect(runners.data.map((runner) => [runner.id, runner.name])).toEqual(names);
  });

  test('shows what a job says of itself as it is, and no token that it put there', async () => {
    const { id, token } = await service.seedToken();
    const hostile = `'; drop table tokens; -- \u{1f600} "\\ ${token}`;
    await check(token, { repository: hostile, job: '' });
    const answer = await send(service, 'GET', `/v1/tokens/${id}/usage`);
    expect(answer.text).not.toContain(token);
    expect(answer.body['repositories']).toMatchObject({
      data: [{ value: hostile.replace(token, `cst_${id.slice(4)}_***`) }],
    });
  });

  test('lists 50 of a kind, and says that there were more', async () => {
    const { id, token } = await service.seedToken();
    for (let at = 0; at < 50; at += 1) await check(token, { repository: `acme/r${at}` });
    const listed = async () => (await service.client().tokens.usage(id)).repositories;
    expect(await listed()).toMatchObject({ has_more: false });
    service.clock.advance(1);
    await check(token, { repository: 'acme/last' });
    const { data, has_more } = await listed();
    expect([data.length, data[0]?.value, has_more]).toEqual([50, 'acme/last', true]);
  });

  test('of who only asked about it the last use is all that is told', async () => {
    const { id, token } = await service.seedToken();
    await check(token);
    service.clock.advance(5);
    const { token: asking, id: by } = await service.seedToken({ scopes: ['exec:check'] });
    await service.client(asking, '203.0.113.9').introspect(token);
    await expect
      .poll(() => service.client().tokens.usage(id))
      .toMatchObject({
        total: { allowed: 1, denied: 0 },
        addresses: { data: [{ value: '192.0.2.1' }] },
        last_used_token_id: id,
        last_used_at: service.clock.now().toISOString(),
        last_used_ip: '203.0.113.9',
        last_used_by: by,
      });
    const fresh = await service.seedToken();
    expect(await service.client().tokens.usage(fresh.id)).toMatchObject({
      total: { allowed: 0, denied: 0 },
      last_used_token_id: null,
      last_used_at: null,
    });
  });
});

describe('with its lineage', () => {
  test('a rotation does not make the history vanish', async () => {
    const first = await service.seedToken();
    await check(first.token, { repository: 'acme/before' });
    service.clock.advance(1);
    const second = await service.client().tokens.rotate(first.id);
    service.clock.advance(60);
    await check(second.token, { repository: 'acme/after' });
    const alone = await service.client().tokens.usage(second.id);
    expect(alone).toMatchObject({ tokens: { data: [second.id] }, total: { allowed: 1, denied: 0 } });
    for (const id of [first.id, second.id]) {
      await expect
        .poll(() => service.client().tokens.usage(id, { lineage: true }))
        .toMatchObject({
          token_id: id,
          lineage_id: first.id,
          tokens: { data: [second.id, first.id], has_more: false },
          total: { allowed: 2, denied: 0 },
          repositories: { data: [{ value: 'acme/after' }, { value: 'acme/before' }] },
          last_used_token_id: second.id,
          last_used_at: service.clock.now().toISOString(),
        });
    }
  });

  test('a member sees those of its tokens that it may see alone', async () => {
    const member = await service.makeMember('member');
    const own = service.client(member.token);
    const request = { workflow: 'nightly', scopes: ['repo:read'], expires_in_days: 7 };
    const first = await service.client().tokens.mint(request);
    service.clock.advance(1);
    const second = await service.client().tokens.rotate(first.id);
    await check(first.token);
    await check(second.token);
    await service.client().tokens.transfer(second.id, { owner_id: member.id });
    expect(await own.tokens.usage(second.id, { lineage: true })).toMatchObject({
      tokens: { data: [second.id] },
      total: { allowed: 1, denied: 0 },
    });
    expect((await service.client().tokens.usage(second.id, { lineage: true })).total.allowed).toBe(2);
    await expect(own.tokens.usage(first.id)).rejects.toMatchObject({ status: 404 });
  });

  test('a token without tokens:read reads its own usage, and not that of its lineage', async () => {
    const { id, token } = await service.seedToken();
    const self = service.client(token);
    expect(await self.tokens.usage('self')).toMatchObject({ token_id: id });
    await expect(self.tokens.usage('self', { lineage: true })).rejects.toMatchObject({ status: 403 });
    const other = await service.seedToken();
    await expect(self.tokens.usage(other.id)).rejects.toMatchObject({ status: 403 });
  });

  test('counts the newest hundred, and says that there are more', async () => {
    const { id } = await service.seedToken();
    await service.db.sql`
      insert into tokens (workspace_id, id, kind, workflow, creator_id, owner_id, scopes, constraints, created_at,
        expires_at, expires_in_days, lineage_id, digest, pepper_kid, secret_set_at)
      select workspace_id, gen_random_uuid(), kind, workflow, creator_id, owner_id, scopes, constraints, created_at,
        expires_at, expires_in_days, lineage_id, digest, pepper_kid, secret_set_at
      from tokens, generate_series(1, ${MAX_COUNTED_TOKENS}) where id = ${idOf(id)}`;
    const { tokens } = await service.client().tokens.usage(id, { lineage: true });
    expect([tokens.data.length, tokens.has_more]).toEqual([MAX_COUNTED_TOKENS, true]);
  });
});

test('of more than 50,000 checks it counts the latest, and says from when it has all', async () => {
  const first = await service.seedToken();
  const second = await service.client().tokens.rotate(first.id);
  const start = addDays(service.clock.now(), -3);
  const every = (3 * DAY) / (MAX_COUNTED_CHECKS + 100);
  await service.db.sql`
    insert into exec_checks (workspace_id, id, decision, reasons, as_of, token_id, caller_token_id, workflow, scopes,
      context, ip)
    select ${service.owner.workspace.id}, ('0' || to_hex((extract(epoch from at) * 1000)::bigint) || '7000'
        || '8' || lpad(to_hex(i), 15, '0'))::uuid,
      'allow', '[]', at, case when i % 2 = 0 then ${idOf(first.id)}::uuid else ${idOf(second.id)}::uuid end,
      ${idOf(first.id)}, 'nightly', '{}', jsonb_build_object('repository', 'acme/r' || i % 7), null
    from (
      select i, ${start.toISOString()}::timestamptz + i * ${every}::float8 * interval '1 second' as at
      from generate_series(1, ${MAX_COUNTED_CHECKS + 100}) i
    ) numbered`;
  const usage = await service.client().tokens.usage(first.id, { lineage: true });
  expect(usage.total.allowed).toBe(MAX_COUNTED_CHECKS);
  const since = new Date(usage.complete_since);
  expect(Math.abs(since.getTime() - addSeconds(start, 100 * every).getTime())).toBeLessThan(1000);
  // Whatever it says that it has all of, it has.
  const [row] = await service.db.sql<{ rows: string }[]>`
    select count(*) as rows from exec_checks where token_id = any(${[idOf(first.id), idOf(second.id)]})
      and id >= ${idFloor('chk', since)}`;
  expect(Number(row?.rows)).toBe(MAX_COUNTED_CHECKS);
  expect(usage.days[0]?.day).toBe(dayOf(since));
  expect(usage.days.reduce((sum, day) => sum + day.allowed, 0)).toBe(MAX_COUNTED_CHECKS);
  expect(usage.repositories.data).toHaveLength(7);
  const half = await service.client().tokens.usage(second.id);
  expect(half).toMatchObject({ complete_since: half.since, total: { allowed: MAX_COUNTED_CHECKS / 2 + 50 } });
});

test.each(['?days=0', '?days=91', '?days=1.5', '?days=', '?lineage=yes', '?days=7&days=8', '?limit=5'])(
  '%s is refused',
  async (query) => {
    const { id } = await service.seedToken();
    expect((await send(service, 'GET', `/v1/tokens/${id}/usage${query}`)).status).toBe(422);
  },
);
