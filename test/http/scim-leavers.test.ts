import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parsePublicId, parseToken, printId, type SessionId } from '../../src/rules/format.js';
import { inTransaction } from '../../src/store/database.js';
import { findSession, startSession } from '../../src/store/sessions.js';
import { recoverMember } from '../../src/store/workspaces.js';
import { send } from '../setup/request.js';
import { makeProvider, type Provider, USER } from '../setup/scim.js';
import { createTestService, type TestService } from '../setup/service.js';

let service: TestService;
let idp: Provider;
beforeAll(async () => {
  service = await createTestService();
  idp = await makeProvider(service);
  await service.makeWorkflow('nightly');
});
afterAll(() => service.close());

const ORIGIN = { actorType: 'system', actorId: 'test' } as const;
let serial = 0;
const freshEmail = () => `person-${++serial}@leavers.example`;

/** A person whom the provider brought in, with a sign-in token, a token of a workflow and a session. */
async function makePerson() {
  const email = freshEmail();
  const { body } = await idp.create(email);
  const id = String(body['id']);
  const { workspace } = service.owner;
  const recovered = await recoverMember(service.db.db, service.secrets, workspace, email, service.clock.now());
  if (!recovered.ok) throw new Error('the person is not there');
  const signIn = recovered.value.printed;
  const minted = await service
    .client(signIn)
    .tokens.mint({ workflow: 'nightly', scopes: ['repo:read'], expires_in_days: 30 });
  const memberId = parsePublicId('mem', id);
  if (memberId === undefined) throw new Error('malformed');
  const draft = { workspaceId: workspace.id, memberId, method: 'passkey' } as const;
  const session = await inTransaction(service.db.db, (tx) =>
    startSession(tx, service.secrets, draft, ORIGIN, service.clock.now()),
  );
  return { id, email, signIn, token: minted.token, tokenId: minted.id, cookie: session.printed };
}
type Person = Awaited<ReturnType<typeof makePerson>>;

async function isSignedIn({ cookie }: Person): Promise<boolean> {
  const parsed = parseToken(cookie);
  if (parsed === undefined) throw new Error('not the form of a session');
  const place = { id: parsed.id as string as SessionId, cookieSecret: parsed.tokenSecret };
  return (await findSession(service.db.db, service.secrets, place, service.clock.now())) !== undefined;
}

const isActive = async (token: string) => (await service.client().introspect(token)).active;
const decisionOn = async (token: string) =>
  (await service.client().execChecks.check({ token, workflow: 'nightly' })).decision;

/** What of a person is good: nothing, or what it was made with. */
async function whatIsGood(person: Person) {
  return {
    token: await isActive(person.token),
    signIn: await isActive(person.signIn),
    job: (await decisionOn(person.token)) === 'allow',
    session: await isSignedIn(person),
  };
}
const ALL = { token: true, signIn: true, job: true, session: true };
const NONE = { token: false, signIn: false, job: false, session: false };

const OFF = { op: 'replace', value: { active: false } };
const ON = { op: 'replace', value: { active: true } };

describe('once `active: false` was answered', () => {
  it.each([
    ['as Okta says it', (id: string) => idp.patch(id, OFF)],
    ['as Entra says it', (id: string) => idp.patch(id, { op: 'Replace', path: 'active', value: 'False' })],
    [
      'with the whole person',
      (id: string, userName: string) => idp.send('PUT', `/Users/${id}`, { schemas: [USER], userName, active: false }),
    ],
    ['by a removal', (id: string) => idp.send('DELETE', `/Users/${id}`)],
  ])('nothing of the person is good: %s', async (_, leave) => {
    const person = await makePerson();
    expect(await whatIsGood(person)).toEqual(ALL);
    expect((await leave(person.id, person.email)).status).toBeLessThan(300);
    expect(await whatIsGood(person)).toEqual(NONE);
  });

  it('the watch of a running job ends', async () => {
    const person = await makePerson();
    const { check_id } = await service.client(person.token).execChecks.check({ workflow: 'nightly' });
    const events = service.client(person.token).execChecks.watch(check_id);
    expect((await events.next()).value).toEqual({ type: 'alive' });
    await idp.patch(person.id, OFF);
    const told: string[] = [];
    for await (const event of events) {
      if (event.type === 'alive') continue;
      told.push(event.type);
      break;
    }
    expect(told).toEqual(['suspended']);
  });

  it('nothing is good again when the person comes back', async () => {
    const person = await makePerson();
    await idp.patch(person.id, OFF);
    expect((await idp.patch(person.id, ON)).body['active']).toBe(true);
    expect(await whatIsGood(person)).toEqual(NONE);
    expect((await service.client().tokens.show(person.tokenId)).status).toBe('suspended');
  });

  it('what each workflow says about leavers is done', async () => {
    await service.makeWorkflow('ended', { allowed_scopes: ['repo:*'], leaver: { rule: 'revoke' } });
    const person = await makePerson();
    const minted = await service
      .client(person.signIn)
      .tokens.mint({ workflow: 'ended', scopes: ['repo:read'], expires_in_days: 30 });
    await idp.patch(person.id, OFF);
    expect((await service.client().tokens.show(minted.id)).status).toBe('revoked');
    expect((await service.client().tokens.show(person.tokenId)).status).toBe('suspended');
  });

  it('the person is on record as gone, by the provider’s token', async () => {
    const person = await makePerson();
    await idp.patch(person.id, OFF);
    const { data } = await service.client().auditEvents({ target: person.id, action: 'member.suspended' });
    const token = parseToken(idp.token);
    const via = token && printId('tok', token.id);
    expect(data).toMatchObject([{ actor: { type: 'member' }, data: { left: true, via } }]);
  });
});

it('whatever a provider and the workspace do in whatever order, nothing that ended is good again', async () => {
  const acts = fc.constantFrom('off', 'on', 'put-on', 'put-off', 'suspend', 'reactivate', 'rename');
  await fc.assert(
    fc.asyncProperty(fc.array(acts, { minLength: 1, maxLength: 7 }), async (sequence) => {
      const person = await makePerson();
      const { members } = service.client();
      const put = (active: boolean) =>
        idp.send('PUT', `/Users/${person.id}`, { schemas: [USER], userName: person.email, active });
      let hasLeft = false;
      let isHeld = false;
      for (const act of sequence) {
        const before = (await members.show(person.id)).status;
        if (act === 'off') await idp.patch(person.id, OFF);
        if (act === 'on') await idp.patch(person.id, ON);
        if (act === 'put-on') await put(true);
        if (act === 'put-off') await put(false);
        if (act === 'suspend') await members.suspend(person.id);
        if (act === 'reactivate') await members.reactivate(person.id);
        if (act === 'rename') await idp.patch(person.id, { op: 'replace', value: { displayName: `N${serial}` } });
        if (act === 'off' || act === 'put-off') hasLeft = true;
        if (act === 'suspend' && before === 'active') isHeld = true;
        if (act === 'reactivate') isHeld = false;
        const { status } = await members.show(person.id);
        // A suspension by hand ends by hand.
        if (isHeld) expect(status).toBe('suspended');
        const good = await whatIsGood(person);
        if (hasLeft) expect(good).toEqual(NONE);
        if (!hasLeft && status === 'active') expect(good).toMatchObject({ token: true, signIn: true, job: true });
        if (status !== 'active') expect(good).toEqual(NONE);
      }
    }),
    { numRuns: 8 },
  );
});

const acceptance = async (token: string) => (await send(service, 'POST', '/v1/members/accept', { token })).status;

describe('who is only invited', () => {
  it('cannot accept any more once the provider takes the person out, and comes in once it says so', async () => {
    const email = freshEmail();
    const { id, invitation } = await service.client().members.invite({ email, role: 'member' });
    expect((await idp.patch(id, OFF)).body['active']).toBe(false);
    expect(await acceptance(invitation)).toBe(401);
    expect((await idp.patch(id, ON)).body['active']).toBe(true);
    expect(await acceptance(invitation)).toBe(401);
    expect((await service.client().members.show(id)).status).toBe('active');
  });

  it('is a member as soon as the provider says active, and the invitation is used up', async () => {
    const { id, invitation } = await service.client().members.invite({ email: freshEmail(), role: 'auditor' });
    expect((await idp.patch(id, { op: 'replace', value: { displayName: 'Ada' } })).body['active']).toBe(false);
    expect(await idp.patch(id, ON)).toMatchObject({
      status: 200,
      body: { active: true, roles: [{ value: 'auditor' }] },
    });
    expect(await acceptance(invitation)).toBe(401);
    const printed = parseToken(invitation);
    const rows = await service.db.sql`select revoked_at from tokens where id = ${printed?.id ?? ''}`;
    expect(rows[0]?.['revoked_at']).toEqual(expect.anything());
    const { data } = await service.client().auditEvents({ target: id, action: 'member.accepted' });
    expect(data).toMatchObject([{ data: { role: 'auditor' } }]);
  });
});

describe('whom a member suspended by hand', () => {
  it('a provider does not bring back by saying `active`', async () => {
    const person = await makePerson();
    await service.client().members.suspend(person.id);
    const put = await idp.send('PUT', `/Users/${person.id}`, {
      schemas: [USER],
      userName: person.email,
      displayName: 'New',
      active: true,
    });
    expect(put).toMatchObject({ status: 200, body: { active: false, displayName: 'New' } });
    expect((await idp.patch(person.id, ON)).body['active']).toBe(false);
    await idp.patch(person.id, OFF);
    expect((await idp.patch(person.id, ON)).body['active']).toBe(false);
    await service.client().members.reactivate(person.id);
    expect((await idp.send('GET', `/Users/${person.id}`)).body['active']).toBe(true);
    await idp.patch(person.id, OFF);
    expect((await idp.patch(person.id, ON)).body['active']).toBe(true);
    expect(await whatIsGood(person)).toEqual(NONE);
  });
});

describe('whom a member suspended by hand after the provider took the person out', () => {
  it('stays out when the provider says `active` again, and that is on record once', async () => {
    const person = await makePerson();
    await idp.patch(person.id, OFF);
    await service.client().members.suspend(person.id);
    await service.client().members.suspend(person.id);
    expect((await idp.patch(person.id, ON)).body['active']).toBe(false);
    const { data } = await service.client().auditEvents({ target: person.id, action: 'member.suspended' });
    expect(data.map((event) => event.data['left'] ?? false)).toEqual([true, false]);
    await service.client().members.reactivate(person.id);
    expect((await idp.send('GET', `/Users/${person.id}`)).body['active']).toBe(true);
  });
});

describe('the last owner', () => {
  it('is not taken out, demoted or removed: 409', async () => {
    const full = await makeProvider(service, { scopes: ['workspace:admin'] });
    const owner = (await service.client().me()).id;
    const whole = (await full.send('GET', `/Users/${owner}`)).body;
    for (const answer of [
      await full.patch(owner, OFF),
      await full.patch(owner, { op: 'replace', path: 'roles', value: [{ value: 'member' }] }),
      await full.send('PUT', `/Users/${owner}`, { ...whole, displayName: 'x', active: false }),
      await full.send('DELETE', `/Users/${owner}`),
    ]) {
      expect(answer).toMatchObject({
        status: 409,
        body: { status: '409', detail: expect.stringContaining('active owner') },
      });
      expect(answer.body).not.toHaveProperty('scimType');
    }
    expect((await full.send('GET', `/Users/${owner}`)).body).toEqual(whole);
  });

  it('of two at the same moment one stays', async () => {
    const own = await createTestService();
    try {
      const provider = await makeProvider(own, { scopes: ['workspace:admin'] });
      const second = await own.makeMember('owner');
      const other = await makeProvider(own, { maker: second.token, scopes: ['workspace:admin'] });
      const first = (await own.client().me()).id;
      const answers = await Promise.all([provider.patch(second.id, OFF), other.patch(first, OFF)]);
      const statuses = answers.map(({ status }) => status).sort();
      // Whoever is first ends the other's token too.
      expect(statuses[0]).toBe(200);
      expect([401, 409]).toContain(statuses[1]);
    } finally {
      await own.close();
    }
  });
});
