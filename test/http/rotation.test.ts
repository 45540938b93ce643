import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { printToken } from '../../src/rules/format.js';
import type { MintedToken, MintRequest, RotateRequest } from '../../src/wire/resources.js';
import { createTestService, type TestService } from '../setup/service.js';
import { fault, halvesOf, raw } from './raw.js';

const HOUR = 3_600;
const DAY = 86_400;

let service: TestService;
let start: Date;
beforeAll(async () => {
  service = await createTestService();
  start = service.clock.now();
});
// Each story begins at the same time, so that the owner's token of a week is always good.
beforeEach(() => service.clock.advance((start.getTime() - service.clock.now().getTime()) / 1000));
afterAll(() => service.close());

const isActive = async (token: string) => (await service.client().introspect(token)).active;
const show = (id: string) => service.client().tokens.show(id);
const rotate = (id: string, request?: RotateRequest) => service.client().tokens.rotate(id, request);
const isAlive = async (token: string) => (await raw(service, 'GET', '/v1/me', { token })).status === 200;
const conflictOf = async (id: string, request: RotateRequest = {}, token?: string) => {
  const answer = await raw(service, 'POST', `/v1/tokens/${id}/rotate`, { json: request, ...(token ? { token } : {}) });
  return { status: answer.status, code: answer.json.code };
};

/** The owner's sign-in token lives a week: longer stories need another caller. */
async function longLived(request: Partial<MintRequest> = {}) {
  return service.seedToken({ scopes: ['workspace:admin'], expires_in_days: 90, ...request });
}

describe('a rotation', () => {
  it('answers like a mint: 201, the successor, its place, its secret', async () => {
    const first = await service.seedToken({ name: 'run', scopes: ['repo:read', 'codex:exec'] });
    const answer = await raw(service, 'POST', `/v1/tokens/${first.id}/rotate`, { json: {} });
    expect(answer.status).toBe(201);
    expect(answer.headers.get('location')).toBe(`/v1/tokens/${answer.json.id}`);
    const before = await show(first.id);
    const expected = {
      name: 'run',
      workflow: 'nightly',
      creator: before.creator,
      owner: before.owner,
      scopes: ['repo:read', 'codex:exec'],
      status: 'active',
      lineage_id: first.id,
      rotated_from: first.id,
      rotated_to: null,
      overlap_ends_at: null,
      token: expect.stringMatching(/^cst_/),
    };
    expect(answer.json).toMatchObject(expected);
    expect(before).toMatchObject({ status: 'rotating', rotated_to: answer.json.id, lineage_id: first.id });
    expect(await isActive(answer.json.token)).toBe(true);
  });

  it('needs no body', async () => {
    const { id } = await service.seedToken();
    expect((await raw(service, 'POST', `/v1/tokens/${id}/rotate`)).status).toBe(201);
  });

  it('tells who asks about the predecessor which token follows it', async () => {
    const first = await service.seedToken();
    const next = await rotate(first.id);
    expect(await service.client().introspect(first.token)).toMatchObject({ active: true, superseded_by: next.id });
    expect(await service.client().introspect(next.token)).not.toHaveProperty('superseded_by');
  });

  it('keeps the lineage and the owner of today over many rotations', async () => {
    const keeper = await service.makeMember('member');
    const first = await service.seedToken();
    const second = await rotate(first.id);
    await service.client().tokens.transfer(second.id, { owner_id: keeper.id });
    const third = await rotate(second.id);
    const maker = (await show(first.id)).creator;
    expect(third).toMatchObject({ lineage_id: first.id, rotated_from: second.id });
    expect(third).toMatchObject({ creator: maker, owner: { id: keeper.id } });
  });

  it.each([
    ['overlap_seconds', -1],
    ['overlap_seconds', 604_801],
    ['overlap_seconds', 0.5],
    ['overlap_seconds', '60'],
    ['drain_seconds', -1],
    ['drain_seconds', 604_801],
    ['drain_seconds', null],
    ['expires_in_days', 0],
    ['expires_in_days', 367],
    ['expires_in_days', 8],
    ['scopes', ['repo:write']],
    ['workflow', 'other'],
  ])('refuses %s %j, and the token stays as it was', async (name, value) => {
    const { id } = await service.seedToken();
    const answer = await raw(service, 'POST', `/v1/tokens/${id}/rotate`, { json: { [name]: value } });
    expect(fault(answer)).toEqual({ status: 422, at: [`#/${name}`] });
    expect(await show(id)).toMatchObject({ status: 'active', rotated_to: null });
  });
});

describe('the overlap', () => {
  it('is a day unless the rotation says otherwise, to the second', async () => {
    const first = await service.seedToken();
    await rotate(first.id);
    const ends = new Date(service.clock.now().getTime() + DAY * 1000);
    expect((await show(first.id)).overlap_ends_at).toBe(ends.toISOString());
    service.clock.advance(DAY - 1);
    expect(await isActive(first.token)).toBe(true);
    service.clock.advance(1);
    expect(await isActive(first.token)).toBe(false);
    expect((await show(first.id)).status).toBe('superseded');
  });

  it.each([1, 60, 604_800])('is the %i seconds that were asked for', async (overlap) => {
    const admin = await longLived();
    const first = await service.seedToken();
    await service.client(admin.token).tokens.rotate(first.id, { overlap_seconds: overlap });
    service.clock.advance(overlap - 1);
    expect(await service.client(admin.token).introspect(first.token)).toMatchObject({ active: true });
    service.clock.advance(1);
    expect(await service.client(admin.token).introspect(first.token)).toEqual({ active: false });
  });

  it('of 0 ends the predecessor at once', async () => {
    const first = await service.seedToken();
    const next = await rotate(first.id, { overlap_seconds: 0 });
    expect(await isActive(first.token)).toBe(false);
    expect((await show(first.id)).status).toBe('superseded');
    expect(await isActive(next.token)).toBe(true);
  });

  it("never outlives the predecessor's own expiry", async () => {
    const admin = await longLived();
    const first = await service.seedToken({ expires_in_days: 7 });
    const { expires_at } = await show(first.id);
    service.clock.advance(6 * DAY);
    await service.client(admin.token).tokens.rotate(first.id, { overlap_seconds: 604_800 });
    expect((await service.client(admin.token).tokens.show(first.id)).overlap_ends_at).toBe(expires_at);
    service.clock.advance(DAY);
    expect(await service.client(admin.token).introspect(first.token)).toEqual({ active: false });
    expect((await service.client(admin.token).tokens.show(first.id)).status).toBe('expired');
  });
});

describe("the drain after the successor's first use", () => {
  const uses: [string, (next: MintedToken) => Promise<unknown>][] = [
    ['a call with it', (next) => service.client(next.token).me()],
    ['a call with it that is refused', (next) => raw(service, 'GET', '/v1/audit-events', { token: next.token })],
    ['an introspection by another', (next) => service.client().introspect(next.token)],
    ['an introspection of itself', (next) => service.client(next.token).introspect(next.token)],
    ['an exec check of itself', (next) => service.client(next.token).execChecks.check({ workflow: 'nightly' })],
    [
      'an exec check by a runner',
      (next) => service.client().execChecks.check({ token: next.token, workflow: 'nightly' }),
    ],
    [
      'an exec check that is denied',
      (next) => service.client().execChecks.check({ token: next.token, workflow: 'other' }),
    ],
  ];

  it.each(uses)('begins with %s and lasts an hour', async (_, use) => {
    const first = await service.seedToken();
    const next = await rotate(first.id);
    service.clock.advance(60);
    await use(next);
    const ends = new Date(service.clock.now().getTime() + HOUR * 1000).toISOString();
    expect((await show(first.id)).overlap_ends_at).toBe(ends);
    service.clock.advance(HOUR - 1);
    expect(await isActive(first.token)).toBe(true);
    service.clock.advance(1);
    expect(await isActive(first.token)).toBe(false);
  });

  it('lasts as long as was asked for, and later uses do not prolong it', async () => {
    const first = await service.seedToken();
    const next = await rotate(first.id, { drain_seconds: 10 });
    await service.client(next.token).me();
    service.clock.advance(9);
    await service.client(next.token).me();
    expect(await isActive(first.token)).toBe(true);
    service.clock.advance(1);
    expect(await isActive(first.token)).toBe(false);
  });

  it('of 0 ends the predecessor with the first use: the answer to it finds that on record', async () => {
    const first = await service.seedToken();
    const next = await rotate(first.id, { drain_seconds: 0 });
    expect(await isActive(first.token)).toBe(true);
    await service.client(next.token).me();
    expect(await isActive(first.token)).toBe(false);
  });

  it('never prolongs the overlap', async () => {
    const first = await service.seedToken();
    const next = await rotate(first.id, { overlap_seconds: 60, drain_seconds: 604_800 });
    await isActive(next.token);
    service.clock.advance(60);
    expect(await isActive(first.token)).toBe(false);
  });

  it('is not begun by showing, listing or explaining the successor, nor by a wrong secret', async () => {
    const first = await service.seedToken();
    const next = await rotate(first.id, { drain_seconds: 0 });
    await show(next.id);
    await service.client().tokens.list();
    await service.client().tokens.explain(next.id);
    expect(await isActive(`${next.token.slice(0, -1)}${next.token.endsWith('0') ? '1' : '0'}`)).toBe(false);
    expect(await isActive(first.token)).toBe(true);
  });

  it('is in the audit trail, once', async () => {
    const first = await service.seedToken();
    const next = await rotate(first.id);
    await Promise.all([1, 2, 3, 4].map(() => service.client(next.token).me()));
    const { data } = await service.client().auditEvents({ target: first.id, action: 'token.drain_started' });
    expect(data).toMatchObject([{ data: { successor: next.id } }]);
  });
});

describe('a lost answer', () => {
  it('is harmless: rotating again replaces the secret of the successor and nothing else', async () => {
    const first = await service.seedToken();
    const lost = await rotate(first.id, { overlap_seconds: 600 });
    service.clock.advance(60);
    const again = await rotate(first.id, { overlap_seconds: 30, drain_seconds: 1, expires_in_days: 90 });
    const { token: _, ...resource } = again;
    const { token: __, ...before } = lost;
    expect(resource).toEqual(before);
    expect(await isActive(lost.token)).toBe(false);
    expect(await isAlive(lost.token)).toBe(false);
    expect(await isActive(again.token)).toBe(true);
    const { data } = await service.client().tokens.list({ limit: 200 });
    expect(data.filter((token) => token.lineage_id === first.id)).toHaveLength(2);
  });

  it('does not start the overlap anew', async () => {
    const first = await service.seedToken();
    await rotate(first.id, { overlap_seconds: 600 });
    const ends = (await show(first.id)).overlap_ends_at;
    service.clock.advance(300);
    await rotate(first.id, { overlap_seconds: 600 });
    expect((await show(first.id)).overlap_ends_at).toBe(ends);
  });

  it('may be lost many times', async () => {
    const first = await service.seedToken({ scopes: ['tokens:rotate'] });
    const secrets: string[] = [];
    for (let at = 0; at < 4; at += 1) secrets.push((await service.client(first.token).tokens.rotate('self')).token);
    const alive = await Promise.all(secrets.map(isActive));
    expect(alive).toEqual([false, false, false, true]);
  });

  it('is harmless too when the predecessor has ended meanwhile: somebody else may rotate it again', async () => {
    const first = await service.seedToken();
    const lost = await rotate(first.id, { overlap_seconds: 0 });
    const again = await rotate(first.id);
    expect(again.id).toBe(lost.id);
    expect(await isActive(first.token)).toBe(false);
    expect([await isActive(lost.token), await isActive(again.token)]).toEqual([false, true]);
    expect(await conflictOf(first.id)).toEqual({ status: 409, code: 'already_rotated' });
  });

  it('of a caller that went away before the commit leaves nothing', async () => {
    const first = await service.seedToken();
    const gone = new AbortController();
    const request = raw(service, 'POST', `/v1/tokens/${first.id}/rotate`, { json: {}, signal: gone.signal });
    gone.abort();
    await request;
    expect(await show(first.id)).toMatchObject({ status: 'active', rotated_to: null });
    const { data } = await service.client().auditEvents({ target: first.id });
    expect(data.map((event) => event.action)).toEqual(['token.minted']);
    expect((await rotate(first.id)).rotated_from).toBe(first.id);
  });

  it('of a caller that went away does not kill the secret that was answered before', async () => {
    const first = await service.seedToken();
    const next = await rotate(first.id);
    const gone = new AbortController();
    const request = raw(service, 'POST', `/v1/tokens/${first.id}/rotate`, { json: {}, signal: gone.signal });
    gone.abort();
    await request;
    expect(await isActive(next.token)).toBe(true);
  });
});

describe('what is not rotated: 409', () => {
  it('a token whose successor was used', async () => {
    const first = await service.seedToken();
    const next = await rotate(first.id);
    await isActive(next.token);
    expect(await conflictOf(first.id)).toEqual({ status: 409, code: 'already_rotated' });
    expect(await isActive(next.token)).toBe(true);
  });

  it('a token whose successor was rotated on or revoked', async () => {
    const [first, second] = [await service.seedToken(), await service.seedToken()];
    await rotate((await rotate(first.id)).id);
    await service.client().tokens.revoke((await rotate(second.id)).id, { reason: 'other' });
    expect(await conflictOf(first.id)).toEqual({ status: 409, code: 'already_rotated' });
    expect(await conflictOf(second.id)).toEqual({ status: 409, code: 'already_rotated' });
  });

  it('one that is revoked, expired, suspended or not valid yet', async () => {
    const admin = await longLived();
    const later = new Date(service.clock.now().getTime() + 20 * DAY * 1000).toISOString();
    const early = await service.seedToken({ not_before: later });
    const [revoked, expired] = [await service.seedToken(), await service.seedToken({ expires_in_days: 7 })];
    await service.client().tokens.revoke(revoked.id, { reason: 'leaked' });
    await service.makeWorkflow('halted');
    const paused = await service.seedToken({ workflow: 'halted' });
    await service.client().workflows.pause('halted');
    service.clock.advance(7 * DAY);
    for (const { id } of [early, revoked, expired, paused]) {
      expect(await conflictOf(id, {}, admin.token)).toEqual({ status: 409, code: 'token_not_active' });
    }
  });
});

describe('rotating itself', () => {
  it('needs tokens:rotate', async () => {
    const without = await service.seedToken({ scopes: ['repo:read', 'tokens:read'] });
    const refused = await raw(service, 'POST', '/v1/tokens/self/rotate', { token: without.token, json: {} });
    expect(refused.status).toBe(403);
    expect(refused.headers.get('www-authenticate')).toContain('scope="tokens:rotate"');
    const able = await service.seedToken({ scopes: ['repo:read', 'tokens:rotate'] });
    const next = await service.client(able.token).tokens.rotate('self');
    expect(next).toMatchObject({ rotated_from: able.id, scopes: ['repo:read', 'tokens:rotate'] });
    const byId = await service.client(next.token).tokens.rotate(next.id);
    expect(byId.rotated_from).toBe(next.id);
  });

  it('is not for a superseded token', async () => {
    const able = await service.seedToken({ scopes: ['tokens:rotate'] });
    await service.client(able.token).tokens.rotate('self', { overlap_seconds: 0 });
    const refused = await raw(service, 'POST', '/v1/tokens/self/rotate', { token: able.token, json: {} });
    expect(refused.status).toBe(401);
  });

  it('works for a sign-in token: a week again, with the same rights', async () => {
    service.clock.advance(3 * DAY);
    const next = await service.client().tokens.rotate('self');
    expect(next.scopes).toEqual(['workspace:admin']);
    expect(next.workflow).toBe('countersign');
    expect(Date.parse(next.expires_at) - service.clock.now().getTime()).toBe(7 * DAY * 1000);
    expect((await service.client(next.token).me()).role).toBe('owner');
    expect(await conflictOf('self', { expires_in_days: 30 }, next.token)).toMatchObject({ status: 422 });
  });

  it('works for the sign-in token of every role that may rotate', async () => {
    for (const role of ['owner', 'admin', 'member'] as const) {
      const { token, id } = await service.makeMember(role);
      const next = await service.client(token).tokens.rotate('self');
      expect((await service.client(next.token).me()).id).toBe(id);
    }
    const auditor = await service.makeMember('auditor');
    expect((await raw(service, 'POST', '/v1/tokens/self/rotate', { token: auditor.token })).status).toBe(403);
  });
});

describe("today's policy rules the successor", () => {
  const workflow = 'changing';
  const policy = (change: object) =>
    service.client().workflows.put(workflow, { allowed_scopes: ['repo:*', 'codex:*'], ...change });
  beforeEach(() => policy({}));

  it('its expiry: the same period while it is offered, else the longest shorter one, else the shortest', async () => {
    const first = await service.seedToken({ workflow, expires_in_days: 60 });
    const days = async (id: string) => {
      const { created_at, expires_at, id: next } = await rotate(id);
      return { days: (Date.parse(expires_at) - Date.parse(created_at)) / 1000 / DAY, id: next };
    };
    const same = await days(first.id);
    expect(same.days).toBe(60);
    await policy({ allowed_expiry_days: [90, 14, 30] });
    const shorter = await days(same.id);
    expect(shorter.days).toBe(30);
    await policy({ allowed_expiry_days: [90, 60] });
    expect((await days(shorter.id)).days).toBe(60);
  });

  it('its expiry when one is asked for: it must be offered today', async () => {
    const first = await service.seedToken({ workflow, expires_in_days: 60 });
    await policy({ allowed_expiry_days: [14] });
    const refused = await raw(service, 'POST', `/v1/tokens/${first.id}/rotate`, { json: { expires_in_days: 60 } });
    expect(fault(refused)).toEqual({ status: 422, at: ['#/expires_in_days'] });
    const next = await rotate(first.id, { expires_in_days: 14 });
    expect(Date.parse(next.expires_at) - Date.parse(next.created_at)).toBe(14 * DAY * 1000);
  });

  it('its scopes: at most those the workflow still allows', async () => {
    const first = await service.seedToken({ workflow, scopes: ['repo:read', 'codex:exec'] });
    await policy({ allowed_scopes: ['codex:*'] });
    const next = await rotate(first.id);
    expect(next.scopes).toEqual(['codex:exec']);
    await policy({ allowed_scopes: ['repo:*', 'codex:*'] });
    expect((await rotate(next.id)).scopes).toEqual(['codex:exec']);
  });

  it('its constraints: those of both, never wider than before', async () => {
    const first = await service.seedToken({ workflow, constraints: { repositories: ['acme/*'] } });
    await policy({ constraints: { repositories: ['acme/shop', 'acme/site'], refs: ['refs/heads/*'] } });
    const next = await rotate(first.id);
    expect(next.constraints).toEqual({ repositories: ['acme/shop', 'acme/site'], refs: ['refs/heads/*'] });
    await policy({ constraints: {} });
    expect((await rotate(next.id)).constraints).toEqual(next.constraints);
  });

  it.each([
    ['scope', { allowed_scopes: ['deploy:*'] }],
    ['repository', { constraints: { repositories: ['other/*'] } }],
  ])('when it leaves no %s, nothing is made: 409', async (_, change) => {
    const first = await service.seedToken({ workflow, constraints: { repositories: ['acme/*'] } });
    await policy(change);
    expect((await conflictOf(first.id)).status).toBe(409);
    expect((await show(first.id)).rotated_to).toBeNull();
  });
});

describe('a superseded secret', () => {
  it('is refused everywhere, and its use is on record once an hour', async () => {
    const first = await service.seedToken({ scopes: ['tokens:rotate', 'tokens:read'] });
    const next = await rotate(first.id, { overlap_seconds: 0 });
    expect(await isActive(first.token)).toBe(false);
    expect(await isAlive(first.token)).toBe(false);
    const check = await service.client().execChecks.check({ token: first.token, workflow: 'nightly' });
    expect(check).toMatchObject({ decision: 'deny', token: { active: false } });
    await Promise.all([1, 2, 3, 4].map(() => isAlive(first.token)));
    const reused = () => service.client().auditEvents({ target: first.id, action: 'token.reused' });
    expect((await reused()).data).toHaveLength(1);
    expect((await reused()).data[0]).toMatchObject({ ip: '192.0.2.1', actor: { type: 'token', id: first.id } });
    service.clock.advance(HOUR + 1);
    await isAlive(first.token);
    expect((await reused()).data).toHaveLength(2);
    expect(await isActive(next.token)).toBe(true);
  });

  it('is not alarming as a wrong secret: only who holds it rings the bell', async () => {
    const first = await service.seedToken();
    await rotate(first.id, { overlap_seconds: 0 });
    const other = await service.seedToken();
    const forged = printToken({ ...halvesOf(first.token), tokenSecret: halvesOf(other.token).tokenSecret });
    expect(await isActive(forged)).toBe(false);
    expect((await service.client().auditEvents({ target: first.id, action: 'token.reused' })).data).toEqual([]);
  });
});
