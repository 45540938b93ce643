import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parsePublicId, parseToken, type SessionId } from '../../src/rules/format.js';
import type { Departure } from '../../src/rules/leaver.js';
import { inTransaction } from '../../src/store/database.js';
import { suspendMember } from '../../src/store/members.js';
import { findSession, startSession } from '../../src/store/sessions.js';
import { recoverMember } from '../../src/store/workspaces.js';
import { createTestService, type TestService } from '../setup/service.js';

let service: TestService;
beforeAll(async () => {
  service = await createTestService();
});
afterAll(() => service.close());

let serial = 0;

/** A person with a sign-in token and a token of a workflow of its own. */
async function makePerson() {
  const label = `flow-${++serial}`;
  await service.makeWorkflow(label);
  const person = await service.makeMember('member');
  const client = service.client(person.token);
  const minted = await client.tokens.mint({ workflow: label, scopes: ['repo:read'], expires_in_days: 30 });
  return { id: person.id, signIn: person.token, label, tokenId: minted.id, token: minted.token };
}
type Person = Awaited<ReturnType<typeof makePerson>>;

/** Has a person go as a sign from outside tells it, or by hand. */
async function go(person: Pick<Person, 'id'>, departure: Departure): Promise<void> {
  const { members } = service.client();
  if (departure === 'removed') return members.remove(person.id);
  if (departure === 'suspended') return void (await members.suspend(person.id));
  const { workspace, printed } = service.owner;
  const id = parsePublicId('mem', person.id);
  const caller = parseToken(printed);
  if (id === undefined || caller === undefined) throw new Error('malformed');
  const change = {
    workspaceId: workspace.id,
    id,
    caller: { workspaceId: workspace.id, tokenId: caller.id },
    origin: { actorType: 'system', actorId: 'test' },
    now: service.clock.now(),
  } as const;
  const outcome = await suspendMember(service.db.db, change, 'left');
  expect(outcome.ok).toBe(true);
}

const isActive = async (token: string) => (await service.client().introspect(token)).active;
const statusOf = async (id: string) => (await service.client().tokens.show(id)).status;

async function trailOf(target: string): Promise<string[]> {
  const { data } = await service.client().auditEvents({ target, limit: 200 });
  return data.map(({ action }) => action);
}

describe('without a leaver rule', () => {
  test('a suspension holds tokens back while it lasts', async () => {
    const person = await makePerson();
    await go(person, 'suspended');
    expect(await isActive(person.token)).toBe(false);
    await service.client().members.reactivate(person.id);
    expect(await isActive(person.token)).toBe(true);
    expect(await isActive(person.signIn)).toBe(true);
    expect(await trailOf(person.tokenId)).toEqual(['token.minted']);
  });

  test('what belongs to who has left stays frozen when the person comes back', async () => {
    const person = await makePerson();
    await go(person, 'left');
    expect(await statusOf(person.tokenId)).toBe('suspended');
    await service.client().members.reactivate(person.id);
    expect(await isActive(person.token)).toBe(false);
    expect(await statusOf(person.tokenId)).toBe('suspended');
    expect(await isActive(person.signIn)).toBe(false);
    const explained = await service.client().tokens.explain(person.tokenId);
    expect(explained.status).toBe('suspended');
    expect(explained.summary).toMatch(/^suspended since .*: frozen, because its creator is gone by test$/);
    expect(await trailOf(person.id)).toContain('member.suspended');
  });

  test('to leave goes beyond a suspension, and once is enough', async () => {
    const person = await makePerson();
    await go(person, 'suspended');
    await go(person, 'left');
    await go(person, 'left');
    await service.client().members.reactivate(person.id);
    expect(await isActive(person.token)).toBe(false);
    expect(await trailOf(person.tokenId)).toEqual(['token.minted', 'token.frozen']);
    expect((await trailOf(person.id)).filter((action) => action === 'member.suspended')).toHaveLength(2);
  });

  test('a removal revokes', async () => {
    const person = await makePerson();
    await go(person, 'removed');
    expect(await statusOf(person.tokenId)).toBe('revoked');
  });
});

describe('a frozen token', () => {
  test('is neither rotated nor minted again, and a transfer does not thaw it', async () => {
    const other = await makePerson();
    const person = await service.makeMember('member');
    const client = service.client(person.token);
    const request = { workflow: other.label, scopes: ['repo:read'], expires_in_days: 30 };
    const minted = await client.tokens.mint(request, 'once');
    const first = await client.tokens.mint(request);
    const next = await client.tokens.rotate(first.id, { overlap_seconds: 0 });
    await go(person, 'left');
    const { email } = await service.client().members.reactivate(person.id);
    const { db, secrets, owner } = { ...service, db: service.db.db };
    const again = await recoverMember(db, secrets, owner.workspace, email, service.clock.now());
    if (!again.ok) throw new Error('not recovered');
    const back = service.client(again.value.printed);
    for (const frozen of [minted.id, first.id, next.id]) {
      await expect(back.tokens.rotate(frozen)).rejects.toMatchObject({ status: 409 });
    }
    await expect(back.tokens.mint(request, 'once')).rejects.toMatchObject({ status: 409 });
    expect((await service.client().tokens.transfer(minted.id, { owner_id: other.id })).status).toBe('suspended');
    expect(await isActive(minted.token)).toBe(false);
    expect(await isActive(next.token)).toBe(false);
    // What the person mints from now on is good.
    expect(await isActive((await back.tokens.mint(request)).token)).toBe(true);
  });

  test('opens no endpoint and starts no job', async () => {
    const person = await makePerson();
    await go(person, 'left');
    await service.client().members.reactivate(person.id);
    await expect(service.client(person.token).me()).rejects.toMatchObject({ status: 401 });
    const asked = { token: person.token, workflow: person.label };
    expect(await service.client().execChecks.check(asked)).toMatchObject({
      decision: 'deny',
      token: { active: false },
    });
  });

  test('ends the work under way under it', async () => {
    const person = await makePerson();
    const check = await service.client().execChecks.check({ token: person.token, workflow: person.label });
    const events = service.client().execChecks.watch(check.check_id);
    expect((await events.next()).value).toEqual({ type: 'alive' });
    await go(person, 'left');
    const told: string[] = [];
    for await (const event of events) told.push(event.type);
    expect(told.at(-1)).toBe('suspended');
    await service.client().members.reactivate(person.id);
    await expect(service.client().runs.renew(check.run_id ?? '')).rejects.toMatchObject({ status: 409 });
  });
});

describe('who goes', () => {
  test.each<Departure>(['suspended', 'left', 'removed'])('as %s is signed out at once', async (departure) => {
    const person = await makePerson();
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
    expect((await find())?.session.id).toBe<SessionId>(id);
    await go(person, departure);
    if (departure !== 'removed') await service.client().members.reactivate(person.id);
    expect(await find()).toBeUndefined();
    expect(await trailOf(person.id)).toContain('session.ended');
  });
});
