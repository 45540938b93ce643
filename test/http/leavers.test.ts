import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Departure } from '../../src/rules/departure.js';
import { newId, parsePublicId, parseToken, printId } from '../../src/rules/format.js';
import { addDays } from '../../src/rules/lifetime.js';
import { inTransaction } from '../../src/store/database.js';
import { findSession, startSession } from '../../src/store/sessions.js';
import { recoverMember } from '../../src/store/workspaces.js';
import type { Leaver } from '../../src/wire/resources.js';
import { type Leaving, peopleOf } from '../setup/leaving.js';
import { send } from '../setup/request.js';
import { createTestService, type TestService } from '../setup/service.js';

let service: TestService;
let people: Leaving;
let serial = 0;
beforeAll(async () => {
  service = await createTestService();
  people = await peopleOf(service);
});
afterAll(() => service.close());

const statusOf = async (id: string) => (await people.client.tokens.show(id)).status;

describe('without a leaver rule', () => {
  test('a suspension holds tokens back while it lasts', async () => {
    const person = await people.makeMaker();
    await people.go(person, 'suspended');
    expect(await people.isActive(person.token)).toBe(false);
    await people.client.members.reactivate(person.id);
    expect(await people.isActive(person.token)).toBe(true);
    expect(await people.isActive(person.signIn)).toBe(true);
    expect(await people.trailOf(person.tokenId)).toEqual(['token.minted']);
  });

  test('what belongs to who has left stays frozen when the person comes back', async () => {
    const person = await people.makeMaker();
    await people.go(person, 'left');
    expect(await statusOf(person.tokenId)).toBe('suspended');
    await people.client.members.reactivate(person.id);
    expect(await people.isActive(person.token)).toBe(false);
    expect(await statusOf(person.tokenId)).toBe('suspended');
    expect(await people.isActive(person.signIn)).toBe(false);
    const explained = await people.client.tokens.explain(person.tokenId);
    expect(explained.status).toBe('suspended');
    expect(explained.summary).toMatch(/^suspended since .*: frozen, because its creator is gone by provider$/);
    expect(await people.trailOf(person.id)).toContain('member.suspended');
  });

  test('to leave goes beyond a suspension, and once is enough', async () => {
    const person = await people.makeMaker();
    await people.go(person, 'suspended');
    await people.go(person, 'left');
    await people.go(person, 'left');
    await people.client.members.reactivate(person.id);
    expect(await people.isActive(person.token)).toBe(false);
    expect(await people.trailOf(person.tokenId)).toEqual(['token.minted', 'token.frozen']);
    expect((await people.trailOf(person.id)).filter((action) => action === 'member.suspended')).toHaveLength(2);
  });

  test('a removal revokes', async () => {
    const person = await people.makeMaker();
    await people.go(person, 'removed');
    expect(await statusOf(person.tokenId)).toBe('revoked');
  });
});

describe('the leaver rule of a workflow', () => {
  const put = async (leaver: unknown) => {
    const answer = await send(service, 'PUT', `/v1/workflows/ruled-${++serial}`, { json: { leaver } });
    return { status: answer.status, leaver: answer.body['leaver'], errors: answer.body['errors'] };
  };

  test('is shown as it was set, and none unless it is', async () => {
    const successor = await service.makeMember('member');
    const rules: (Leaver | null)[] = [
      null,
      { rule: 'freeze' },
      { rule: 'revoke' },
      { rule: 'transfer', successor_id: successor.id, window_days: 30 },
    ];
    for (const leaver of rules) expect(await put(leaver)).toMatchObject({ status: 201, leaver });
    const { workflows } = people.client;
    expect(await workflows.put('unruled', {})).toMatchObject({ leaver: null });
    const changed = await workflows.put('unruled', { leaver: { rule: 'freeze' } });
    expect(await workflows.put('unruled', { leaver: { rule: 'freeze' } })).toEqual(changed);
    const events = (await people.client.auditEvents({ target: changed.id })).data;
    expect(events.map(({ action, data }) => [action, data['leaver']])).toEqual([
      ['workflow.created', null],
      ['workflow.updated', { rule: 'freeze' }],
    ]);
  });

  test('names a member who could hold a token, and stays when that one has gone', async () => {
    const auditor = await service.makeMember('auditor');
    const gone = await service.makeMember('member');
    await people.client.members.suspend(gone.id);
    const foreign = await service.makeWorkspace(`foreign-${++serial}`);
    const nobody = printId('mem', newId('mem', service.clock.now()));
    for (const id of [auditor.id, gone.id, printId('mem', foreign.member.id), nobody, `mem_${'z'.repeat(22)}`]) {
      const refused = await put({ rule: 'transfer', successor_id: id, window_days: 7 });
      expect(refused).toMatchObject({ status: 422, errors: [{ pointer: '#/leaver/successor_id' }] });
    }
    const successor = await service.makeMember('member');
    const leaver = { rule: 'transfer', successor_id: successor.id, window_days: 7 } as const;
    await service.makeWorkflow('handed-on', { leaver });
    await people.client.members.suspend(successor.id);
    const described = await people.client.workflows.put('handed-on', { leaver, description: 'as it was' });
    expect(described).toMatchObject({ description: 'as it was', leaver });
    const longer = { ...leaver, window_days: 8 };
    await expect(people.client.workflows.put('handed-on', { leaver: longer })).rejects.toMatchObject({
      status: 422,
    });
  });

  test.each([
    {},
    { rule: 'keep' },
    { rule: 'freeze', window_days: 7 },
    { rule: 'transfer' },
    { rule: 'transfer', successor_id: 'ada@example.com', window_days: 7 },
    { rule: 'transfer', successor_id: printId('mem', newId('mem', new Date())), window_days: 0 },
    { rule: 'transfer', successor_id: printId('mem', newId('mem', new Date())), window_days: 31 },
    { rule: 'transfer', successor_id: printId('mem', newId('mem', new Date())), window_days: 1.5 },
    'freeze',
  ])('is not %j', async (leaver) => {
    expect((await put(leaver)).status).toBe(422);
  });
});

describe('by its rule', () => {
  const transfer = async () => {
    const { id } = await service.makeMember('member');
    return { rule: 'transfer', successor_id: id, window_days: 7 } as const;
  };
  const ruleOf = async (rule: Leaver['rule']): Promise<Leaver> => (rule === 'transfer' ? transfer() : { rule });

  test.each<[Leaver['rule'], Departure, string, string]>([
    ['freeze', 'suspended', 'suspended', 'token.frozen'],
    ['freeze', 'left', 'suspended', 'token.frozen'],
    ['freeze', 'removed', 'revoked', 'token.revoked'],
    ['revoke', 'suspended', 'revoked', 'token.revoked'],
    ['revoke', 'left', 'revoked', 'token.revoked'],
    ['revoke', 'removed', 'revoked', 'token.revoked'],
    ['transfer', 'suspended', 'suspended', 'token.frozen'],
    ['transfer', 'left', 'suspended', 'token.frozen'],
    ['transfer', 'removed', 'revoked', 'token.frozen,token.revoked'],
  ])('%s, a token of who is %s is %s for good', async (rule, departure, status, events) => {
    const leaver = await ruleOf(rule);
    const person = await people.makeMaker(leaver);
    const check = await people.client.execChecks.check({ token: person.token, workflow: person.label });
    const watched = people.client.execChecks.watch(check.check_id);
    await watched.next();
    await people.go(person, departure);
    const told: string[] = [];
    for await (const event of watched) told.push(event.type);
    // The first that it hears: the person is out and the token is, both at once.
    expect(told.at(-1)).toBe(status);
    const shown = await people.client.tokens.show(person.tokenId);
    expect(shown.status).toBe(status);
    const offered = leaver.rule === 'transfer' ? leaver : undefined;
    expect(shown.takeover_by).toBe(offered?.successor_id ?? null);
    const until = addDays(service.clock.now(), 7).toISOString();
    expect(shown.takeover_until).toBe(offered ? until : null);
    if (status === 'revoked') expect(shown.revoked_reason).toBe('owner_left');
    if (departure !== 'removed') await people.client.members.reactivate(person.id);
    expect(await people.isActive(person.token)).toBe(false);
    expect((await people.trailOf(person.tokenId)).slice(1).join()).toBe(events);
    // A sign-in token is held back by a suspension and ends with everything else.
    expect(await people.isActive(person.signIn)).toBe(departure === 'suspended');
  });

  test('transfer, a window that is open goes on as it is, whatever comes after', async () => {
    const person = await people.makeMaker(await transfer());
    await people.go(person, 'suspended');
    const before = await people.client.tokens.show(person.tokenId);
    service.clock.advance(86_400);
    await people.go(person, 'left');
    await people.client.workflows.put(person.label, { leaver: { rule: 'freeze' } });
    await people.go(person, 'removed');
    const { takeover_by, takeover_until, frozen_at } = await people.client.tokens.show(person.tokenId);
    expect({ takeover_by, takeover_until, frozen_at }).toEqual({
      takeover_by: before.takeover_by,
      takeover_until: before.takeover_until,
      frozen_at: before.frozen_at,
    });
  });

  test('transfer, nobody takes over from oneself', async () => {
    const person = await people.makeMaker();
    await people.client.workflows.put(person.label, {
      allowed_scopes: ['repo:*'],
      leaver: { rule: 'transfer', successor_id: person.id, window_days: 7 },
    });
    await people.go(person, 'left');
    expect(await people.client.tokens.show(person.tokenId)).toMatchObject({
      status: 'suspended',
      takeover_by: null,
    });
  });

  test('a revocation by hand ends the offer', async () => {
    const person = await people.makeMaker(await transfer());
    await people.go(person, 'left');
    const revoked = await people.client.tokens.revoke(person.tokenId, { reason: 'leaked' });
    expect(revoked).toMatchObject({ status: 'revoked', takeover_by: null, takeover_until: null });
  });

  test('a token that has expired is left as it is', async () => {
    const person = await people.makeMaker({ rule: 'freeze' });
    const expiresAt = service.clock.now().toISOString();
    await service.db
      .sql`update tokens set expires_at = ${expiresAt} where id = ${parsePublicId('tok', person.tokenId) ?? ''}`;
    await people.go(person, 'left');
    expect(await people.client.tokens.show(person.tokenId)).toMatchObject({ status: 'expired', frozen_at: null });
  });

  test('a token that was handed over goes with its creator, and not with its owner', async () => {
    const person = await people.makeMaker({ rule: 'freeze' });
    const keeper = await service.makeMember('member');
    await people.client.tokens.transfer(person.tokenId, { owner_id: keeper.id });
    await people.go(keeper, 'left');
    expect(await people.isActive(person.token)).toBe(true);
    await people.go(person, 'left');
    expect(await people.isActive(person.token)).toBe(false);
  });
});

describe('a frozen token', () => {
  test('is neither rotated nor minted again, and a transfer does not thaw it', async () => {
    const other = await people.makeMaker();
    const person = await service.makeMember('member');
    const client = service.client(person.token);
    const request = { workflow: other.label, scopes: ['repo:read'], expires_in_days: 30 };
    const minted = await client.tokens.mint(request, 'once');
    const first = await client.tokens.mint(request);
    const next = await client.tokens.rotate(first.id, { overlap_seconds: 0 });
    await people.go(person, 'left');
    const { email } = await people.client.members.reactivate(person.id);
    const { db, secrets, owner } = { ...service, db: service.db.db };
    const again = await recoverMember(db, secrets, owner.workspace, email, service.clock.now());
    if (!again.ok) throw new Error('not recovered');
    const back = service.client(again.value.printed);
    for (const frozen of [minted.id, first.id, next.id]) {
      await expect(back.tokens.rotate(frozen)).rejects.toMatchObject({ status: 409 });
    }
    await expect(back.tokens.mint(request, 'once')).rejects.toMatchObject({ status: 409 });
    expect((await people.client.tokens.transfer(minted.id, { owner_id: other.id })).status).toBe('suspended');
    expect(await people.isActive(minted.token)).toBe(false);
    expect(await people.isActive(next.token)).toBe(false);
    // What the person mints from now on is good.
    expect(await people.isActive((await back.tokens.mint(request)).token)).toBe(true);
  });

  test('opens no endpoint and starts no job', async () => {
    const person = await people.makeMaker();
    await people.go(person, 'left');
    await people.client.members.reactivate(person.id);
    await expect(service.client(person.token).me()).rejects.toMatchObject({ status: 401 });
    const asked = { token: person.token, workflow: person.label };
    expect(await people.client.execChecks.check(asked)).toMatchObject({
      decision: 'deny',
      token: { active: false },
    });
  });

  test('ends the work under way under it', async () => {
    const person = await people.makeMaker();
    const check = await people.client.execChecks.check({ token: person.token, workflow: person.label });
    const events = people.client.execChecks.watch(check.check_id);
    expect((await events.next()).value).toEqual({ type: 'alive' });
    await people.go(person, 'left');
    const told: string[] = [];
    for await (const event of events) told.push(event.type);
    expect(told.at(-1)).toBe('suspended');
    await people.client.members.reactivate(person.id);
    await expect(people.client.runs.renew(check.run_id ?? '')).rejects.toMatchObject({ status: 409 });
  });
});

describe('who goes', () => {
  test.each<Departure>(['suspended', 'left', 'removed'])('as %s is signed out at once', async (departure) => {
    const person = await people.makeMaker();
    const memberId = parsePublicId('mem', person.id);
    if (memberId === undefined) throw new Error('malformed');
    const workspaceId = service.owner.workspace.id;
    const draft = { workspaceId, memberId, method: 'passkey' } as const;
    const { id, printed } = await inTransaction(service.db.db, (tx) =>
      startSession(tx, service.secrets, draft, { actorType: 'system', actorId: 'test' }, service.clock.now()),
    );
    const cookie = parseToken(printed);
    if (cookie === undefined) throw new Error('malformed');
    const find = () =>
      findSession(service.db.db, service.secrets, { id, cookieSecret: cookie.tokenSecret }, service.clock.now());
    expect((await find())?.session.id).toBe(id);
    await people.go(person, departure);
    if (departure !== 'removed') await people.client.members.reactivate(person.id);
    expect(await find()).toBeUndefined();
    expect(await people.trailOf(person.id)).toContain('session.ended');
  });
});
