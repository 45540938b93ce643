import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parsePublicId } from '../../src/rules/format.js';
import { everyPage } from '../../src/sdk/index.js';
import type { ReportKind } from '../../src/wire/resources.js';
import { type Leaving, type Person, peopleOf } from '../setup/leaving.js';
import { send } from '../setup/request.js';
import { createTestService, type TestService } from '../setup/service.js';

let service: TestService;
let people: Leaving;
beforeAll(async () => {
  service = await createTestService();
  people = await peopleOf(service);
});
afterAll(() => service.close());

const DAY = 86_400;

/** What a report says to an owner of the tokens of a workflow: their ids with the codes of why. */
async function reported(kind: ReportKind, workflow: string, days?: number): Promise<Record<string, string>> {
  const found: [string, string][] = [];
  for await (const token of everyPage((cursor) => people.client.reports.tokens({ kind, days, cursor, limit: 200 }))) {
    if (token.workflow === workflow) found.push([token.id, token.why.map(({ code }) => code).join()]);
  }
  return Object.fromEntries(found);
}

describe('the report of tokens without an owner', () => {
  test('lists what goes on although who is accountable has left', async () => {
    const maker = await people.makeMaker();
    const keeper = await people.makePerson();
    const ended = await people.mint(maker, maker.label);
    for (const id of [maker.tokenId, ended.id]) await people.client.tokens.transfer(id, { owner_id: keeper.id });
    await people.client.tokens.revoke(ended.id, { reason: 'unused' });
    expect(await reported('ownerless', maker.label)).toEqual({});
    await people.go(keeper, 'left');
    expect(await reported('ownerless', maker.label)).toEqual({ [maker.tokenId]: 'owner_not_active' });
    expect(await people.isActive(maker.token)).toBe(true);
    const { data } = await people.client.reports.tokens({ kind: 'ownerless' });
    expect(data.find(({ id }) => id === maker.tokenId)?.why).toEqual([
      { code: 'owner_not_active', detail: 'its owner is suspended' },
    ]);
    await people.go(keeper, 'removed');
    expect(await reported('ownerless', maker.label)).toEqual({ [maker.tokenId]: 'owner_not_active' });
    await people.client.tokens.transfer(maker.tokenId, { owner_id: maker.id });
    expect(await reported('ownerless', maker.label)).toEqual({});
  });

  test('lists frozen tokens, for somebody has to decide about them', async () => {
    const maker = await people.makeMaker({ rule: 'freeze' });
    await people.go(maker, 'left');
    expect(Object.keys(await reported('ownerless', maker.label))).toEqual([maker.tokenId]);
  });
});

test('the report of unused tokens counts from the last use, or else from when they could be used', async () => {
  const maker = await people.makeMaker();
  const own = service.client(maker.signIn);
  const request = { workflow: maker.label, scopes: ['repo:read'], expires_in_days: 90 };
  const used = await own.tokens.mint(request);
  const later = new Date(service.clock.now().getTime() + 3 * DAY * 1000).toISOString();
  const notYet = await own.tokens.mint({ ...request, not_before: later });
  service.clock.advance(5 * DAY);
  await people.client.introspect(used.token);
  expect(await reported('unused', maker.label, 4)).toEqual({ [maker.tokenId]: 'unused' });
  expect(Object.keys(await reported('unused', maker.label, 2)).sort()).toEqual([maker.tokenId, notYet.id].sort());
  expect(await reported('unused', maker.label)).toEqual({});
  service.clock.advance(26 * DAY);
  // The first has expired by now.
  expect(Object.keys(await reported('unused', maker.label)).sort()).toEqual([]);
  service.clock.advance(5 * DAY);
  expect(Object.keys(await reported('unused', maker.label)).sort()).toEqual([used.id, notYet.id].sort());
  const { data } = await people.client.reports.tokens({ kind: 'unused', days: 1, limit: 200 });
  const details = data.flatMap(({ id, why }) => (id === used.id ? why.map(({ detail }) => detail) : []));
  expect(details).toEqual(['last used 31 days ago']);
});

test('the report of tokens that end soon has those without a successor', async () => {
  const maker = await people.makeMaker();
  const own = service.client(maker.signIn);
  const request = { workflow: maker.label, scopes: ['repo:read'], expires_in_days: 7 };
  const [soon, rotated, short] = await Promise.all([1, 2, 3].map(() => own.tokens.mint(request)));
  const successor = await own.tokens.rotate(rotated?.id ?? '', { expires_in_days: 90 });
  await service.db.sql`update tokens set expires_in_days = 0 where id = ${parsePublicId('tok', short?.id ?? '') ?? ''}`;
  expect(await reported('expiring', maker.label, 6)).toEqual({});
  expect(await reported('expiring', maker.label, 7)).toEqual({ [soon?.id ?? '']: 'expiring' });
  const month = await reported('expiring', maker.label);
  expect(Object.keys(month).sort()).toEqual([soon?.id, maker.tokenId].sort());
  expect(month).not.toHaveProperty(successor.id);
});

test('the report of what is more than the policies of today allow names each fault', async () => {
  const maker = await people.makeMaker(null, { constraints: { repositories: ['acme/*'] } });
  expect(await reported('beyond_policy', maker.label)).toEqual({});
  const narrow = {
    allowed_scopes: ['codex:exec'],
    allowed_expiry_days: [7],
    constraints: { repositories: ['acme/shop'] },
  };
  await people.client.workflows.put(maker.label, narrow);
  const all = 'workflow_scopes,workflow_expiry_days,workflow_constraints';
  expect(await reported('beyond_policy', maker.label)).toEqual({ [maker.tokenId]: all });
  await people.client.workflows.put(maker.label, { ...narrow, allowed_scopes: ['repo:*'], allowed_expiry_days: [60] });
  expect(await reported('beyond_policy', maker.label)).toEqual({ [maker.tokenId]: 'workflow_constraints' });
  await people.client.workflows.put(maker.label, { allowed_scopes: ['repo:*'] });
  const token = await steward();
  const set = (policy: object) => send(service, 'PUT', '/v1/policy', { json: policy, token });
  await set({ enforcement: 'report', longest_expiry_days: 7, required_constraints: ['refs'] });
  const beyond = 'longest_expiry_days,required_constraints';
  expect(await reported('beyond_policy', maker.label)).toEqual({ [maker.tokenId]: beyond });
  await set({ enforcement: 'report' });
  expect(await reported('beyond_policy', maker.label)).toEqual({});
});

describe('a report', () => {
  const kinds = ['ownerless', 'unused', 'beyond_policy', 'expiring'] as const;

  test('shows a member what is its own, and nothing of another workspace', async () => {
    const maker = await people.makeMaker();
    const [other, auditor] = [await people.makePerson(), await people.makePerson('auditor')];
    const foreign = await service.makeWorkspace('elsewhere');
    const seenBy = async (person: Pick<Person, 'signIn'>) => {
      const { data } = await service.client(person.signIn).reports.tokens({ kind: 'expiring', limit: 200 });
      return data.map(({ id }) => id).filter((id) => id === maker.tokenId);
    };
    expect(await seenBy(maker)).toEqual([maker.tokenId]);
    expect(await seenBy(auditor)).toEqual([maker.tokenId]);
    expect(await seenBy(other)).toEqual([]);
    expect(await seenBy({ signIn: foreign.printed })).toEqual([]);
    // Who is accountable sees it too.
    await people.client.tokens.transfer(maker.tokenId, { owner_id: other.id });
    expect(await seenBy(other)).toEqual([maker.tokenId]);
  });

  test.each(kinds)('%s has no sign-in tokens, and its pages together have all, once, in order', async (kind) => {
    const maker = await people.makeMaker();
    for (let count = 0; count < 3; count += 1) await people.mint(maker, maker.label);
    service.clock.advance(2 * DAY);
    await people.client.workflows.put(maker.label, { allowed_scopes: ['codex:*'] });
    if (kind === 'ownerless') await people.go(maker, 'left');
    const days = kind === 'unused' ? 1 : undefined;
    const ids: string[] = [];
    const workflows = new Set<string>();
    for await (const token of everyPage((cursor) => people.client.reports.tokens({ kind, days, limit: 1, cursor }))) {
      workflows.add(token.workflow);
      if (token.workflow === maker.label) ids.push(token.id);
    }
    expect(workflows).not.toContain('countersign');
    // Those that were made first end first.
    expect(ids).toEqual(kind === 'expiring' ? [...new Set(ids)].sort() : [...new Set(ids)].sort().reverse());
    expect(ids).toHaveLength(4);
  });

  test('expiring has the soonest first, of several that end at once all', async () => {
    const maker = await people.makeMaker();
    const own = service.client(maker.signIn);
    const mint = (days: number) =>
      own.tokens.mint({ workflow: maker.label, scopes: ['repo:read'], expires_in_days: days });
    const made = [await mint(60), await mint(7), await mint(30), await mint(7), await mint(7)];
    const asked = (cursor: string | undefined) => own.reports.tokens({ kind: 'expiring', days: 366, limit: 1, cursor });
    const found: { id: string; expires_at: string }[] = [];
    for await (const token of everyPage(asked)) if (token.id !== maker.tokenId) found.push(token);
    expect(found.map(({ expires_at }) => expires_at)).toEqual(made.map(({ expires_at }) => expires_at).sort());
    expect(found.map(({ id }) => id).sort()).toEqual(made.map(({ id }) => id).sort());
  });

  test.each([
    '',
    '?kind=stale',
    '?kind=unused&days=0',
    '?kind=unused&days=367',
    '?kind=ownerless&days=7',
    '?kind=beyond_policy&days=7',
    '?kind=unused&workflow=nightly',
    '?kind=unused&cursor=bm9uZQ',
    `?kind=unused&cursor=${Buffer.from('tokens:tok_0000000000000000000000').toString('base64url')}`,
    `?kind=unused&cursor=${Buffer.from('report-expiring:1.tok_0000000000000000000000').toString('base64url')}`,
    ...[
      'tok_0000000000000000000000',
      '1.tok_0',
      'x.tok_0000000000000000000000',
      `${'9'.repeat(15)}.tok_${'0'.repeat(22)}`,
    ]
      .map((place) => `report-expiring:${place}`)
      .map((place) => `?kind=expiring&cursor=${Buffer.from(place).toString('base64url')}`),
  ])('%s is refused', async (query) => {
    expect((await send(service, 'GET', `/v1/reports/tokens${query}`, { token: await steward() })).status).toBe(422);
  });
});

/** The sign-in token of the first owner has expired when the clock went on for weeks. */
async function steward(): Promise<string> {
  return (await people.makePerson('owner')).signIn;
}
