import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { printId } from '../../src/rules/format.js';
import { SERVICE_SCOPES } from '../../src/rules/scope.js';
import type { SignIn } from '../../src/store/workspaces.js';
import type { MintRequest } from '../../src/wire/resources.js';
import { createTestService, type TestService } from '../setup/service.js';
import { raw } from './raw.js';

type Person = { id: string; token: string };

let service: TestService;
let people: Record<'owner' | 'admin' | 'admin2' | 'member' | 'member2' | 'auditor', Person>;

beforeAll(async () => {
  service = await createTestService();
  await service.makeWorkflow('nightly');
  people = {
    owner: await service.makeMember('owner'),
    admin: await service.makeMember('admin'),
    admin2: await service.makeMember('admin'),
    member: await service.makeMember('member'),
    member2: await service.makeMember('member'),
    auditor: await service.makeMember('auditor'),
  };
});
afterAll(() => service.close());

const asked = (request: Partial<MintRequest>) => ({
  workflow: 'nightly',
  scopes: ['repo:read'],
  expires_in_days: 30,
  ...request,
});
const mintBy = (token: string, request: Partial<MintRequest>) =>
  raw(service, 'POST', '/v1/tokens', { token, json: asked(request) });
const made = (who: Person, request: Partial<MintRequest>) => service.client(who.token).tokens.mint(asked(request));

describe('minting hands on no more than the caller holds', () => {
  it.each(['member', 'auditor'] as const)('a %s cannot mint what its role cannot use', async (role) => {
    for (const scope of SERVICE_SCOPES) {
      const answer = await mintBy(people[role].token, { scopes: [scope] });
      const own = ['tokens:read', 'tokens:mint', 'tokens:rotate', 'tokens:revoke', 'workflows:read'];
      expect([scope, answer.status]).toEqual([scope, role === 'member' && own.includes(scope) ? 201 : 403]);
    }
  });

  it('a token without tokens:mint mints nothing', async () => {
    const { token } = await service.seedToken({ scopes: ['repo:*', 'tokens:read', 'tokens:rotate'] });
    expect((await mintBy(token, {})).status).toBe(403);
  });

  it('a token mints no service scope that it does not hold, in whatever disguise', async () => {
    await service.makeWorkflow('generous', { allowed_scopes: ['repo:*', 'tokens:*', 'workspace:*', 'members:*'] });
    const { token } = await service.seedToken({ scopes: ['tokens:mint', 'tokens:read'] });
    for (const scope of [
      'tokens:*',
      'tokens:rotate',
      'workspace:admin',
      'workspace:*',
      'members:write',
      'members:*',
      'exec:check',
    ]) {
      const answer = await mintBy(token, { workflow: 'generous', scopes: ['tokens:read', scope] });
      expect([scope, answer.status]).toEqual([scope, 403]);
    }
    expect((await mintBy(token, { scopes: ['tokens:read'] })).status).toBe(201);
  });

  it('case and near misses of service scopes are not let through as agent scopes with power', async () => {
    const { token } = await service.seedToken({ scopes: ['tokens:mint'] });
    for (const scope of ['Workspace:admin', 'workspace:admin:x', 'workspace:Admin']) {
      expect([scope, (await mintBy(token, { scopes: [scope] })).status]).toEqual([scope, 422]);
    }
  });

  it('a token that runs jobs mints no agent scope beyond its own', async () => {
    const { token } = await service.seedToken({ scopes: ['tokens:mint', 'codex:exec'] });
    for (const scope of ['repo:read', 'repo:*', 'codex:*', 'codex:exec:more']) {
      expect([scope, (await mintBy(token, { scopes: [scope] })).status]).toEqual([scope, 403]);
    }
    expect((await mintBy(token, { scopes: ['codex:exec', 'tokens:mint'] })).status).toBe(201);
  });

  it('a token mints nothing that reaches further than itself', async () => {
    const { token } = await service.seedToken({
      scopes: ['tokens:mint'],
      constraints: { repositories: ['acme/shop'], networks: ['0.0.0.0/0'] },
    });
    for (const constraints of [
      undefined,
      { repositories: ['acme/shop'] },
      { repositories: ['acme/*'], networks: ['0.0.0.0/0'] },
      { repositories: ['acme/shop', 'acme/site'], networks: ['0.0.0.0/0'] },
    ]) {
      const answer = await mintBy(token, { scopes: ['tokens:mint'], constraints });
      expect([constraints, answer.status]).toEqual([constraints, 403]);
    }
    const within = { repositories: ['acme/shop'], networks: ['10.0.0.0/8'] };
    expect((await mintBy(token, { scopes: ['tokens:mint'], constraints: within })).status).toBe(201);
  });

  it('a token is bound by what its workflow says today, also when it mints for another workflow', async () => {
    await service.makeWorkflow('narrowing', { allowed_scopes: ['repo:*'] });
    const { token } = await service.seedToken({ workflow: 'narrowing', scopes: ['tokens:mint', 'repo:read'] });
    await service.makeWorkflow('narrowing', {
      allowed_scopes: ['repo:*'],
      constraints: { repositories: ['acme/shop'] },
    });
    expect((await mintBy(token, {})).status).toBe(403);
    expect((await mintBy(token, { constraints: { repositories: ['acme/shop'] } })).status).toBe(201);
  });

  it('what is minted belongs to who minted it: nobody mints in the name of another', async () => {
    const answer = await raw(service, 'POST', '/v1/tokens', {
      token: people.member.token,
      json: { ...asked({}), creator_id: people.owner.id },
    });
    expect(answer.status).toBe(422);
    const minted = await made(people.member, {});
    expect([minted.creator.id, minted.owner.id]).toEqual([people.member.id, people.member.id]);
  });

  it("nobody mints for the service's own workflow", async () => {
    for (const workflow of ['countersign', 'countersign.x']) {
      const answer = await mintBy(people.owner.token, { workflow, scopes: ['workspace:admin'], expires_in_days: 7 });
      expect([workflow, answer.status]).toEqual([workflow, 422]);
    }
  });
});

describe('rotating another token takes over no more than the caller holds', () => {
  const rotateBy = (token: string, id: string) => raw(service, 'POST', `/v1/tokens/${id}/rotate`, { token, json: {} });
  const signInOf = async (who: Person) => (await service.client(who.token).me()).token.id;

  it("an admin cannot get hold of an owner's token", async () => {
    const minted = await made(people.owner, { scopes: ['workspace:admin'] });
    for (const id of [await signInOf(people.owner), minted.id, printId('tok', service.owner.tokenId)]) {
      expect((await rotateBy(people.admin.token, id)).status).toBe(403);
      expect((await service.client().tokens.show(id)).rotated_to).toBeNull();
    }
    const single = await made(people.owner, { scopes: ['members:write'] });
    expect((await rotateBy(people.admin.token, single.id)).status).toBe(403);
  });

  it('an admin rotates what runs jobs, whoever made it, and what its own role could have made', async () => {
    const job = await made(people.owner, { scopes: ['repo:read', 'codex:exec'] });
    const peer = await made(people.admin2, { scopes: ['workspace:admin'] });
    const lower = await made(people.member, { scopes: ['tokens:mint'] });
    for (const { id } of [job, peer, lower]) expect((await rotateBy(people.admin.token, id)).status).toBe(201);
  });

  it("a member who was handed an admin's token cannot act as an admin through it", async () => {
    const powerful = await made(people.admin, { scopes: ['tokens:revoke', 'tokens:read'] });
    const job = await made(people.admin, { scopes: ['repo:read'] });
    for (const { id } of [powerful, job]) {
      await service.client().tokens.transfer(id, { owner_id: people.member.id });
    }
    expect((await rotateBy(people.member.token, powerful.id)).status).toBe(403);
    expect((await rotateBy(people.member.token, job.id)).status).toBe(201);
  });

  it("a member who was handed an auditor's token sees no more through it", async () => {
    const promoted = await service.makeMember('member');
    const minted = await made(promoted, { scopes: ['tokens:read'] });
    await service.client().members.patch(promoted.id, { role: 'auditor' });
    await service.client().tokens.transfer(minted.id, { owner_id: people.member.id });
    expect((await rotateBy(people.member.token, minted.id)).status).toBe(403);
  });

  it('a token rotates no token with scopes that it lacks', async () => {
    const { token } = await made(people.member, { scopes: ['tokens:rotate'] });
    const stronger = await made(people.member, { scopes: ['tokens:rotate', 'tokens:mint'] });
    const same = await made(people.member, { scopes: ['tokens:rotate'] });
    expect((await rotateBy(token, stronger.id)).status).toBe(403);
    expect((await rotateBy(token, same.id)).status).toBe(201);
  });

  it('a token that runs jobs rotates no other job beyond its own scopes and constraints', async () => {
    const constraints = { repositories: ['acme/shop'] };
    const { token } = await made(people.member, { scopes: ['tokens:rotate', 'repo:read'], constraints });
    const wider = await made(people.member, { scopes: ['repo:read'] });
    const more = await made(people.member, { scopes: ['repo:write'], constraints });
    const within = await made(people.member, { scopes: ['repo:read'], constraints });
    expect((await rotateBy(token, wider.id)).status).toBe(403);
    expect((await rotateBy(token, more.id)).status).toBe(403);
    expect((await rotateBy(token, within.id)).status).toBe(201);
  });

  it("a member does not even find another member's token", async () => {
    const hidden = await made(people.member2, {});
    expect((await rotateBy(people.member.token, hidden.id)).status).toBe(404);
  });

  it('an auditor rotates, revokes and hands over nothing, its own token included', async () => {
    const target = await made(people.member, {});
    for (const [verb, json] of [
      ['rotate', {}],
      ['revoke', { reason: 'other' }],
      ['transfer', { owner_id: people.auditor.id }],
    ] as const) {
      const answer = await raw(service, 'POST', `/v1/tokens/${target.id}/${verb}`, {
        token: people.auditor.token,
        json,
      });
      expect([verb, answer.status]).toEqual([verb, 403]);
    }
  });
});

describe('revoking', () => {
  it('a member revokes only its own, one by one and in bulk', async () => {
    const other = await made(people.member2, {});
    const one = await raw(service, 'POST', `/v1/tokens/${other.id}/revoke`, {
      token: people.member.token,
      json: { reason: 'other' },
    });
    expect(one.status).toBe(404);
    for (const selector of [
      { workflow: 'nightly' },
      { workspace: true },
      { issued_before: '2999-01-01T00:00:00Z' },
      { lineage_id: other.id },
      { creator_id: people.member2.id },
    ]) {
      const answer = await raw(service, 'POST', '/v1/revocations', {
        token: people.member.token,
        json: { reason: 'other', dry_run: true, ...selector },
      });
      expect([selector, answer.status]).toEqual([selector, 403]);
    }
    const own = await raw(service, 'POST', '/v1/revocations', {
      token: people.member.token,
      json: { reason: 'other', dry_run: true, creator_id: people.member.id },
    });
    expect(own.status).toBe(200);
  });

  it('a token may always revoke itself, and without tokens:revoke no other', async () => {
    const [one, other] = [await made(people.member, {}), await made(people.member, {})];
    const json = { reason: 'leaked' };
    const refused = await raw(service, 'POST', `/v1/tokens/${other.id}/revoke`, { token: one.token, json });
    expect(refused.status).toBe(403);
    expect((await raw(service, 'POST', '/v1/tokens/self/revoke', { token: one.token, json })).status).toBe(200);
    expect(await service.client().introspect(one.token)).toEqual({ active: false });
  });
});

describe('people and rules', () => {
  const inviteBy = (token: string, role: string) =>
    raw(service, 'POST', '/v1/members', { token, json: { email: `${role}-${Math.random()}@x.example`, role } });
  const allow = (token: string, label: string, scopes: string[], more: object = {}) =>
    raw(service, 'PUT', `/v1/workflows/${label}`, { token, json: { allowed_scopes: scopes, ...more } });

  it('a token invites nobody into a role with more than the token itself', async () => {
    const { token } = await made(people.owner, { scopes: ['members:write', 'members:read'] });
    for (const role of ['owner', 'admin', 'member', 'auditor']) {
      expect([role, (await inviteBy(token, role)).status]).toEqual([role, 403]);
    }
    for (const role of ['owner', 'admin']) {
      expect([role, (await inviteBy(people.admin.token, role)).status]).toEqual([role, 403]);
    }
    for (const role of ['member', 'auditor']) {
      expect([role, (await inviteBy(people.admin.token, role)).status]).toEqual([role, 201]);
    }
  });

  it('a token raises nobody to a role with more than the token itself', async () => {
    const { token } = await made(people.owner, { scopes: ['members:write'] });
    for (const role of ['owner', 'admin', 'auditor']) {
      const answer = await raw(service, 'PATCH', `/v1/members/${people.member.id}`, { token, json: { role } });
      expect([role, answer.status]).toEqual([role, 403]);
    }
    const self = await raw(service, 'PATCH', `/v1/members/${people.admin.id}`, {
      token: people.admin.token,
      json: { role: 'owner' },
    });
    expect(self.status).toBe(403);
  });

  it('a token puts no scope into a rule that it could not hand on', async () => {
    const { token } = await made(people.owner, { scopes: ['workflows:write', 'tokens:mint'] });
    for (const scope of ['workspace:admin', 'members:write', 'workspace:*', 'tokens:*']) {
      expect([scope, (await allow(token, 'mine', [scope])).status]).toEqual([scope, 403]);
    }
    const job = await made(people.owner, { scopes: ['workflows:write', 'repo:read'] });
    expect((await allow(job.token, 'mine', ['repo:*'])).status).toBe(403);
    expect((await allow(job.token, 'mine', ['repo:read'])).status).toBe(201);
  });

  it('a token that its workflow binds today does not free itself by writing that rule anew', async () => {
    await service.makeWorkflow('binding', { allowed_scopes: ['repo:*'] });
    const { token } = await service.seedToken({ workflow: 'binding', scopes: ['workflows:write', 'repo:read'] });
    const constraints = { repositories: ['acme/shop'] };
    await service.makeWorkflow('binding', { allowed_scopes: ['repo:*'], constraints });
    expect((await allow(token, 'binding', ['repo:*'])).status).toBe(403);
    expect((await allow(token, 'binding', ['repo:*'], { constraints: { repositories: ['acme/*'] } })).status).toBe(403);
    expect((await allow(token, 'free', ['repo:read'])).status).toBe(403);
    expect((await allow(token, 'bound', ['repo:read'], { constraints })).status).toBe(201);
  });

  it('a member writes no rule', async () => {
    expect((await allow(people.member.token, 'mine-too', ['repo:read'])).status).toBe(403);
    expect((await raw(service, 'POST', '/v1/workflows/nightly/pause', { token: people.member.token })).status).toBe(
      403,
    );
  });
});

describe('an invitation is good for nothing but to accept it', () => {
  it('opens no endpoint, mints, rotates and introspects nothing', async () => {
    const { invitation } = await service.client().members.invite({ email: 'new@acme.example', role: 'admin' });
    for (const [method, path, json] of [
      ['GET', '/v1/me', undefined],
      ['GET', '/v1/tokens', undefined],
      ['POST', '/v1/tokens', asked({})],
      ['POST', '/v1/tokens/self/rotate', {}],
      ['POST', '/v1/exec/checks', { workflow: 'countersign' }],
    ] as const) {
      const answer = await raw(service, method, path, json ? { token: invitation, json } : { token: invitation });
      expect([path, answer.status]).toEqual([path, 401]);
    }
    const form = { token: invitation };
    expect((await raw(service, 'POST', '/oauth2/introspect', { token: invitation, form })).status).toBe(401);
    expect((await raw(service, 'POST', '/oauth2/introspect', { form })).text).toBe('{"active":false}');
    expect((await service.client(null).members.accept(invitation)).role).toBe('admin');
    expect((await raw(service, 'POST', '/v1/members/accept', { token: invitation })).status).toBe(401);
  });

  it('a token is no invitation', async () => {
    expect((await raw(service, 'POST', '/v1/members/accept', { token: people.admin.token })).status).toBe(401);
  });
});

describe("another workspace's things are not found", () => {
  let foreign: SignIn;
  beforeAll(async () => {
    foreign = await service.makeWorkspace('foreign');
  });

  it('tokens, to show, explain, rotate, revoke and hand over, with the same answer as what is not there', async () => {
    const { id } = await service.seedToken();
    const nothing = `tok_${'0'.repeat(21)}7`;
    for (const [method, verb, json] of [
      ['GET', '', undefined],
      ['GET', '/explain', undefined],
      ['POST', '/rotate', {}],
      ['POST', '/revoke', { reason: 'other' }],
      ['POST', '/transfer', { owner_id: printId('mem', foreign.member.id) }],
    ] as const) {
      const ask = (of: string) =>
        raw(service, method, `/v1/tokens/${of}${verb}`, {
          token: foreign.printed,
          headers: { 'x-request-id': 'same' },
          ...(json ? { json } : {}),
        });
      const [theirs, none] = [await ask(id), await ask(nothing)];
      expect([verb, theirs.status]).toEqual([verb, 404]);
      expect(theirs.text.replace(id, nothing)).toBe(none.text);
      expect([...theirs.headers]).toEqual([...none.headers]);
    }
  });

  it('lists, filters, cursors and bulk revocations stay inside', async () => {
    const { id } = await service.seedToken();
    const list = await service.client(foreign.printed).tokens.list();
    expect(list.data.map((token) => token.id)).toEqual([printId('tok', foreign.tokenId)]);
    const cursor = Buffer.from(`tokens:${id}`).toString('base64url');
    const beyond = await service.client(foreign.printed).tokens.list({ cursor });
    expect(beyond.data.every((token) => token.workspace_id === printId('ws', foreign.workspace.id))).toBe(true);
    const mine = printId('mem', service.owner.member.id);
    expect((await service.client(foreign.printed).tokens.list({ creator: mine })).data).toEqual([]);
    for (const selector of [{ lineage_id: id }, { creator_id: mine }, { workflow: 'nightly' }]) {
      const answer = await service.client(foreign.printed).tokens.revokeMany({ reason: 'other', ...selector });
      expect(answer).toEqual({ revoked: 0, token_ids: [] });
    }
  });

  it('its tokens are inactive to who asks, in an introspection and in an exec check', async () => {
    const { token } = await service.seedToken();
    expect(await service.client(foreign.printed).introspect(token)).toEqual({ active: false });
    const check = await service.client(foreign.printed).execChecks.check({ token, workflow: 'nightly' });
    expect(check).toMatchObject({ decision: 'deny', token: { active: false } });
    expect((await service.client(foreign.printed).execChecks.show(check.check_id)).token_id).toBeNull();
    expect(await service.client().introspect(token)).toMatchObject({ active: true });
  });
});
