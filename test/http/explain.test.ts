import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { printId } from '../../src/rules/format.js';
import type { Explanation } from '../../src/wire/resources.js';
import { createTestService, type TestService } from '../setup/service.js';
import { fault, raw } from './raw.js';

let service: TestService;
let start: number;
beforeAll(async () => {
  service = await createTestService();
  await service.makeWorkflow('nightly');
  start = service.clock.now().getTime();
});
afterAll(() => service.close());

const HOUR = 3_600;
const at = (seconds: number) => new Date(start + seconds * 1000).toISOString();
const me = () => printId('mem', service.owner.member.id);
const explain = (id: string, when?: string) => service.client().tokens.explain(id, when);
const facts = (explanation: Explanation) => explanation.facts.map((fact) => fact.fact);

describe('explaining a token', () => {
  it('says the state at a time and each fact that led to it: who, when, why', async () => {
    const { id } = await service.seedToken();
    const born = service.clock.now().toISOString();
    service.clock.advance(60);
    await service.client().tokens.revoke(id, { reason: 'leaked', note: 'printed in a build log' });
    const now = await explain(id);
    expect(now).toMatchObject({ id, at: service.clock.now().toISOString(), status: 'revoked' });
    expect(now.summary).toContain('revoked');
    expect(now.facts).toMatchObject([
      { at: born, fact: 'token.minted', by: me(), reason: null },
      { at: service.clock.now().toISOString(), fact: 'token.revoked', by: me(), reason: 'leaked' },
    ]);
    expect(now.facts.at(-1)?.detail).toContain('printed in a build log');
    const { data } = await service.client().auditEvents({ target: id });
    expect(now.facts.map((fact) => fact.event_id)).toEqual(data.map((event) => event.id));
    expect(await explain(id, born)).toMatchObject({ status: 'active', at: born });
    expect(facts(await explain(id, born))).toEqual(['token.minted']);
  });

  it('agrees with what is shown, all along a life', async () => {
    const other = await createTestService();
    try {
      await other.makeWorkflow('nightly');
      await other.makeWorkflow('admins');
      const admin = await other.seedToken({ workflow: 'admins', scopes: ['workspace:admin'], expires_in_days: 90 });
      const client = other.client(admin.token);
      const maker = await other.makeMember('member');
      const later = new Date(other.clock.now().getTime() + HOUR * 1000).toISOString();
      const minted = await other.client(maker.token).tokens.mint({
        workflow: 'nightly',
        scopes: ['repo:read'],
        expires_in_days: 7,
        not_before: later,
      });
      let successor = '';
      const steps: [string, number, () => Promise<unknown>][] = [
        ['not_yet_valid', 60, async () => undefined],
        ['active', HOUR - 60, async () => undefined],
        ['suspended', 60, () => client.workflows.pause('nightly')],
        ['active', 60, () => client.workflows.resume('nightly')],
        ['suspended', 60, () => client.members.suspend(maker.id)],
        ['active', 60, () => client.members.reactivate(maker.id)],
        [
          'rotating',
          60,
          async () => {
            successor = (await client.tokens.rotate(minted.id, { drain_seconds: 120 })).token;
          },
        ],
        ['rotating', 60, () => client.introspect(successor)],
        ['rotating', 119, async () => undefined],
        ['superseded', 1, async () => undefined],
        ['expired', 7 * 86_400, async () => undefined],
        ['revoked', 60, () => client.tokens.revoke(minted.id, { reason: 'other' })],
      ];
      const history: [string, string][] = [];
      for (const [status, seconds, act] of steps) {
        other.clock.advance(seconds);
        await act();
        expect([status, (await client.tokens.show(minted.id)).status]).toEqual([status, status]);
        expect([status, (await client.tokens.explain(minted.id)).status]).toEqual([status, status]);
        history.push([other.clock.now().toISOString(), status]);
      }
      // The past is told as it was, whatever has happened since.
      for (const [when, status] of history) {
        expect([when, (await client.tokens.explain(minted.id, when)).status]).toEqual([when, status]);
      }
      const told = (await client.tokens.explain(minted.id)).facts;
      expect(told.map((fact) => fact.fact)).toEqual([
        'token.minted',
        'token.not_before',
        'workflow.paused',
        'workflow.resumed',
        'member.suspended',
        'member.reactivated',
        'token.rotated',
        'token.drain_started',
        'token.overlap_ends',
        'token.expires',
        'token.revoked',
      ]);
      expect([...told].sort((a, b) => Date.parse(a.at) - Date.parse(b.at))).toEqual(told);
      expect(told.filter((fact) => fact.event_id === null).map((fact) => fact.by)).toEqual([null, null, null]);
    } finally {
      await other.close();
    }
  });

  it('tells of a hand-over and of reuse', async () => {
    const keeper = await service.makeMember('member');
    const { id, token } = await service.seedToken();
    await service.client().tokens.transfer(id, { owner_id: keeper.id });
    await service.client().tokens.rotate(id, { overlap_seconds: 0 });
    await raw(service, 'GET', '/v1/me', { token });
    const explanation = await explain(id);
    expect(facts(explanation)).toEqual(expect.arrayContaining(['token.transferred', 'token.rotated', 'token.reused']));
    expect(explanation.status).toBe('superseded');
    expect(explanation.facts.find((fact) => fact.fact === 'token.transferred')?.detail).toContain(keeper.id);
  });

  it('leaves out what happened to its workflow before it was made', async () => {
    await service.makeWorkflow('older');
    await service.client().workflows.pause('older');
    await service.client().workflows.resume('older');
    service.clock.advance(1);
    const { id } = await service.seedToken({ workflow: 'older' });
    expect(facts(await explain(id))).toEqual(['token.minted']);
  });

  it('of a time to come goes by the clock alone', async () => {
    const { id } = await service.seedToken({ expires_in_days: 7 });
    const { expires_at } = await service.client().tokens.show(id);
    expect((await explain(id, new Date(Date.parse(expires_at) - 1).toISOString())).status).toBe('active');
    expect(await explain(id, expires_at)).toMatchObject({ status: 'expired' });
  });

  it('of the removed creator says who removed them', async () => {
    const maker = await service.makeMember('member');
    const minted = await service
      .client(maker.token)
      .tokens.mint({ workflow: 'nightly', scopes: ['repo:read'], expires_in_days: 7 });
    service.clock.advance(1);
    await service.client().members.remove(maker.id);
    const explanation = await explain(minted.id);
    expect(explanation.status).toBe('revoked');
    expect(facts(explanation)).toEqual(['token.minted', 'token.revoked', 'member.removed']);
    expect(explanation.summary).toContain(me());
  });

  it('takes a time with an offset, and refuses what is none or lies before the token', async () => {
    const { id } = await service.seedToken();
    const path = `/v1/tokens/${id}/explain`;
    const local = encodeURIComponent('2999-01-01T00:00:00+02:00');
    expect((await raw(service, 'GET', `${path}?at=${local}`)).json.at).toBe('2998-12-31T22:00:00.000Z');
    for (const query of ['at=yesterday', 'at=', `at=${at(-1)}`, 'at=2026-01-01', `at=${at(0)}&at=${at(0)}`]) {
      expect(fault(await raw(service, 'GET', `${path}?${query}`))).toEqual({ status: 422, at: ['#/at'] });
    }
    expect(fault(await raw(service, 'GET', `${path}?when=now`))).toEqual({ status: 422, at: ['#/when'] });
  });

  it('needs tokens:read', async () => {
    const { id, token } = await service.seedToken();
    expect((await raw(service, 'GET', `/v1/tokens/${id}/explain`, { token })).status).toBe(403);
    const reader = await service.seedToken({ scopes: ['tokens:read'] });
    expect((await service.client(reader.token).tokens.explain('self')).id).toBe(reader.id);
  });
});
