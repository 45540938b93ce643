import scimmy from 'scimmy';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { printId } from '../../src/rules/format.js';
import type { Answered } from '../setup/request.js';
import { ENTERPRISE, makeProvider, type Provider, USER } from '../setup/scim.js';
import { createTestService, ISSUER, type TestService } from '../setup/service.js';

let service: TestService;
let idp: Provider;
beforeAll(async () => {
  service = await createTestService();
  idp = await makeProvider(service);
});
afterAll(() => service.close());

let serial = 0;
const freshEmail = () => `person-${++serial}@scim.example`;
const resourcesOf = ({ body }: Answered) => body['Resources'] as Record<string, unknown>[];
const idsOf = (answer: Answered) => resourcesOf(answer).map((one) => one['id']);
const eventsOf = async (id: unknown) => {
  const { data } = await service.client().auditEvents({ target: String(id), limit: 200 });
  return data.map(({ action, data: facts }) => [action, facts] as const);
};
const refusal = (status: number, scimType?: string) => ({
  status,
  body: {
    schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
    status: String(status),
    ...(scimType === undefined ? {} : { scimType }),
    detail: expect.any(String),
  },
});

describe('Okta', () => {
  it('is set up, brings a person in, changes, deactivates, reactivates and removes', async () => {
    const userName = freshEmail();
    const okta = (method: string, path: string, json?: unknown) =>
      idp.send(method, path, json, {
        headers: { 'user-agent': 'Okta SCIM Client 1.0.0', accept: 'application/scim+json' },
      });

    expect((await okta('GET', '/Users?startIndex=1&count=2')).body).toMatchObject({ startIndex: 1, totalResults: 1 });
    expect((await okta('GET', '/Groups?startIndex=1&count=100')).body).toMatchObject({
      totalResults: 0,
      Resources: [],
    });

    const nobody = await okta(
      'GET',
      `/Users?filter=${encodeURIComponent(`userName eq "${userName}"`)}&startIndex=1&count=100`,
    );
    expect(nobody).toMatchObject({ status: 200, body: { totalResults: 0, itemsPerPage: 0, Resources: [] } });

    const person = {
      schemas: [USER],
      userName,
      name: { givenName: 'Ada', familyName: 'Lovelace' },
      emails: [{ primary: true, value: userName, type: 'work' }],
      displayName: 'Ada Lovelace',
      locale: 'en-US',
      externalId: '00ujl29u0le5T6Aj10h7',
      groups: [],
      password: '1mz050nq',
      active: true,
    };
    const made = await okta('POST', '/Users', person);
    const id = made.body['id'];
    expect(made.status).toBe(201);
    expect(made.headers.get('content-type')).toBe('application/scim+json');
    expect(made.headers.get('location')).toBe(`${ISSUER}/scim/v2/Users/${id}`);
    expect(made.body).toEqual({
      schemas: [USER],
      id: expect.stringMatching(/^mem_[0-9A-Za-z]{22}$/),
      externalId: '00ujl29u0le5T6Aj10h7',
      userName,
      name: { formatted: 'Ada Lovelace' },
      displayName: 'Ada Lovelace',
      active: true,
      emails: [{ value: userName, type: 'work', primary: true }],
      roles: [{ value: 'member', primary: true }],
      meta: {
        resourceType: 'User',
        created: service.clock.now().toISOString(),
        location: `${ISSUER}/scim/v2/Users/${id}`,
      },
    });
    expect((await okta('GET', `/Users/${id}`)).body).toEqual(made.body);

    const renamed = await okta('PUT', `/Users/${id}`, {
      ...made.body,
      name: { givenName: 'Ada', familyName: 'King' },
      displayName: 'Ada King',
    });
    expect(renamed).toMatchObject({ status: 200, body: { id, displayName: 'Ada King', active: true, userName } });

    const active = (value: boolean) => idp.patch(id, { op: 'replace', value: { active: value } });
    expect(await active(false)).toMatchObject({ status: 200, body: { active: false } });
    expect((await service.client().members.show(String(id))).status).toBe('suspended');
    expect(await active(false)).toMatchObject({ status: 200, body: { active: false } });
    expect(await active(true)).toMatchObject({ status: 200, body: { active: true } });
    expect(await active(true)).toMatchObject({ status: 200, body: { active: true } });
    expect(await okta('DELETE', `/Users/${id}`)).toMatchObject({ status: 204, text: '' });
    expect(await okta('GET', `/Users/${id}`)).toMatchObject(refusal(404));
    expect(await okta('DELETE', `/Users/${id}`)).toMatchObject(refusal(404));

    expect(await eventsOf(id)).toEqual([
      [
        'member.provisioned',
        { email: userName, role: 'member', external_id: '00ujl29u0le5T6Aj10h7', active: true, via: expect.anything() },
      ],
      ['member.renamed', expect.objectContaining({ name: 'Ada King' })],
      ['member.suspended', expect.objectContaining({ left: true })],
      ['member.reactivated', expect.anything()],
      ['member.removed', expect.objectContaining({ email: userName })],
    ]);
  });
});

describe('Entra', () => {
  it('tests the connection, brings a person in, changes, disables, enables and removes', async () => {
    const userName = freshEmail();
    const guid = '1db0a2f1-7f0c-4c8e-8b7c-6d8d7a3e7b11';
    const probe = await idp.find(`userName eq "${guid}"`);
    expect(probe).toMatchObject({ status: 200, body: { totalResults: 0, Resources: [] } });
    const group = await idp.send('GET', `/Groups?excludedAttributes=members&filter=displayName%20eq%20%22${guid}%22`);
    expect(group).toMatchObject({ status: 200, body: { totalResults: 0, Resources: [] } });

    const made = await idp.send('POST', '/Users', {
      schemas: [USER, ENTERPRISE],
      externalId: guid,
      userName,
      active: true,
      displayName: 'lennay',
      emails: [{ primary: true, type: 'work', value: userName }],
      meta: { resourceType: 'User' },
      name: { formatted: 'Adrienne McNally', familyName: 'McNally', givenName: 'Adrienne' },
      roles: [],
      [ENTERPRISE]: { department: 'Engineering', manager: { value: 'somebody' } },
    });
    const id = made.body['id'];
    expect(made).toMatchObject({ status: 201, body: { externalId: guid, displayName: 'lennay', active: true } });

    for (const filter of [
      `userName eq "${userName.toUpperCase()}"`,
      `externalId eq "${guid}"`,
      `emails[type eq "work"].value eq "${userName}"`,
      `id eq "${id}" and active eq true`,
    ]) {
      expect(idsOf(await idp.find(filter, '&aadOptscim062020'))).toEqual([id]);
    }

    const other = freshEmail();
    const changed = await idp.patch(
      id,
      { op: 'Replace', path: 'emails[type eq "work"].value', value: other },
      { op: 'Replace', path: 'userName', value: other },
      { op: 'Replace', path: 'name.familyName', value: 'M' },
      { op: 'Add', path: 'displayName', value: 'Adrienne' },
      { op: 'Add', path: 'phoneNumbers[type eq "mobile"].value', value: '+1 201 555 0123' },
      { op: 'Replace', path: `${ENTERPRISE}:department`, value: 'Sales' },
      { op: 'Add', value: { 'name.formatted': 'Adrienne M', [`${ENTERPRISE}:employeeNumber`]: '7' } },
    );
    expect(changed).toMatchObject({
      status: 200,
      body: { userName: other, displayName: 'Adrienne', emails: [{ value: other }] },
    });

    const active = (value: string) => idp.patch(id, { op: 'Replace', path: 'active', value });
    expect(await active('False')).toMatchObject({ status: 200, body: { active: false } });
    expect((await idp.find(`userName eq "${other}"`)).body).toMatchObject({ Resources: [{ id, active: false }] });
    expect(await active('False')).toMatchObject({ status: 200, body: { active: false } });
    expect(await active('True')).toMatchObject({ status: 200, body: { active: true } });
    expect(await idp.send('DELETE', `/Users/${id}`)).toMatchObject({ status: 204 });
    expect((await idp.find(`externalId eq "${guid}"`)).body['totalResults']).toBe(0);
  });

  it('gives a role by its path, and takes it back', async () => {
    const full = await makeProvider(service, { scopes: ['workspace:admin'] });
    const { body } = await full.create(freshEmail(), { roles: [{ value: 'auditor', primary: true }] });
    expect(body).toMatchObject({ roles: [{ value: 'auditor', primary: true }] });
    const role = async (...operations: readonly unknown[]) => {
      const answer = await full.patch(body['id'], ...operations);
      return [answer.status, (answer.body['roles'] as { value: string }[] | undefined)?.[0]?.value];
    };
    expect(await role({ op: 'Replace', path: 'roles[primary eq "True"].value', value: 'admin' })).toEqual([
      200,
      'admin',
    ]);
    expect(await role({ op: 'Add', path: 'roles', value: [{ value: 'Auditor' }] })).toEqual([200, 'auditor']);
    expect(await role({ op: 'Remove', path: 'roles', value: [{ value: 'admin' }] })).toEqual([200, 'auditor']);
    expect(await role({ op: 'Remove', path: 'roles[value eq "auditor"]' })).toEqual([200, 'member']);
    expect(
      await role({ op: 'Replace', path: 'roles', value: [{ value: 'x' }, { value: 'admin', primary: 'True' }] }),
    ).toEqual([200, 'admin']);
    expect(await role({ op: 'Remove', path: 'roles' })).toEqual([200, 'member']);
    for (const nothing of [[], null]) {
      expect(await role({ op: 'Add', path: 'roles', value: ['auditor'] })).toEqual([200, 'auditor']);
      expect(await role({ op: 'Add', path: 'roles', value: [] })).toEqual([200, 'auditor']);
      expect(await role({ op: 'Replace', path: 'roles', value: nothing })).toEqual([200, 'member']);
    }
    expect(await role({ op: 'Replace', path: 'roles', value: [{ value: 'wizard' }] })).toEqual([400, undefined]);
  });
});

describe('RFC 7644 section 3.3: creating', () => {
  it('a person is active at once, a plain member, and needs nothing but a name', async () => {
    const userName = freshEmail();
    const { status, body } = await idp.create(userName);
    expect([status, body['active'], body['roles']]).toEqual([201, true, [{ value: 'member', primary: true }]]);
    expect(body).not.toHaveProperty('externalId');
    expect(body).not.toHaveProperty('displayName');
    expect(await service.client().members.show(String(body['id']))).toMatchObject({
      email: userName,
      status: 'active',
      name: null,
    });
  });

  it('a person may come in as not active', async () => {
    const { status, body } = await idp.create(freshEmail(), { active: 'false' });
    expect([status, body['active']]).toEqual([201, false]);
    expect(await idp.patch(body['id'], { op: 'replace', value: { active: true } })).toMatchObject({
      body: { active: true },
    });
  });

  it.each([
    ['userName', (one: Record<string, unknown>) => ({ userName: String(one['userName']).toUpperCase() })],
    ['externalId', (one: Record<string, unknown>) => ({ userName: freshEmail(), externalId: one['externalId'] })],
  ])('what is taken is 409 uniqueness: %s', async (_, other) => {
    const first = await idp.create(freshEmail(), { externalId: `ext-${++serial}` });
    const again = other(first.body);
    expect(await idp.create(String(again.userName), again)).toMatchObject(refusal(409, 'uniqueness'));
  });

  it('of twenty at the same moment one is made', async () => {
    const userName = freshEmail();
    const answers = await Promise.all(Array.from({ length: 20 }, () => idp.create(userName)));
    expect(answers.map((one) => one.status).sort()).toEqual([201, ...Array(19).fill(409)]);
    expect((await idp.find(`userName eq "${userName}"`)).body['totalResults']).toBe(1);
  });

  it.each([
    ['no object', []],
    ['no schemas', { userName: 'a@scim.example' }],
    [
      'the schema of something else',
      { schemas: ['urn:ietf:params:scim:schemas:core:2.0:Group'], userName: 'a@scim.example' },
    ],
  ])('%s is 400 invalidSyntax', async (_, json) => {
    const { status, body } = await idp.send('POST', '/Users', json);
    expect([status, ['invalidSyntax', 'invalidValue'].includes(String(body['scimType']))]).toEqual([400, true]);
  });

  it.each([
    ['no userName', {}],
    ['a userName that is no address', { userName: 'ada' }],
    ['a userName that is no text', { userName: ['ada@scim.example'] }],
    ['an empty userName', { userName: '' }],
    ['a userName of null', { userName: null }],
    ['active that is neither', { userName: 'a@scim.example', active: 'yes' }],
    ['active that is a number', { userName: 'a@scim.example', active: 0 }],
    ['a role that is none', { userName: 'a@scim.example', roles: [{ value: 'root' }] }],
    ['a name with a line break', { userName: 'a@scim.example', displayName: 'a\nb' }],
    ['a name that is too long', { userName: 'a@scim.example', displayName: 'a'.repeat(101) }],
    ['an externalId with NUL', { userName: 'a@scim.example', externalId: 'a\u0000' }],
    ['an externalId that is a number', { userName: 'a@scim.example', externalId: 7 }],
  ])('%s is 400 invalidValue', async (_, json) => {
    const answer = await idp.send('POST', '/Users', { schemas: [USER], ...json });
    expect(answer).toMatchObject(refusal(400, 'invalidValue'));
  });

  it('takes names of attributes in any letter case (RFC 7643 section 2.1)', async () => {
    const userName = freshEmail();
    const json = { SCHEMAS: [USER.toUpperCase()], USERNAME: userName, DisplayName: 'Ada', Active: true };
    expect(await idp.send('POST', '/Users', json)).toMatchObject({
      status: 201,
      body: { userName, displayName: 'Ada' },
    });
  });

  it.each([
    ['displayName', { displayName: 'A', name: { formatted: 'B' } }, 'A'],
    ['name.formatted', { name: { formatted: 'B', givenName: 'x', familyName: 'y' } }, 'B'],
    ['the parts of the name', { name: { givenName: 'Ada', familyName: 'Lovelace' } }, 'Ada Lovelace'],
  ])('the name is %s', async (_, more, name) => {
    expect((await idp.create(freshEmail(), more)).body['displayName']).toBe(name);
  });

  it('a removed person who comes again is another member', async () => {
    const userName = freshEmail();
    const first = await idp.create(userName, { externalId: 'again' });
    await idp.send('DELETE', `/Users/${first.body['id']}`);
    const second = await idp.create(userName, { externalId: 'again' });
    expect(second.status).toBe(201);
    expect(second.body['id']).not.toBe(first.body['id']);
    expect((await service.client().members.show(String(first.body['id']))).status).toBe('removed');
    await idp.send('DELETE', `/Users/${second.body['id']}`);
  });
});

describe('RFC 7644 section 3.4.2: finding', () => {
  it('pages by startIndex and count, each person once, in the order of their coming', async () => {
    const own = await createTestService();
    try {
      const provider = await makeProvider(own);
      for (let i = 0; i < 7; i += 1) {
        own.clock.advance(1);
        await provider.create(`p${i}@scim.example`);
      }
      const all = await provider.send('GET', '/Users');
      expect(all.body).toMatchObject({ totalResults: 8, startIndex: 1, itemsPerPage: 8 });
      const paged: unknown[] = [];
      for (const startIndex of [1, 4, 7]) {
        const page = await provider.send('GET', `/Users?startIndex=${startIndex}&count=3`);
        expect(page.body).toMatchObject({ totalResults: 8, startIndex });
        paged.push(...idsOf(page));
      }
      expect(paged).toEqual(idsOf(all));
      expect(idsOf(all)[0]).toBe(printId('mem', own.owner.member.id));
      const beyond = await provider.send('GET', '/Users?startIndex=99');
      expect(beyond.body).toMatchObject({ totalResults: 8, itemsPerPage: 0, Resources: [] });
      expect((await provider.send('GET', '/Users?count=0')).body).toMatchObject({ totalResults: 8, Resources: [] });
      expect((await provider.send('GET', '/Users?count=-1&startIndex=-5')).body).toMatchObject({
        startIndex: 1,
        Resources: [],
      });
      expect((await provider.send('GET', '/Users?count=100000')).body).toMatchObject({ itemsPerPage: 8 });
      const names = (answer: Answered) => resourcesOf(answer).map((one) => one['userName']);
      const sorted = await provider.send('GET', '/Users?sortBy=userName&sortOrder=descending&count=3&startIndex=2');
      expect(names(sorted)).toEqual(['p5@scim.example', 'p4@scim.example', 'p3@scim.example']);
      const filtered = await provider.find(
        'userName sw "P" and not (userName eq "p3@scim.example")',
        '&count=2&startIndex=3',
      );
      expect(filtered.body).toMatchObject({ totalResults: 6, startIndex: 3, itemsPerPage: 2 });
      expect(names(filtered)).toEqual(['p2@scim.example', 'p4@scim.example']);
    } finally {
      await own.close();
    }
  });

  it('shows who is invited as not active, and removed ones not at all', async () => {
    const email = freshEmail();
    const { id } = await service.client().members.invite({ email, role: 'member' });
    expect((await idp.find(`userName eq "${email}"`)).body).toMatchObject({
      totalResults: 1,
      Resources: [{ id, active: false }],
    });
    await service.client().members.remove(id);
    expect((await idp.find(`userName eq "${email}"`)).body).toMatchObject({ totalResults: 0 });
    expect((await idp.find(`id eq "${id}"`)).body).toMatchObject({ totalResults: 0 });
  });

  it.each(['userName', 'password eq "x"', 'userName eq "a" or', 'title pr', '(', ''])(
    'a filter that cannot be read is 400 invalidFilter: %j',
    async (filter) => {
      expect(await idp.find(filter)).toMatchObject(refusal(400, 'invalidFilter'));
    },
  );

  it.each(['count=x', 'startIndex=1.5', 'sortOrder=upwards', 'sortBy=password', 'count=1&count=2'])(
    'a parameter that is none is 400 invalidValue: %s',
    async (query) => {
      expect(await idp.send('GET', `/Users?${query}`)).toMatchObject(refusal(400, 'invalidValue'));
    },
  );

  it('section 3.4.3: the question may be in the body', async () => {
    const userName = freshEmail();
    const { body } = await idp.create(userName);
    const request = new scimmy.Messages.SearchRequest();
    const prepared = request.prepare({ filter: `userName eq "${userName}"`, count: 5, attributes: ['userName'] });
    const answer = await idp.send('POST', '/Users/.search', prepared);
    expect(answer.body).toMatchObject({ totalResults: 1, Resources: [{ id: body['id'], userName }] });
    expect(Object.keys(resourcesOf(answer)[0] ?? {}).sort()).toEqual(['id', 'schemas', 'userName']);
    expect(await idp.send('GET', '/Users/.search')).toMatchObject(refusal(405));
  });

  it.each([
    ['attributes=userName', ['id', 'schemas', 'userName']],
    ['attributes=userName,EMAILS.value', ['emails', 'id', 'schemas', 'userName']],
    [`attributes=${USER}:userName`, ['id', 'schemas', 'userName']],
    ['attributes=nothing', ['id', 'schemas']],
    ['excludedAttributes=id,schemas,userName,emails,roles,meta,active', ['displayName', 'id', 'name', 'schemas']],
    [
      'excludedAttributes=name.formatted,members',
      ['active', 'displayName', 'emails', 'id', 'meta', 'roles', 'schemas', 'userName'],
    ],
    ['attributes=userName&excludedAttributes=userName', ['id', 'schemas', 'userName']],
  ])('section 3.9: %s', async (query, keys) => {
    const { body } = await idp.create(freshEmail(), { displayName: 'Ada' });
    const shown = await idp.send('GET', `/Users/${body['id']}?${query}`);
    expect(Object.keys(shown.body).sort()).toEqual(keys);
  });
});

describe('RFC 7644 section 3.5.1: replacing', () => {
  it('takes away what is left out, but neither the status nor the role', async () => {
    const full = await makeProvider(service, { scopes: ['workspace:admin'] });
    const userName = freshEmail();
    const made = await full.create(userName, {
      externalId: `r-${++serial}`,
      displayName: 'Ada',
      roles: ['auditor'],
      active: false,
    });
    const put = await full.send('PUT', `/Users/${made.body['id']}`, { schemas: [USER], userName });
    expect(put).toMatchObject({ status: 200, body: { userName, active: false, roles: [{ value: 'auditor' }] } });
    expect(put.body).not.toHaveProperty('externalId');
    expect(put.body).not.toHaveProperty('displayName');
    const before = await eventsOf(made.body['id']);
    expect((await full.send('PUT', `/Users/${made.body['id']}`, put.body)).body).toEqual(put.body);
    expect(await eventsOf(made.body['id'])).toEqual(before);
  });

  it('without a userName, or of nobody, is refused', async () => {
    const made = await idp.create(freshEmail());
    expect(await idp.send('PUT', `/Users/${made.body['id']}`, { schemas: [USER] })).toMatchObject(
      refusal(400, 'invalidValue'),
    );
    const nobody = `mem_${'0'.repeat(22)}`;
    const json = { schemas: [USER], userName: freshEmail() };
    for (const id of [nobody, 'nobody', 'tok_0000000000000000000001', '%00', '..%2FUsers']) {
      expect(await idp.send('PUT', `/Users/${id}`, json)).toMatchObject(refusal(404));
    }
    expect((await idp.find(`userName eq "${json.userName}"`)).body['totalResults']).toBe(0);
  });

  it('gives nobody an address that is taken', async () => {
    const [first, second] = [await idp.create(freshEmail()), await idp.create(freshEmail())];
    const json = { schemas: [USER], userName: first.body['userName'], active: false };
    expect(await idp.send('PUT', `/Users/${second.body['id']}`, json)).toMatchObject(refusal(409, 'uniqueness'));
    expect((await idp.send('GET', `/Users/${second.body['id']}`)).body).toEqual(second.body);
  });
});

describe('RFC 7644 section 3.5.2: patching', () => {
  let id: unknown;
  let whole: Record<string, unknown>;
  beforeAll(async () => {
    const made = await idp.create(freshEmail(), { displayName: 'Ada', externalId: `patch-${++serial}` });
    id = made.body['id'];
    whole = made.body;
  });

  it.each([
    ['nothing', [], 'invalidSyntax'],
    ['an operation that is none', [{ op: 'destroy', path: 'active' }], 'invalidSyntax'],
    ['no operation', [{ path: 'active', value: false }], 'invalidSyntax'],
    ['a list', [[]], 'invalidSyntax'],
    ['no value', [{ op: 'replace', path: 'active' }], 'invalidValue'],
    ['a value that is no object, without a path', [{ op: 'add', value: 'x' }], 'invalidValue'],
    ['a path that is none', [{ op: 'replace', path: 'emails[', value: 'x' }], 'invalidPath'],
    ['a path that is no text', [{ op: 'replace', path: 7, value: 'x' }], 'invalidPath'],
    ['an attribute that no schema has', [{ op: 'replace', path: 'foo', value: 'x' }], 'invalidPath'],
    ['an attribute of every object', [{ op: 'remove', path: 'constructor' }], 'invalidPath'],
    ['a removal of nothing', [{ op: 'remove' }], 'noTarget'],
    [
      'a value that is not there',
      [{ op: 'replace', path: 'emails[type eq "home"].value', value: 'x@y.example' }],
      'noTarget',
    ],
    ['the id', [{ op: 'replace', path: 'id', value: 'mem_0000000000000000000001' }], 'mutability'],
    ['the id without a path', [{ op: 'replace', value: { id: 'mem_0000000000000000000001' } }], 'mutability'],
    ['meta', [{ op: 'replace', path: 'meta.created', value: '2020-01-01T00:00:00Z' }], 'mutability'],
    ['groups', [{ op: 'add', path: 'groups', value: [{ value: 'x' }] }], 'mutability'],
    ['a removal of the address', [{ op: 'remove', path: 'userName' }], 'mutability'],
    ['a removal of the status', [{ op: 'remove', path: 'active' }], 'mutability'],
    ['an address that is none', [{ op: 'replace', path: 'userName', value: 'x' }], 'invalidValue'],
    ['no address', [{ op: 'replace', path: 'userName', value: null }], 'invalidValue'],
    ['a status that is none', [{ op: 'replace', path: 'active', value: 'perhaps' }], 'invalidValue'],
    ['no status', [{ op: 'replace', path: 'active', value: null }], 'invalidValue'],
    ['no status, without a path', [{ op: 'replace', value: { active: null } }], 'invalidValue'],
    ['a status in an object', [{ op: 'replace', path: 'active', value: { value: false } }], 'invalidValue'],
    [
      'something sound, and then something that is not',
      [
        { op: 'replace', path: 'active', value: false },
        { op: 'add', path: 'foo', value: 1 },
      ],
      'invalidPath',
    ],
  ])('%s is refused, and nothing is changed', async (_, operations, scimType) => {
    expect(await idp.patch(id, ...operations)).toMatchObject(refusal(400, scimType));
    expect((await idp.send('GET', `/Users/${id}`)).body).toEqual(whole);
  });

  it('without its schema is refused', async () => {
    const json = { Operations: [{ op: 'replace', path: 'active', value: false }] };
    for (const schemas of [undefined, [], [USER], 'urn:ietf:params:scim:api:messages:2.0:PatchOp']) {
      expect(await idp.send('PATCH', `/Users/${id}`, { schemas, ...json })).toMatchObject(
        refusal(400, 'invalidSyntax'),
      );
    }
  });

  it('adds, replaces and removes', async () => {
    const made = await idp.create(freshEmail(), { displayName: 'Ada', externalId: `steps-${++serial}` });
    const step = async (...operations: readonly unknown[]) => (await idp.patch(made.body['id'], ...operations)).body;
    expect(await step({ op: 'remove', path: 'displayName' })).not.toHaveProperty('displayName');
    expect(await step({ op: 'add', path: 'name', value: { formatted: 'B' } })).toMatchObject({ displayName: 'B' });
    expect(await step({ op: 'add', path: `${USER}:displayName`, value: 'C' })).toMatchObject({ displayName: 'C' });
    expect(await step({ op: 'remove', path: 'name.formatted' })).not.toHaveProperty('name');
    expect(await step({ op: 'remove', path: 'externalId' })).not.toHaveProperty('externalId');
    expect(await step({ op: 'add', value: { externalId: `more-${++serial}` } })).toHaveProperty('externalId');
    const [one, two] = [freshEmail(), freshEmail()];
    expect(
      await step({
        op: 'replace',
        path: 'emails',
        value: [
          { value: 'x', type: 'home' },
          { value: one, primary: true },
        ],
      }),
    ).toMatchObject({ userName: one });
    expect(await step({ op: 'add', path: 'emails[type eq "home"].value', value: two })).toMatchObject({
      userName: one,
    });
    expect(
      await step({ op: 'replace', value: { userName: two, emails: [{ value: one, primary: true }] } }),
    ).toMatchObject({ userName: two, emails: [{ value: two }] });
    expect(await step({ op: 'remove', path: 'emails[type eq "work"]' })).toMatchObject({ userName: two });
    expect(
      await step({ op: 'replace', path: 'active', value: false }, { op: 'replace', path: 'active', value: true }),
    ).toMatchObject({ active: true });
    expect(
      await step({ op: 'replace', value: { id: made.body['id'], schemas: [USER], displayName: 'D' } }),
    ).toMatchObject({ displayName: 'D' });
    expect(await step({ op: 'add', path: 'nickName', value: 'x' }, { op: 'remove', path: 'title' })).not.toHaveProperty(
      'nickName',
    );
  });

  it('of two at the same moment both are done, one after the other', async () => {
    const made = await idp.create(freshEmail());
    const names = Array.from({ length: 8 }, (_, at) => ({ op: 'replace', path: 'displayName', value: `N${at}` }));
    const answers = await Promise.all([
      ...names.map((operation) => idp.patch(made.body['id'], operation)),
      idp.patch(made.body['id'], { op: 'replace', value: { active: false } }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual(Array(9).fill(200));
    expect((await idp.send('GET', `/Users/${made.body['id']}`)).body).toMatchObject({
      active: false,
      displayName: expect.stringMatching(/^N\d$/),
    });
  });
});

describe('RFC 7644 section 4: what there is', () => {
  const publicly = (path: string) => idp.send('GET', path, undefined, { token: null });

  it('/ServiceProviderConfig says so, to anybody (RFC 7643 section 5)', async () => {
    const { status, body } = await publicly('/ServiceProviderConfig');
    expect(status).toBe(200);
    expect(body).toMatchObject({
      schemas: ['urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig'],
      patch: { supported: true },
      bulk: { supported: false },
      filter: { supported: true, maxResults: 200 },
      changePassword: { supported: false },
      sort: { supported: true },
      etag: { supported: false },
      authenticationSchemes: [{ type: 'oauthbearertoken' }],
      meta: { location: `${ISSUER}/scim/v2/ServiceProviderConfig`, resourceType: 'ServiceProviderConfig' },
    });
  });

  it('/ResourceTypes and /Schemas name the person, and what is kept', async () => {
    const types = await publicly('/ResourceTypes');
    expect(types.body).toMatchObject({
      totalResults: 1,
      Resources: [{ id: 'User', endpoint: '/Users', schema: USER }],
    });
    expect((await publicly('/ResourceTypes/User')).body).toEqual(resourcesOf(types)[0]);
    const schemas = await publicly('/Schemas');
    const [schema] = resourcesOf(schemas);
    expect((await publicly(`/Schemas/${USER}`)).body).toEqual(schema);
    expect(schema).toMatchObject({ id: USER, meta: { location: `${ISSUER}/scim/v2/Schemas/${USER}` } });
    const attributes = schema?.['attributes'] as { name: string; type: string; mutability: string }[];
    expect(attributes.map(({ name }) => name)).toEqual([
      'userName',
      'name',
      'displayName',
      'active',
      'emails',
      'roles',
    ]);
    for (const one of attributes) expect(one).toMatchObject({ type: expect.any(String), mutability: 'readWrite' });
  });

  it.each([
    '/ResourceTypes/Group',
    '/Schemas/urn:ietf:params:scim:schemas:core:2.0:Group',
    '/Schemas/__proto__',
    '/Nothing',
    '',
  ])('nothing is at %s', async (path) => {
    expect(await publicly(path)).toMatchObject(refusal(404));
  });

  it.each(['/ServiceProviderConfig', '/ResourceTypes', '/Schemas'])('%s takes no filter: 403', async (path) => {
    expect(await publicly(`${path}?filter=id%20pr`)).toMatchObject(refusal(403));
  });

  it.each([
    ['GET', '/Me'],
    ['PATCH', '/Me'],
    ['POST', '/Bulk'],
  ])('%s %s is 501 (sections 3.7 and 3.11)', async (method, path) => {
    expect(await idp.send(method, path, method === 'GET' ? undefined : {})).toMatchObject(refusal(501));
  });
});

describe('RFC 7644 section 3.12: refusals', () => {
  it('have one form, whatever they are', async () => {
    const big = JSON.stringify({ schemas: [USER], userName: freshEmail(), title: 'x'.repeat(70_000) });
    const reader = await makeProvider(service, { scopes: ['members:read'] });
    const cases: readonly (readonly [number, string | undefined, Promise<Answered>])[] = [
      [
        400,
        'invalidSyntax',
        idp.send('POST', '/Users', undefined, { body: '{', headers: { 'content-type': 'application/scim+json' } }),
      ],
      [401, undefined, idp.send('GET', '/Users', undefined, { token: null })],
      [401, undefined, idp.send('GET', '/Users', undefined, { token: 'cst_noise' })],
      [403, undefined, reader.create(freshEmail())],
      [404, undefined, idp.send('GET', '/Users/nobody')],
      [405, undefined, idp.send('PUT', '/Users', {})],
      [
        413,
        undefined,
        idp.send('POST', '/Users', undefined, { body: big, headers: { 'content-type': 'application/scim+json' } }),
      ],
      [
        415,
        undefined,
        idp.send('POST', '/Users', undefined, { body: '{}', headers: { 'content-type': 'text/plain' } }),
      ],
    ];
    for (const [status, scimType, asked] of cases) {
      const answer = await asked;
      expect(answer).toMatchObject(refusal(status, scimType));
      expect(answer.headers.get('content-type')).toBe('application/scim+json');
      expect(answer.headers.get('cache-control')).toBe('no-store');
      if (status === 401 || status === 403) expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer /);
    }
  });

  it('a database that is away is 503 with Retry-After', async () => {
    const own = await createTestService();
    const provider = await makeProvider(own);
    await own.service.close();
    const answer = await provider.send('GET', '/Users');
    expect(answer).toMatchObject(refusal(503));
    expect(answer.headers.get('retry-after')).toBe('1');
    await own.db.close();
    await own.database.drop();
  });

  it('section 3.1: application/json is taken too', async () => {
    const json = { schemas: [USER], userName: freshEmail() };
    const headers = { 'content-type': 'application/json; charset=utf-8' };
    expect((await idp.send('POST', '/Users', json, { headers })).status).toBe(201);
  });
});

describe('an independent client (scimmy)', () => {
  it('reads people, lists, kinds and schemas as they are answered', async () => {
    const { body } = await idp.create(freshEmail(), { displayName: 'Ada' });
    const user = new scimmy.Schemas.User(body, 'both');
    expect([user.id, user.userName, user.active]).toEqual([body['id'], body['userName'], true]);
    const list = new scimmy.Messages.ListResponse((await idp.send('GET', '/Users?count=5')).body as never);
    expect(list.Resources.length).toBeGreaterThan(0);
    const config = (await idp.send('GET', '/ServiceProviderConfig')).body;
    expect(() => new scimmy.Schemas.ServiceProviderConfig(config)).not.toThrow();
  });
});
