import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newTokenSecret, parseToken, printToken, type TokenId } from '../../src/rules/format.js';
import type { Client } from '../../src/sdk/index.js';
import { send } from '../setup/request.js';
import { createTestService, type TestService } from '../setup/service.js';

let service: TestService;
beforeAll(async () => {
  service = await createTestService();
});
afterAll(() => service.close());

const ASKED = { scopes: ['repo:read'], expires_in_days: 30 };
const HOME = '198.51.100.7';
const ELSEWHERE = '203.0.113.9';

const incidentsOf = async (token: string) => (await service.client().incidents.list({ token })).data;
const actionsOf = async (target: string) =>
  (await service.client().auditEvents({ target, limit: 200 })).data.map(({ action }) => action);
/** Uses a token as its own caller, and gives what it is answered but for what names the request. */
async function use(token: string, address: string) {
  const { status, text, headers } = await send(service, 'GET', '/v1/me', { token, address });
  return { status, text, headers: [...headers].filter(([name]) => name !== 'x-request-id') };
}

/** A token that was used from home and whose overlap ended just now. */
async function superseded() {
  const made = await service.seedToken();
  await use(made.token, HOME);
  await service.client().tokens.rotate(made.id, { overlap_seconds: 0 });
  return made;
}

async function revoked() {
  const made = await service.seedToken();
  await service.client().tokens.revoke(made.id, { reason: 'unused' });
  return made;
}

/** What asks about tokens on behalf of others, and who made it. */
async function gateway(maker = service.owner.printed, scopes = ['tokens:introspect']) {
  await service.makeWorkflow('gateways', { allowed_scopes: ['tokens:introspect', 'exec:check'] });
  const minted = await service.client(maker).tokens.mint({ workflow: 'gateways', scopes, expires_in_days: 30 });
  return service.client(minted.token, '198.51.100.200');
}

describe('a revoked secret that is used', () => {
  test('is an incident, whoever uses it, and is answered as any that is not valid', async () => {
    const { id, token } = await revoked();
    const noise = await use('cst_noise', HOME);
    expect(await use(token, HOME)).toEqual(noise);
    const [incident, ...others] = await incidentsOf(id);
    expect(others).toEqual([]);
    expect(incident).toMatchObject({ kind: 'reuse', token_was: 'revoked', times_seen: 1, revoked: [] });
    const report = await service.client().incidents.show(incident?.id ?? '');
    expect(report.seen).toMatchObject([{ ip: HOME }]);
    const [opened] = (await service.client().auditEvents({ target: incident?.id })).data;
    expect(opened).toMatchObject({
      action: 'incident.opened',
      actor: { type: 'token', id },
      ip: HOME,
      data: { kind: 'reuse', token_id: id, incident_id: incident?.id },
    });
    expect(await actionsOf(id)).toEqual(['token.minted', 'token.revoked']);
  });

  test('is one by an introspection too, which is told nothing', async () => {
    const { id, token } = await revoked();
    const { token: stranger } = await service.makeMember('admin');
    expect(await service.client(stranger).introspect(token)).toEqual({ active: false });
    const [incident] = await incidentsOf(id);
    const { token: caller } = await service.client(stranger).me();
    expect((await service.client().incidents.show(incident?.id ?? '')).seen).toMatchObject([{ by: caller.id }]);
  });

  test('counts once a minute, and is written no more often', async () => {
    const { id, token } = await revoked();
    await Promise.all(Array.from({ length: 8 }, () => use(token, HOME)));
    service.clock.advance(59);
    await use(token, ELSEWHERE);
    expect(await incidentsOf(id)).toMatchObject([{ times_seen: 1 }]);
    service.clock.advance(1);
    await use(token, ELSEWHERE);
    const [incident] = await incidentsOf(id);
    expect(incident).toMatchObject({ times_seen: 2 });
    expect(await actionsOf(incident?.id ?? '')).toEqual(['incident.opened']);
  });

  test('of another workspace is not told from noise, and rings no alarm there', async () => {
    const other = await service.makeWorkspace('elsewhere');
    const { id, token } = await revoked();
    expect(await service.client(other.printed).introspect(token)).toEqual({ active: false });
    expect(await incidentsOf(id)).toEqual([]);
  });
});

describe('a superseded secret that is used', () => {
  test('soon, from where it was used before, is a straggler and no incident', async () => {
    const { id, token } = await superseded();
    service.clock.advance(599);
    expect((await use(token, HOME)).status).toBe(401);
    expect(await incidentsOf(id)).toEqual([]);
    expect(await actionsOf(id)).toContain('token.reused');
  });

  test.each([
    ['from elsewhere', 1, ELSEWHERE],
    ['later', 600, HOME],
  ])('%s is an incident', async (_, seconds, address) => {
    const { id, token } = await superseded();
    service.clock.advance(seconds);
    expect((await use(token, address)).status).toBe(401);
    expect(await incidentsOf(id)).toMatchObject([{ kind: 'reuse', token_was: 'superseded', times_seen: 1 }]);
    expect(await actionsOf(id)).toContain('token.reused');
  });

  test('by a straggler that does not stop becomes one, with one event of its use', async () => {
    const { id, token } = await superseded();
    for (let minutes = 0; minutes < 12; minutes += 1) {
      await use(token, HOME);
      service.clock.advance(60);
    }
    expect(await incidentsOf(id)).toMatchObject([{ kind: 'reuse', times_seen: 2 }]);
    expect((await actionsOf(id)).filter((action) => action === 'token.reused')).toHaveLength(1);
  });
});

describe('a revoked secret that is no alarm', () => {
  const lookers = {
    'who made it and revoked it': async () => ({ ...(await revoked()), looker: service.owner.printed }),
    'who made it': async () => {
      const member = await service.makeMember('admin');
      const made = await service.client(member.token).tokens.mint({ workflow: 'nightly', ...ASKED });
      await service.client().tokens.revoke(made.id, { reason: 'leaked' });
      return { ...made, looker: member.token };
    },
    'who owns it': async () => {
      const [made, member] = [await service.seedToken(), await service.makeMember('admin')];
      await service.client().tokens.transfer(made.id, { owner_id: member.id });
      await service.client().tokens.revoke(made.id, { reason: 'leaked' });
      return { ...made, looker: member.token };
    },
    'who revoked it': async () => {
      const [made, member] = [await service.seedToken(), await service.makeMember('admin')];
      await service.client(member.token).tokens.revoke(made.id, { reason: 'leaked' });
      return { ...made, looker: member.token };
    },
  };
  test.each(Object.entries(lookers))('is looked at by %s, signed in, whenever that is', async (_, scene) => {
    const { id, token, looker } = await scene();
    service.clock.advance(86_400);
    expect(await service.client(looker).introspect(token)).toEqual({ active: false });
    expect(await incidentsOf(id)).toEqual([]);
    // It hides no other use.
    await use(token, ELSEWHERE);
    expect(await incidentsOf(id)).toMatchObject([{ times_seen: 1 }]);
  });

  test('is looked at within a minute by a token of a workflow that the same person made, and not later', async () => {
    const { id, token } = await revoked();
    const asking = await gateway();
    service.clock.advance(59);
    await asking.introspect(token);
    expect(await incidentsOf(id)).toEqual([]);
    service.clock.advance(1);
    // By now it asks for whoever came with the secret.
    await asking.introspect(token);
    expect(await incidentsOf(id)).toHaveLength(1);
  });

  test('comes within a minute from where it was used last, and not later', async () => {
    const { id, token } = await service.seedToken();
    await use(token, HOME);
    await service.client().tokens.revoke(id, { reason: 'leaked' });
    service.clock.advance(59);
    for (let times = 0; times < 3; times += 1) expect((await use(token, HOME)).status).toBe(401);
    expect(await incidentsOf(id)).toEqual([]);
    service.clock.advance(1);
    await use(token, HOME);
    expect(await incidentsOf(id)).toMatchObject([{ kind: 'reuse', times_seen: 1 }]);
  });

  test('comes once more to the runner that checked it last, and to no other', async () => {
    const { id, token } = await service.seedToken();
    const stranger = (await service.makeMember('admin')).token;
    const runner = await gateway(stranger, ['exec:check']);
    expect(await runner.execChecks.check({ token, workflow: 'nightly' })).toMatchObject({ decision: 'allow' });
    await service.client(null).revoke(token);
    expect(await runner.execChecks.check({ token, workflow: 'nightly' })).toMatchObject({ decision: 'deny' });
    expect(await incidentsOf(id)).toEqual([]);
    const other = await gateway(stranger, ['exec:check']);
    await service.client(stranger, ELSEWHERE).execChecks.check({ token, workflow: 'nightly' });
    expect(await incidentsOf(id)).toHaveLength(1);
    await other.execChecks.check({ token, workflow: 'nightly' });
    expect(await incidentsOf(id)).toHaveLength(1);
  });

  test('has, revoked because it was rotated, as long as one that is superseded', async () => {
    const { id, token } = await service.seedToken();
    await use(token, HOME);
    await service.client().tokens.rotate(id);
    await service.client().tokens.revoke(id, { reason: 'rotated' });
    service.clock.advance(599);
    await use(token, HOME);
    expect(await incidentsOf(id)).toEqual([]);
    service.clock.advance(1);
    await use(token, HOME);
    expect(await incidentsOf(id)).toHaveLength(1);
  });

  test.each([
    ['as Bearer', (client: Client) => client.me()],
    ['in an exec check', (client: Client, token: string) => client.execChecks.check({ token, workflow: 'nightly' })],
  ])('is one that is used %s, by whom ever', async (way, act) => {
    const { id, token } = await revoked();
    await act(way === 'as Bearer' ? service.client(token) : service.client(), token).catch(() => undefined);
    expect(await incidentsOf(id)).toHaveLength(1);
  });
});

test('a late retry hides no thief who comes after it', async () => {
  const { id, token } = await superseded();
  await use(token, HOME);
  expect(await incidentsOf(id)).toEqual([]);
  await use(token, ELSEWHERE);
  expect(await incidentsOf(id)).toMatchObject([{ times_seen: 1 }]);
  expect((await actionsOf(id)).filter((action) => action === 'token.reused')).toHaveLength(1);
});

describe('a workflow whose rule is to revoke', () => {
  beforeAll(() => service.makeWorkflow('strict', { allowed_scopes: ['repo:*', 'codex:*'], reuse_rule: 'revoke' }));

  /** A lineage of three: the first is superseded, the second drains, the third was never used. */
  async function lineage() {
    const first = await service.seedToken({ workflow: 'strict' });
    await use(first.token, HOME);
    // So that the ids are in the order of their making.
    service.clock.advance(1);
    const second = await service.client().tokens.rotate(first.id, { overlap_seconds: 0 });
    await use(second.token, HOME);
    service.clock.advance(1);
    const third = await service.client().tokens.rotate(second.id);
    const bystander = await service.seedToken({ workflow: 'strict' });
    return { first, second, third, bystander };
  }
  const statusOf = async ({ id }: { id: string }) => (await service.client().tokens.show(id)).status;

  test('ends the whole lineage by one use of a dead secret, and nothing beside it', async () => {
    const { first, second, third, bystander } = await lineage();
    const noise = await use('cst_noise', ELSEWHERE);
    expect(await use(first.token, ELSEWHERE)).toEqual(noise);
    expect(await Promise.all([first, second, third, bystander].map(statusOf))).toEqual([
      'superseded',
      'revoked',
      'revoked',
      'active',
    ]);
    const [incident, ...others] = await incidentsOf(first.id);
    expect(others).toEqual([]);
    expect(incident).toMatchObject({ kind: 'reuse', token_was: 'superseded', revoked: [second.id, third.id] });
    const shown = await service.client().tokens.show(third.id);
    expect(shown).toMatchObject({ revoked_reason: 'leaked', revoked_by: 'countersign' });
    const [event] = (await service.client().auditEvents({ target: third.id, action: 'token.revoked' })).data;
    expect(event).toMatchObject({
      actor: { type: 'system', id: 'countersign' },
      ip: ELSEWHERE,
      data: { reason: 'leaked', note: `${first.id} was used: incident ${incident?.id}` },
    });
    const [opened] = (await service.client().auditEvents({ target: incident?.id })).data;
    expect(opened?.data['revoked']).toEqual([second.id, third.id]);
    expect(await actionsOf(first.id)).toContain('token.reused');
  });

  test('does so once, however many come at the same moment to two nodes', async () => {
    const { first, second, third } = await lineage();
    const node = await createTestService({ database: service.database, keys: service.keys, at: service.clock.now() });
    try {
      const storm = Array.from({ length: 12 }, (_, at) =>
        send(at % 2 === 0 ? service : node, 'GET', '/v1/me', { token: first.token, address: ELSEWHERE }),
      );
      expect(new Set((await Promise.all(storm)).map(({ status }) => status))).toEqual(new Set([401]));
      expect(await incidentsOf(first.id)).toMatchObject([{ times_seen: 1, revoked: [second.id, third.id] }]);
      for (const { id } of [second, third]) {
        expect((await actionsOf(id)).filter((action) => action === 'token.revoked')).toHaveLength(1);
      }
    } finally {
      await node.close();
    }
  });

  test('lets no rotation at the same moment leave a successor behind', async () => {
    for (let times = 0; times < 5; times += 1) {
      const { first, third } = await lineage();
      await use(third.token, HOME);
      const [rotated] = await Promise.allSettled([
        service.client().tokens.rotate(third.id),
        use(first.token, ELSEWHERE),
      ]);
      expect(await statusOf(third)).toBe('revoked');
      if (rotated.status === 'fulfilled') expect(await statusOf(rotated.value)).toBe('revoked');
    }
  });

  test('stops what runs under it, under the dead token too', async () => {
    const first = await service.seedToken({ workflow: 'strict' });
    const early = service.client(first.token, HOME);
    const one = await early.execChecks.check({ workflow: 'strict' });
    service.clock.advance(1);
    const second = await service.client().tokens.rotate(first.id, { overlap_seconds: 0 });
    const other = await service.client(second.token, HOME).execChecks.check({ workflow: 'strict' });
    const ends = [
      early.execChecks.watch(one.check_id),
      service.client(second.token, HOME).execChecks.watch(other.check_id),
    ].map(async (events) => {
      for await (const event of events) if (event.type !== 'alive') return event.type;
      return undefined;
    });
    await use(first.token, ELSEWHERE);
    expect(await Promise.all(ends)).toEqual(['revoked', 'revoked']);
    expect(await incidentsOf(first.id)).toMatchObject([{ revoked: [first.id, second.id] }]);
  });

  test('ends it for a revoked secret too, and for one that was held back', async () => {
    const { first, second, third } = await lineage();
    await service.client().tokens.revoke(second.id, { reason: 'leaked' });
    await service.client().workflows.pause('strict');
    await use(second.token, ELSEWHERE);
    expect(await statusOf(third)).toBe('revoked');
    await service.client().workflows.resume('strict');
    expect(await statusOf(first)).toBe('superseded');
    expect(await incidentsOf(second.id)).toMatchObject([{ token_was: 'revoked', revoked: [third.id] }]);
  });

  test('ends nothing for a late retry, a look, a forged secret, or a public id', async () => {
    const { first, third } = await lineage();
    await use(first.token, HOME);
    await service.client().introspect(first.token);
    const { id: bare, token } = first;
    const forged = printToken({ id: idOf(first.token), tokenSecret: newTokenSecret() });
    for (const other of [forged, token.slice(0, 75), bare]) await use(other, ELSEWHERE);
    await service.client().introspect(forged);
    await service.client(null).revoke(forged);
    await service.client(null).incidents.report({ tokens: [forged, bare] });
    expect(await statusOf(third)).toBe('active');
    expect(await incidentsOf(first.id)).toEqual([]);
  });

  test('ends nothing of another workspace for a secret that is asked about there', async () => {
    const { first, third } = await lineage();
    const other = await service.makeWorkspace('far-away');
    expect(await service.client(other.printed, ELSEWHERE).introspect(first.token)).toEqual({ active: false });
    expect(await statusOf(third)).toBe('active');
  });

  test('ends it at the next use, where the rule came after the first', async () => {
    await service.makeWorkflow('lenient', { allowed_scopes: ['repo:*'] });
    const first = await service.seedToken({ workflow: 'lenient' });
    const second = await service.client().tokens.rotate(first.id, { overlap_seconds: 0 });
    await use(first.token, ELSEWHERE);
    expect(await statusOf(second)).toBe('active');
    await service.client().workflows.put('lenient', { allowed_scopes: ['repo:*'], reuse_rule: 'revoke' });
    await use(first.token, ELSEWHERE);
    expect(await statusOf(second)).toBe('active');
    service.clock.advance(60);
    await use(first.token, ELSEWHERE);
    expect(await statusOf(second)).toBe('revoked');
    expect(await incidentsOf(first.id)).toMatchObject([{ times_seen: 2, revoked: [second.id] }]);
  });
});

test('the rule of a workflow is shown, on record and one of two', async () => {
  const put = (json: unknown) => send(service, 'PUT', '/v1/workflows/ruled', { json });
  expect((await put({})).body).toMatchObject({ reuse_rule: 'alarm' });
  const { body } = await put({ reuse_rule: 'revoke' });
  expect(body).toMatchObject({ reuse_rule: 'revoke' });
  expect((await put({ reuse_rule: 'revoke' })).body).toEqual(body);
  expect((await put({})).body).toMatchObject({ reuse_rule: 'alarm' });
  for (const rule of ['ask', null, '', true]) expect((await put({ reuse_rule: rule })).status).toBe(422);
  const { data } = await service.client().auditEvents({ target: String(body['id']) });
  expect(data.map((event) => event.data['reuse_rule'])).toEqual(['alarm', 'revoke', 'alarm']);
});

test('an expired secret rings no alarm, and a live one costs nothing', async () => {
  const { id, token } = await service.seedToken({ expires_in_days: 7 });
  await use(token, HOME);
  service.clock.advance(7 * 86_400);
  expect((await send(service, 'GET', '/v1/me', { token })).status).toBe(401);
  service.clock.advance(-7 * 86_400);
  expect(await incidentsOf(id)).toEqual([]);
});

function idOf(token: string): TokenId {
  const it = parseToken(token);
  if (it === undefined) throw new Error('no token');
  return it.id;
}
