import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { send } from '../setup/request.js';
import { createTestService, type TestService } from '../setup/service.js';

let service: TestService;
beforeAll(async () => {
  service = await createTestService();
});
afterAll(() => service.close());

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
    expect(await service.client().introspect(token)).toEqual({ active: false });
    const [incident] = await incidentsOf(id);
    const { token: caller } = await service.client().me();
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

test('an expired secret rings no alarm, and a live one costs nothing', async () => {
  const { id, token } = await service.seedToken({ expires_in_days: 7 });
  await use(token, HOME);
  service.clock.advance(7 * 86_400);
  expect((await send(service, 'GET', '/v1/me', { token })).status).toBe(401);
  service.clock.advance(-7 * 86_400);
  expect(await incidentsOf(id)).toEqual([]);
});
