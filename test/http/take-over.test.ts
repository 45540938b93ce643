import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newId, parsePublicId, printId } from '../../src/rules/format.js';
import { ProblemError } from '../../src/sdk/index.js';
import { endLapsedOffers } from '../../src/store/lapsed-offers.js';
import type { MintedToken, WorkflowRequest } from '../../src/wire/resources.js';
import { type Leaving, type Maker, type Person, peopleOf } from '../setup/leaving.js';
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

/** A maker whose token somebody else may take over from the maker's leaving on. */
async function makePair(workflow?: WorkflowRequest): Promise<{ maker: Maker; successor: Person }> {
  const successor = await people.makePerson();
  const leaver = { rule: 'transfer', successor_id: successor.id, window_days: 1 } as const;
  return { maker: await people.makeMaker(leaver, workflow), successor };
}

async function makeOffer(workflow?: WorkflowRequest) {
  const pair = await makePair(workflow);
  await people.go(pair.maker, 'left');
  return pair;
}

const takeOver = (person: Pick<Person, 'signIn'>, id: string) => service.client(person.signIn).tokens.takeOver(id);

/** The status of what was refused; 201 for what was not. */
async function answerOf(attempt: Promise<MintedToken>): Promise<number> {
  try {
    await attempt;
    return 201;
  } catch (error) {
    if (error instanceof ProblemError) return error.status;
    throw error;
  }
}

const refusedAs = (code: string) => ({ status: 409, problem: expect.objectContaining({ code }) });

describe('a take-over', () => {
  test('makes a token of the successor, as wide and no longer, and ends the old one', async () => {
    const { maker, successor } = await makeOffer();
    const before = await people.client.tokens.show(maker.tokenId);
    const taken = await takeOver(successor, maker.tokenId);
    expect(taken).toMatchObject({
      creator: { id: successor.id },
      owner: { id: successor.id },
      workflow: maker.label,
      scopes: before.scopes,
      constraints: before.constraints,
      expires_at: before.expires_at,
      status: 'active',
      lineage_id: taken.id,
      rotated_from: null,
      frozen_at: null,
      takeover_by: null,
    });
    expect([await people.isActive(taken.token), await people.isActive(maker.token)]).toEqual([true, false]);
    expect(await people.client.tokens.show(maker.tokenId)).toMatchObject({
      status: 'revoked',
      revoked_reason: 'owner_left',
      creator: { id: maker.id },
      owner: { id: successor.id },
      takeover_by: null,
    });
    expect(await people.trailOf(maker.tokenId)).toEqual([
      'token.minted',
      'token.frozen',
      'token.revoked',
      'token.taken_over',
    ]);
    const { data } = await people.client.auditEvents({ target: maker.tokenId, action: 'token.taken_over' });
    expect(data[0]).toMatchObject({
      actor: { type: 'member', id: successor.id },
      data: { from: maker.id, by: successor.id, successor: taken.id },
    });
    const explained = await people.client.tokens.explain(taken.id);
    expect(explained.facts[0]?.detail).toContain(`minted to take over ${maker.tokenId}`);
  });

  test('is done once, and after a lost answer the new token is there to be rotated', async () => {
    const { maker, successor } = await makeOffer();
    await takeOver(successor, maker.tokenId);
    await expect(takeOver(successor, maker.tokenId)).rejects.toMatchObject(refusedAs('takeover_state'));
    const own = service.client(successor.signIn);
    const [lost] = (await own.tokens.list({ workflow: maker.label, creator: successor.id })).data;
    const rotated = await own.tokens.rotate(lost?.id ?? '', { overlap_seconds: 0 });
    expect(await people.isActive(rotated.token)).toBe(true);
  });

  test('is the named successor’s, and nobody else’s', async () => {
    const { maker, successor } = await makeOffer();
    const [other, admin, auditor] = await Promise.all([
      people.makePerson(),
      people.makePerson('admin'),
      people.makePerson('auditor'),
    ]);
    expect(await answerOf(takeOver(other, maker.tokenId))).toBe(404);
    expect(await answerOf(takeOver(admin, maker.tokenId))).toBe(403);
    expect(await answerOf(takeOver(auditor, maker.tokenId))).toBe(403);
    expect(await answerOf(people.client.tokens.takeOver(maker.tokenId))).toBe(403);
    const foreign = await service.makeWorkspace(`foreign-${maker.label}`);
    expect(await answerOf(takeOver({ signIn: foreign.printed }, maker.tokenId))).toBe(404);
    const nothing = printId('tok', newId('tok', service.clock.now()));
    expect(await answerOf(takeOver(successor, nothing))).toBe(404);
    // Its creator is back, and sees it.
    await people.client.members.reactivate(maker.id);
    const again = await people.client.members.show(maker.id);
    expect(again.status).toBe('active');
    expect(await answerOf(takeOver(maker, maker.tokenId))).toBe(401);
    expect(await answerOf(takeOver(successor, maker.tokenId))).toBe(201);
  });

  test('is open to see, and to nothing else, for the successor', async () => {
    const { maker, successor } = await makeOffer();
    const own = service.client(successor.signIn);
    expect(await own.tokens.show(maker.tokenId)).toMatchObject({ status: 'suspended', takeover_by: successor.id });
    expect((await own.tokens.explain(maker.tokenId)).status).toBe('suspended');
    await expect(own.tokens.rotate(maker.tokenId)).rejects.toMatchObject({ status: 404 });
    await expect(own.tokens.revoke(maker.tokenId, { reason: 'other' })).rejects.toMatchObject({ status: 404 });
    await expect(own.tokens.unfreeze(maker.tokenId)).rejects.toMatchObject({ status: 404 });
  });

  test('is refused where nothing is offered', async () => {
    const { maker, successor } = await makePair();
    expect(await answerOf(takeOver(successor, maker.tokenId))).toBe(404);
    await expect(people.client.tokens.takeOver(maker.tokenId)).rejects.toMatchObject(refusedAs('takeover_state'));
    await people.go(maker, 'left');
    await people.client.tokens.revoke(maker.tokenId, { reason: 'leaked' });
    expect(await answerOf(takeOver(successor, maker.tokenId))).toBe(404);
  });

  test('is not of what was made for hours', async () => {
    const { maker, successor } = await makePair();
    await service.db.sql`update tokens set expires_in_days = 0 where id = ${parsePublicId('tok', maker.tokenId) ?? ''}`;
    await people.go(maker, 'left');
    expect(await people.client.tokens.show(maker.tokenId)).toMatchObject({ status: 'suspended', takeover_by: null });
    expect(await answerOf(takeOver(successor, maker.tokenId))).toBe(404);
  });

  test('is still possible when the person is removed, and revives nothing', async () => {
    const { maker, successor } = await makePair();
    await people.go(maker, 'removed');
    expect((await people.client.tokens.show(maker.tokenId)).status).toBe('revoked');
    const taken = await takeOver(successor, maker.tokenId);
    expect([await people.isActive(taken.token), await people.isActive(maker.token)]).toEqual([true, false]);
    expect((await people.trailOf(maker.tokenId)).filter((action) => action === 'token.revoked')).toHaveLength(1);
    await expect(takeOver(successor, maker.tokenId)).rejects.toMatchObject(refusedAs('takeover_state'));
  });

  test('waits while the workflow is paused', async () => {
    const { maker, successor } = await makeOffer();
    await people.client.workflows.pause(maker.label);
    await expect(takeOver(successor, maker.tokenId)).rejects.toMatchObject(refusedAs('workflow_not_active'));
    await people.client.workflows.resume(maker.label);
    expect(await answerOf(takeOver(successor, maker.tokenId))).toBe(201);
  });

  test('is not for who is out too', async () => {
    const { maker, successor } = await makeOffer();
    await people.go(successor, 'suspended');
    expect(await answerOf(takeOver(successor, maker.tokenId))).toBe(401);
    await people.client.members.reactivate(successor.id);
    expect(await answerOf(takeOver(successor, maker.tokenId))).toBe(201);
  });
});

describe('what is taken over is no more than', () => {
  test("the workflow's policy of today", async () => {
    const { maker, successor } = await makeOffer({ constraints: { repositories: ['acme/*'] } });
    const leaver = { rule: 'revoke' } as const;
    const narrowed = { allowed_expiry_days: [7], constraints: { repositories: ['acme/shop'], refs: ['refs/heads/*'] } };
    await people.client.workflows.put(maker.label, { ...narrowed, allowed_scopes: ['repo:*'], leaver });
    const taken = await takeOver(successor, maker.tokenId);
    expect(taken.constraints).toEqual(narrowed.constraints);
    expect(Date.parse(taken.expires_at) - service.clock.now().getTime()).toBe(7 * DAY * 1000);
  });

  test("the workspace's policy of today", async () => {
    const { maker, successor } = await makePair();
    const beside = await people.mint(successor, maker.label);
    await people.go(maker, 'removed');
    const set = (policy: object) => send(service, 'PUT', '/v1/policy', { json: policy });
    const full = { enforcement: 'report', max_tokens_per_workflow: 1 };
    expect((await set(full)).status).toBe(200);
    await expect(takeOver(successor, maker.tokenId)).rejects.toMatchObject(refusedAs('policy'));
    await people.client.tokens.revoke(beside.id, { reason: 'unused' });
    await set({ ...full, required_constraints: ['refs'] });
    await expect(takeOver(successor, maker.tokenId)).rejects.toMatchObject(refusedAs('policy'));
    await set({ ...full, longest_expiry_days: 7, allowed_repositories: ['acme/*'] });
    const taken = await takeOver(successor, maker.tokenId);
    expect(taken.constraints).toEqual({ repositories: ['acme/*'] });
    expect(Date.parse(taken.expires_at) - service.clock.now().getTime()).toBe(7 * DAY * 1000);
    await set({ enforcement: 'report' });
  });

  test('what is left of it in time', async () => {
    const { maker, successor } = await makePair();
    const seven = { workflow: maker.label, scopes: ['repo:read'], expires_in_days: 7 };
    const short = await service.client(maker.signIn).tokens.mint(seven);
    service.clock.advance(3 * DAY);
    await people.go(maker, 'left');
    expect((await takeOver(successor, short.id)).expires_at).toBe(short.expires_at);
  });

  test('the successor may hand on', async () => {
    const successor = await people.makePerson();
    const leaver = { rule: 'transfer', successor_id: successor.id, window_days: 1 } as const;
    await people.client.workflows.put('wide', { allowed_scopes: ['repo:*'], allowed_expiry_days: [7], leaver });
    const admin = await people.makePerson('admin');
    const mint = { workflow: 'wide', scopes: ['repo:read', 'members:write', 'tokens:read'], expires_in_days: 7 };
    const [wide, other, third] = await Promise.all(
      Array.from({ length: 3 }, () => service.client(admin.signIn).tokens.mint(mint)),
    );
    const service1 = { ...mint, scopes: ['members:write'] };
    const alone = await service.client(admin.signIn).tokens.mint(service1);
    // Tokens of the successor's own jobs, bound to what they are bound to.
    const job = { workflow: 'wide', scopes: ['tokens:mint', 'repo:write'], expires_in_days: 7 };
    const bound = { workflow: 'wide', scopes: ['tokens:mint'], expires_in_days: 7 };
    const own = service.client(successor.signIn);
    const ofJob = await own.tokens.mint(job);
    const ofPlace = await own.tokens.mint({ ...bound, constraints: { repositories: ['acme/shop'] } });
    await people.go(admin, 'left');

    expect((await own.tokens.takeOver(wide?.id ?? '')).scopes).toEqual(['repo:read', 'tokens:read']);
    await expect(own.tokens.takeOver(alone.id)).rejects.toMatchObject(refusedAs('policy'));
    const byJob = service.client(ofJob.token).tokens.takeOver(other?.id ?? '');
    await expect(byJob).rejects.toMatchObject(refusedAs('policy'));
    const placed = await service.client(ofPlace.token).tokens.takeOver(third?.id ?? '');
    expect(placed).toMatchObject({ scopes: ['repo:read'], constraints: { repositories: ['acme/shop'] } });
  });
});

describe('the window', () => {
  test('is over at its end, by the clock alone', async () => {
    const { maker, successor } = await makeOffer();
    service.clock.advance(DAY);
    await expect(takeOver(successor, maker.tokenId)).rejects.toMatchObject(refusedAs('takeover_state'));
    await expect(people.client.tokens.unfreeze(maker.tokenId)).rejects.toMatchObject({ status: 409 });
    expect(await people.isActive(maker.token)).toBe(false);
  });

  test('ends the token once it is over, and not a moment before', async () => {
    const { maker, successor } = await makeOffer();
    const gone = await makePair();
    await people.go(gone.maker, 'removed');
    service.clock.advance(DAY - 1);
    await endLapsedOffers(service.db.db, service.clock.now());
    expect((await people.client.tokens.show(maker.tokenId)).status).toBe('suspended');
    expect((await people.client.tokens.show(gone.maker.tokenId)).takeover_by).toBe(gone.successor.id);
    service.clock.advance(1);
    expect(await endLapsedOffers(service.db.db, service.clock.now())).toBe(1);
    const ended = { status: 'revoked', revoked_by: 'countersign', revoked_reason: 'owner_left', takeover_by: null };
    expect(await people.client.tokens.show(maker.tokenId)).toMatchObject(ended);
    expect(await people.client.tokens.show(gone.maker.tokenId)).toMatchObject({ takeover_by: null });
    expect(await endLapsedOffers(service.db.db, service.clock.now())).toBe(0);
    expect(await answerOf(takeOver(successor, maker.tokenId))).toBe(404);
  });

  test('ends more tokens than one transaction takes', async () => {
    const { maker } = await makeOffer();
    const { sql } = service.db;
    await sql`
      insert into tokens (workspace_id, id, kind, workflow, creator_id, owner_id, scopes, constraints, created_at, expires_at,
        expires_in_days, lineage_id, digest, pepper_kid, secret_set_at, frozen_at, takeover_until)
      select workspace_id, gen_random_uuid(), kind, workflow, creator_id, owner_id, scopes, constraints, created_at,
        expires_at, expires_in_days, lineage_id, digest, pepper_kid, secret_set_at, frozen_at, takeover_until
      from tokens, generate_series(1, 1100) where workflow = ${maker.label}`;
    service.clock.advance(DAY);
    expect(await endLapsedOffers(service.db.db, service.clock.now())).toBe(1101);
  });
});

describe('at the same moment', () => {
  test('of take-overs one wins', async () => {
    const { maker, successor } = await makeOffer();
    const answers = await Promise.all(Array.from({ length: 8 }, () => answerOf(takeOver(successor, maker.tokenId))));
    expect(answers.filter((status) => status === 201)).toHaveLength(1);
    expect(new Set(answers)).toEqual(new Set([201, 409]));
    const { data } = await people.client.tokens.list({ workflow: maker.label });
    expect(data).toHaveLength(2);
  });

  test.each<[string, (maker: Maker) => Promise<unknown>]>([
    ['a revocation', ({ tokenId }) => people.client.tokens.revoke(tokenId, { reason: 'leaked' })],
    ['a removal', (maker) => people.go(maker, 'removed')],
    [
      'the end of the window',
      () => endLapsedOffers(service.db.db, new Date(service.clock.now().getTime() + DAY * 1000)),
    ],
  ])('as %s, a take-over happens or does not, and the old token is dead', async (_, end) => {
    for (let round = 0; round < 3; round += 1) {
      const { maker, successor } = await makeOffer();
      const [status] = await Promise.all([answerOf(takeOver(successor, maker.tokenId)), end(maker)]);
      expect([201, 404, 409]).toContain(status);
      const { data } = await people.client.tokens.list({ workflow: maker.label });
      expect(data).toHaveLength(status === 201 ? 2 : 1);
      expect(data.filter((token) => token.status === 'revoked').map(({ id }) => id)).toEqual([maker.tokenId]);
      expect(await people.isActive(maker.token)).toBe(false);
    }
  });

  test('as the panic button, no token slips through', async () => {
    for (let round = 0; round < 3; round += 1) {
      const { maker, successor } = await makeOffer();
      const panic = people.client.tokens.revokeMany({ reason: 'leaked', workflow: maker.label });
      await Promise.all([answerOf(takeOver(successor, maker.tokenId)), panic]);
      const { data } = await people.client.tokens.list({ workflow: maker.label });
      // Either it came before, and ended with all, or there was nothing left to take over.
      expect(data.every((token) => token.status === 'revoked' || token.creator.id === successor.id)).toBe(true);
      expect(data.find(({ id }) => id === maker.tokenId)?.status).toBe('revoked');
      if (data.length === 2) expect(data.map(({ status }) => status)).toEqual(['revoked', 'revoked']);
    }
  });

  test('as the successor’s own end, nothing is left behind', async () => {
    for (let round = 0; round < 3; round += 1) {
      const { maker, successor } = await makeOffer();
      await Promise.all([answerOf(takeOver(successor, maker.tokenId)), people.go(successor, 'removed')]);
      const { data } = await people.client.tokens.list({ creator: successor.id });
      expect(data.every(({ status }) => status === 'revoked')).toBe(true);
    }
  });
});

describe('to unfreeze a token', () => {
  test('takes an owner or admin who is not its creator, and a creator who is back', async () => {
    const { maker } = await makeOffer();
    const admin = await people.makePerson('admin');
    const unfreeze = (person: Pick<Person, 'signIn'>) => service.client(person.signIn).tokens.unfreeze(maker.tokenId);
    await expect(unfreeze(admin)).rejects.toMatchObject(refusedAs('member_state'));
    await people.client.members.reactivate(maker.id);
    await expect(unfreeze(await people.makePerson())).rejects.toMatchObject({ status: 404 });
    await expect(unfreeze(await people.makePerson('auditor'))).rejects.toMatchObject({ status: 403 });
    expect(await unfreeze(admin)).toMatchObject({ status: 'active', frozen_at: null, takeover_by: null });
    expect(await people.isActive(maker.token)).toBe(true);
    expect(await unfreeze(admin)).toMatchObject({ status: 'active' });
    expect(await people.trailOf(maker.tokenId)).toEqual(['token.minted', 'token.frozen', 'token.unfrozen']);
    const { data } = await people.client.auditEvents({ target: maker.tokenId, action: 'token.unfrozen' });
    expect(data[0]?.actor).toEqual({ type: 'member', id: admin.id });
  });

  test('is not for its creator, nor for who holds less than the token', async () => {
    const { label } = await people.makeMaker({ rule: 'freeze' });
    const admin = await people.makePerson('admin');
    const mint = { workflow: label, scopes: ['repo:read', 'members:write'], expires_in_days: 7 };
    const { id } = await service.client(admin.signIn).tokens.mint(mint);
    await people.go(admin, 'suspended');
    await people.client.members.reactivate(admin.id);
    await expect(service.client(admin.signIn).tokens.unfreeze(id)).rejects.toMatchObject({ status: 403 });
    const other = await people.makePerson('admin');
    const narrow = { workflow: label, scopes: ['tokens:mint'], expires_in_days: 7 };
    const { token } = await service.client(other.signIn).tokens.mint(narrow);
    await expect(service.client(token).tokens.unfreeze(id)).rejects.toMatchObject({ status: 403 });
    expect(await service.client(other.signIn).tokens.unfreeze(id)).toMatchObject({ status: 'active' });
  });

  test('revives nothing that has ended', async () => {
    const { maker } = await makeOffer();
    await people.client.tokens.revoke(maker.tokenId, { reason: 'other' });
    await people.client.members.reactivate(maker.id);
    await expect(people.client.tokens.unfreeze(maker.tokenId)).rejects.toMatchObject(refusedAs('token_not_active'));
    expect(await people.isActive(maker.token)).toBe(false);
  });
});
