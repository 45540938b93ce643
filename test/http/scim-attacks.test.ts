import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { printId } from '../../src/rules/format.js';
import { givePasskey } from '../setup/passkeys.js';
import { makeProvider, type Provider, providerWith, USER } from '../setup/scim.js';
import { createTestService, type TestService } from '../setup/service.js';

let service: TestService;
/** A provider with the two scopes of one, whose token an owner made. */
let idp: Provider;
/** Providers whose tokens may do all that their makers may. */
let byOwner: Provider;
let byAdmin: Provider;
beforeAll(async () => {
  service = await createTestService();
  idp = await makeProvider(service);
  byOwner = await makeProvider(service, { scopes: ['workspace:admin'] });
  const admin = await service.makeMember('admin');
  byAdmin = await makeProvider(service, { maker: admin.token, scopes: ['workspace:admin'] });
});
afterAll(() => service.close());

let serial = 0;
const freshEmail = () => `person-${++serial}@attacks.example`;
const shown = async (id: unknown) => (await byOwner.send('GET', `/Users/${id}`)).body;
const OFF = { op: 'replace', value: { active: false } };
const ON = { op: 'replace', value: { active: true } };
const role = (value: string) => ({ op: 'replace', path: 'roles', value: [{ value, primary: true }] });

describe('a role', () => {
  it.each([
    ['owner', 403],
    ['admin', 403],
    ['auditor', 403],
    ['member', 201],
  ])('that the token does not hold is not given: %s', async (value, status) => {
    const roles = [{ value, primary: true }];
    expect((await idp.create(freshEmail(), { roles })).status).toBe(status);
    const { body } = await idp.create(freshEmail());
    expect((await idp.patch(body['id'], role(value))).status).toBe(status === 201 ? 200 : 403);
    const put = await idp.send('PUT', `/Users/${body['id']}`, { ...body, roles });
    expect(put.status).toBe(status === 201 ? 200 : 403);
    expect(await shown(body['id'])).toEqual(body);
  });

  it('of an owner is an owner’s to give, whatever the scopes', async () => {
    for (const value of ['owner', 'admin']) {
      expect((await byAdmin.create(freshEmail(), { roles: [{ value }] })).status).toBe(403);
      expect((await byOwner.create(freshEmail(), { roles: [{ value }] })).status).toBe(201);
    }
    expect((await byAdmin.create(freshEmail(), { roles: [{ value: 'auditor' }] })).status).toBe(201);
  });

  it.each([
    ['members of our own', { role: 'owner', status: 'active', is_owner: true, workspace_id: 'ws_1', created_at: 0 }],
    ['entitlements and groups', { entitlements: [{ value: 'owner' }], groups: [{ value: 'owner' }] }],
    ['a schema as a member', { [USER]: { roles: [{ value: 'owner' }] } }],
    ['the schema of another', { 'urn:ietf:params:scim:schemas:extension:x:2.0:User:roles': [{ value: 'owner' }] }],
    ['the prototype', { __proto__: { roles: [{ value: 'owner' }] }, constructor: { prototype: { active: false } } }],
    ['a role beside the primary one', { roles: [{ value: 'owner' }, { value: 'member', primary: true }] }],
  ])('is not given by %s', async (_, more) => {
    const json = JSON.stringify({ schemas: [USER], userName: freshEmail(), ...more });
    const text = json.replace('"constructor"', '"__proto__":{"roles":[{"value":"owner"}]},"constructor"');
    const headers = { 'content-type': 'application/scim+json' };
    const answer = await byOwner.send('POST', '/Users', undefined, { body: text, headers });
    expect(answer).toMatchObject({ status: 201, body: { active: true, roles: [{ value: 'member' }] } });
    expect(({} as Record<string, unknown>)['roles']).toBeUndefined();
  });

  it.each([
    ['with the name of its schema before it', { [`${USER}:roles`]: [{ value: 'owner' }] }],
    ['in other letters', { ROLES: ['owner'] }],
    ['as a text', { roles: 'Owner' }],
  ])('is weighed %s', async (_, more) => {
    expect((await idp.create(freshEmail(), more)).status).toBe(403);
  });

  it('is not said twice: what differs in letter case alone is 400', async () => {
    const text = (more: string) => `{"schemas":["${USER}"],"userName":"${freshEmail()}",${more}}`;
    const headers = { 'content-type': 'application/scim+json' };
    for (const more of [
      '"roles":["member"],"Roles":["owner"]',
      '"active":true,"ACTIVE":false',
      `"active":true,"${USER}:active":false`,
    ]) {
      const answer = await byOwner.send('POST', '/Users', undefined, { body: text(more), headers });
      expect([answer.status, answer.body['scimType']]).toEqual([400, 'invalidSyntax']);
    }
  });
});

describe('an owner', () => {
  it('is not touched by an admin’s token', async () => {
    const owner = await service.makeMember('owner');
    const before = await shown(owner.id);
    for (const answer of [
      await byAdmin.patch(owner.id, OFF),
      await byAdmin.patch(owner.id, { op: 'replace', path: 'displayName', value: 'x' }),
      await byAdmin.patch(owner.id, { op: 'replace', path: 'userName', value: freshEmail() }),
      await byAdmin.patch(owner.id, role('member')),
      await byAdmin.send('PUT', `/Users/${owner.id}`, { ...before, active: false }),
      await byAdmin.send('DELETE', `/Users/${owner.id}`),
    ]) {
      expect(answer).toMatchObject({ status: 403, body: { status: '403' } });
    }
    expect(await shown(owner.id)).toEqual(before);
  });

  it.each(['owner', 'admin', 'auditor'] as const)(
    'and whoever is more than a member gets no other address: %s',
    async (one) => {
      const person = await service.makeMember(one);
      const before = await shown(person.id);
      const evil = freshEmail();
      for (const operation of [
        { op: 'replace', path: 'userName', value: evil },
        { op: 'replace', path: 'emails[type eq "work"].value', value: evil },
        { op: 'add', value: { emails: [{ value: evil, primary: true }] } },
      ]) {
        expect((await idp.patch(person.id, operation)).status).toBe(403);
      }
      expect((await idp.send('PUT', `/Users/${person.id}`, { ...before, userName: evil })).status).toBe(403);
      expect(await shown(person.id)).toEqual(before);
      const louder = String(before['userName']).toUpperCase();
      expect((await idp.patch(person.id, { op: 'replace', path: 'userName', value: louder })).status).toBe(200);
      expect(await idp.send('PUT', `/Users/${person.id}`, before)).toMatchObject({ status: 200, body: before });
      // Who is renamed with the account that is closed is taken out nevertheless, and keeps the address.
      const closed = await idp.patch(person.id, OFF, { op: 'replace', path: 'userName', value: evil });
      expect(closed).toMatchObject({ status: 200, body: { active: false, userName: before['userName'] } });
      expect(await idp.patch(person.id, ON)).toMatchObject({ body: { userName: before['userName'] } });
      expect((await byOwner.patch(person.id, { op: 'replace', path: 'userName', value: evil })).status).toBe(200);
    },
  );

  it('with a passkey confirms what a sign-in token does here, as elsewhere (RFC 9470)', async () => {
    const owner = await service.makeMember('owner');
    await givePasskey(service, owner.token);
    const asOwner = providerWith(service, owner.token);
    const { body } = await idp.create(freshEmail());
    for (const answer of [
      await asOwner.create(freshEmail(), { roles: ['owner'] }),
      await asOwner.patch(body['id'], role('owner')),
      await asOwner.send('PUT', `/Users/${body['id']}`, { ...body, roles: ['owner'] }),
      await asOwner.send('DELETE', `/Users/${body['id']}`),
    ]) {
      expect(answer).toMatchObject({ status: 401, body: { schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'] } });
      expect(answer.headers.get('www-authenticate')).toContain('insufficient_user_authentication');
    }
    expect(await shown(body['id'])).toEqual(body);
  });
});

describe('what is the service’s to say', () => {
  it('is left aside where a person is created or replaced', async () => {
    const more = {
      id: 'mem_0000000000000000000001',
      meta: { created: '2001-01-01T00:00:00Z', location: 'https://evil.example' },
    };
    const made = await idp.create(freshEmail(), more);
    expect(made.status).toBe(201);
    expect(made.body['id']).not.toBe(more.id);
    expect(made.body['meta']).toMatchObject({ created: service.clock.now().toISOString() });
    const put = await idp.send('PUT', `/Users/${made.body['id']}`, { ...made.body, ...more });
    expect(put.body).toEqual(made.body);
  });
});

describe('another workspace', () => {
  let foreign: Provider;
  let theirs: unknown;
  let email: string;
  beforeAll(async () => {
    const other = await service.makeWorkspace('elsewhere');
    await service.client(other.printed).workflows.put('scim', { allowed_scopes: [], allowed_expiry_days: [90] });
    const scopes = ['members:read', 'members:write'];
    const { token } = await service
      .client(other.printed)
      .tokens.mint({ workflow: 'scim', scopes, expires_in_days: 90 });
    foreign = providerWith(service, token);
    email = freshEmail();
    theirs = (await foreign.create(email, { externalId: 'theirs' })).body['id'];
  });

  it('cannot be told from what is not there', async () => {
    const nobody = printId('mem', '00000000-0000-7000-8000-000000000000' as never);
    const json = { schemas: [USER], userName: freshEmail() };
    for (const ask of [
      (id: unknown) => byOwner.send('GET', `/Users/${id}`),
      (id: unknown) => byOwner.send('PUT', `/Users/${id}`, json),
      (id: unknown) => byOwner.patch(id, OFF),
      (id: unknown) => byOwner.send('DELETE', `/Users/${id}`),
      (id: unknown) => byOwner.find(`id eq "${id}"`),
    ]) {
      const [one, two] = [await ask(theirs), await ask(nobody)];
      expect([one.status, one.text]).toEqual([two.status, two.text]);
    }
    expect((await foreign.send('GET', `/Users/${theirs}`)).body).toMatchObject({ userName: email, active: true });
  });

  it('is not found by any filter, and its people may be ours too', async () => {
    for (const filter of [
      `userName eq "${email}"`,
      'externalId eq "theirs"',
      `userName co "${email}"`,
      `not (id eq "x") and externalId eq "theirs"`,
    ]) {
      expect((await byOwner.find(filter)).body['totalResults']).toBe(0);
    }
    expect((await idp.create(email, { externalId: 'theirs' })).status).toBe(201);
    expect((await foreign.find('userName pr')).body['totalResults']).toBe(2);
  });
});

describe('a filter', () => {
  it.each([
    `userName eq "' or '1'='1"`,
    `userName eq "x' ; drop table members; --"`,
    'userName eq "%"',
    'userName sw "_"',
    'externalId eq "$1"',
    'externalId eq "\\u0000"',
    'externalId eq "\\ud800"',
    'userName eq "\\u0000@x.example"',
    'id eq "mem_0000000000000000000000 or true"',
    'id eq "self"',
    `userName eq "${'a'.repeat(1_900)}"`,
  ])('is a text to compare with, and nothing else: %s', async (filter) => {
    expect(await idp.find(filter)).toMatchObject({ status: 200, body: { totalResults: 0 } });
  });

  it.each([
    ['brackets', '('.repeat(4_000)],
    ['texts without an end', `userName eq "${'\\'.repeat(4_000)}`],
    ['alternatives', Array(300).fill('(userName eq "a" or userName eq "b")').join(' and ')],
    ['white space', `${' '.repeat(8_000)}x`],
  ])('of a great many %s is refused, in the query and in the body', async (_, filter) => {
    expect((await idp.find(filter)).status).toBe(400);
    expect((await idp.send('POST', '/Users/.search', { filter })).status).toBe(400);
    const answer = await idp.patch('mem_0000000000000000000001', { op: 'remove', path: `emails[${filter}]` });
    expect(answer.status).toBe(404);
  });

  it('that would look through too many is refused with tooMany; one by name never is', async () => {
    const own = await createTestService();
    try {
      const provider = await makeProvider(own);
      const { id } = own.owner.workspace;
      await own.db.sql`
        insert into members (workspace_id, id, email, role, status, created_at)
        select ${id}, gen_random_uuid(), 'm' || i || '@many.example', 'member', 'active', now() from generate_series(1, 5000) i`;
      const tooMany = { status: 400, body: { scimType: 'tooMany' } };
      expect(await provider.find('active eq true')).toMatchObject(tooMany);
      expect(await provider.send('GET', '/Users?sortBy=userName')).toMatchObject(tooMany);
      expect((await provider.find('userName eq "M77@many.example" and active eq true')).body['totalResults']).toBe(1);
      const page = await provider.send('GET', '/Users?startIndex=5001&count=10');
      expect(page.body).toMatchObject({ totalResults: 5001, itemsPerPage: 1 });
    } finally {
      await own.close();
    }
  });
});

describe('somebody else’s name', () => {
  it('is not taken by letters that look alike', async () => {
    const email = `kate-${++serial}@attacks.example`;
    await idp.create(email);
    for (const alike of [
      email.replace('k', '\u212a'),
      email.replace('a', '\u0430'),
      email.replace('@', '\uff20'),
      `${email}\u200b`,
    ]) {
      expect(await idp.create(alike)).toMatchObject({ status: 400, body: { scimType: 'invalidValue' } });
      expect((await idp.find(`userName eq "${alike}"`)).body['totalResults']).toBe(0);
    }
    for (const same of [email.toUpperCase(), email.replace('k', 'K')]) {
      expect(await idp.create(same)).toMatchObject({ status: 409, body: { scimType: 'uniqueness' } });
    }
  });

  it('is not taken by a change', async () => {
    const [first, second] = [
      await idp.create(freshEmail()),
      await idp.create(freshEmail(), { externalId: `mine-${++serial}` }),
    ];
    const operations = [
      { op: 'replace', path: 'userName', value: String(first.body['userName']).toUpperCase() },
      { op: 'replace', path: 'emails[type eq "work"].value', value: first.body['userName'] },
    ];
    for (const operation of operations) {
      const both = await idp.patch(second.body['id'], operation, OFF);
      expect(both).toMatchObject({ status: 409, body: { scimType: 'uniqueness' } });
    }
    const other = await idp.patch(first.body['id'], {
      op: 'add',
      path: 'externalId',
      value: second.body['externalId'],
    });
    expect(other).toMatchObject({ status: 409, body: { scimType: 'uniqueness' } });
    expect(await shown(second.body['id'])).toEqual(second.body);
  });
});

describe('a message', () => {
  it('that is nested ten thousand deep is refused', async () => {
    const headers = { 'content-type': 'application/scim+json' };
    for (const [open, close] of [
      ['[', ']'],
      ['{"a":', '}'],
    ] as const) {
      const deep = `${open.repeat(10_000)}1${close.repeat(10_000)}`;
      for (const body of [deep, `{"schemas":["${USER}"],"userName":"${freshEmail()}","x":${deep}}`]) {
        expect((await idp.send('POST', '/Users', undefined, { body, headers })).status).toBe(400);
      }
    }
  });

  it('of more operations than 200 is refused, and one of 200 is not', async () => {
    const { body } = await idp.create(freshEmail());
    const many = (count: number) => Array.from({ length: count }, () => ({ op: 'add', path: 'title', value: 'x' }));
    expect((await idp.patch(body['id'], ...many(201))).status).toBe(400);
    expect((await idp.patch(body['id'], ...many(200))).status).toBe(200);
    expect((await idp.patch(body['id'], { op: 'add', path: 'title', value: 'x'.repeat(70_000) })).status).toBe(413);
  });

  it('has no place for a token, and what it has of a password is kept nowhere', async () => {
    const email = freshEmail();
    const planted = await idp.create(email, { displayName: idp.token });
    expect(planted.status).toBe(400);
    expect(planted.text).not.toContain(idp.token);
    const made = await idp.create(email, { password: 'correct horse battery staple' });
    expect(made.status).toBe(201);
    expect(made.text).not.toContain('staple');
    const [row] = await service.db
      .sql`select (select jsonb_agg(m) from members m) as people, (select jsonb_agg(e) from audit_events e) as trail`;
    expect(JSON.stringify(row)).not.toMatch(/staple|cst_[0-9A-Za-z]{22}_/);
    const log = service.log.join('');
    expect(log).not.toMatch(/staple|cst_[0-9A-Za-z]{22}_[0-9A-Za-z]/);
    expect(log).not.toContain(email);
  });
});

describe('the token of a provider', () => {
  it('opens nothing but people', async () => {
    const { client } = service;
    await expect(client(idp.token).auditEvents({})).rejects.toThrow();
    await expect(
      client(idp.token).tokens.mint({ workflow: 'scim', scopes: ['members:write'], expires_in_days: 90 }),
    ).rejects.toThrow();
    await expect(
      client(idp.token).members.patch(String((await idp.create(freshEmail())).body['id']), { role: 'owner' }),
    ).rejects.toThrow();
  });

  it.each(['member', 'auditor'] as const)('of a %s changes nobody', async (who) => {
    const person = await service.makeMember(who);
    const as = providerWith(service, person.token);
    const { body } = await idp.create(freshEmail());
    expect((await as.create(freshEmail())).status).toBe(403);
    expect((await as.patch(body['id'], OFF)).status).toBe(403);
    expect((await as.send('DELETE', `/Users/${body['id']}`)).status).toBe(403);
    expect((await as.send('GET', '/Users')).status).toBe(who === 'auditor' ? 200 : 403);
  });

  it('ends with its workflow’s pause, its revocation and its maker’s leave, which it may be told to do', async () => {
    const own = await createTestService();
    try {
      const second = await own.makeMember('owner');
      const provider = await makeProvider(own, { maker: second.token });
      await own.client().workflows.pause('scim');
      expect((await provider.send('GET', '/Users')).status).toBe(401);
      await own.client().workflows.resume('scim');
      expect((await provider.send('GET', '/Users')).status).toBe(200);
      expect((await provider.patch(second.id, OFF)).status).toBe(200);
      expect((await provider.send('GET', '/Users')).status).toBe(401);
    } finally {
      await own.close();
    }
  });

  it('is not a cookie', async () => {
    const headers = { cookie: `__Host-countersign=${idp.token}` };
    expect((await idp.send('GET', '/Users', undefined, { token: null, headers })).status).toBe(401);
  });
});
