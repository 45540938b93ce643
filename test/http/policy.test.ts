import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { addDays } from '../../src/rules/lifetime.js';
import { type Client, ProblemError } from '../../src/sdk/index.js';
import type { PolicyRequest } from '../../src/wire/policy-resources.js';
import type { MintRequest } from '../../src/wire/resources.js';
import { type Answered, send } from '../setup/request.js';
import { createTestService, type TestService } from '../setup/service.js';

let service: TestService;
let other: TestService;
let client: Client;
beforeAll(async () => {
  service = await createTestService();
  other = await createTestService({ database: service.database, keys: service.keys, at: service.clock.now() });
  client = service.client();
});
beforeEach(() => client.policy.remove());
afterAll(async () => {
  await other.close();
  await service.close();
});

let serial = 0;
/** A workflow of its own, wide unless it says otherwise, and a token of it. */
async function seed(request: Partial<MintRequest> = {}, by = client) {
  serial += 1;
  const workflow = request.workflow ?? `flow-${serial}`;
  if (request.workflow === undefined) await service.makeWorkflow(workflow, { allowed_scopes: ['repo:*', 'codex:*'] });
  const minted = await by.tokens.mint({ workflow, scopes: ['repo:read'], expires_in_days: 30, ...request });
  return { workflow, id: minted.id, token: minted.token };
}

const isActive = async (token: string, on = service) =>
  (await on.client(service.owner.printed).introspect(token)).active;
const mint = (json: unknown, token = service.owner.printed) => send(service, 'POST', '/v1/tokens', { token, json });
const pointers = ({ body }: Answered) => (body['errors'] as { pointer: string }[]).map(({ pointer }) => pointer);
const put = (request: PolicyRequest, token: string | null = service.owner.printed) =>
  send(service, 'PUT', '/v1/policy', { token, json: request });
const statusOf = async (id: string) => (await client.tokens.show(id)).status;

describe('the policy of a workspace', () => {
  it('bounds nothing until it is set, and again after {} or DELETE', async () => {
    const none = {
      enforcement: 'report',
      longest_expiry_days: null,
      allowed_scopes: null,
      required_constraints: null,
      allowed_repositories: null,
      max_tokens_per_workflow: null,
      minters: null,
      freeze_unused_after_days: null,
    };
    expect(await client.policy.show()).toEqual(none);
    const set = { ...none, enforcement: 'block', allowed_scopes: ['repo:*'], minters: ['admin'] } as const;
    const outcome = await client.policy.put({ enforcement: 'block', allowed_scopes: ['repo:*'], minters: ['admin'] });
    expect(outcome.policy).toEqual(set);
    expect(await client.policy.show()).toEqual(set);
    expect((await client.policy.put({})).policy).toEqual(none);
    expect(await client.policy.show()).toEqual(none);
    await client.policy.put({ longest_expiry_days: 7 });
    await client.policy.remove();
    expect(await client.policy.show()).toEqual(none);
  });

  it('is on record with what it was before, once for each change', async () => {
    const before = (await client.auditEvents({ action: 'policy.set', limit: 200 })).data.length;
    await client.policy.put({ longest_expiry_days: 7 });
    await client.policy.put({ longest_expiry_days: 7 });
    await client.policy.put({ longest_expiry_days: 30, enforcement: 'block' });
    const events = (await client.auditEvents({ action: 'policy.set', limit: 200 })).data.slice(before);
    expect(events.map(({ data }) => data)).toMatchObject([
      { before: { longest_expiry_days: null }, after: { longest_expiry_days: 7, enforcement: 'report' } },
      { before: { longest_expiry_days: 7 }, after: { longest_expiry_days: 30, enforcement: 'block' } },
    ]);
    expect(events[0]?.target).toBe((await client.me()).workspace.id);
  });

  it('refuses what is none', async () => {
    for (const [json, pointer] of [
      [{ allowed_scopes: [] }, '#/allowed_scopes'],
      [{ required_constraints: [] }, '#/required_constraints'],
      [{ required_constraints: ['moons'] }, '#/required_constraints/0'],
      [{ allowed_repositories: [] }, '#/allowed_repositories'],
      [{ allowed_repositories: ['acme'] }, '#/allowed_repositories/0'],
      [{ minters: [] }, '#/minters'],
      [{ minters: ['auditor'] }, '#/minters/0'],
      [{ longest_expiry_days: 0 }, '#/longest_expiry_days'],
      [{ max_tokens_per_workflow: 0 }, '#/max_tokens_per_workflow'],
      [{ enforcement: 'maybe' }, '#/enforcement'],
      [{ longest_days: 7 }, '#/longest_days'],
    ] as const) {
      const answer = await send(service, 'PUT', '/v1/policy', { json });
      expect([answer.status, ...pointers(answer)], JSON.stringify(json)).toEqual([422, pointer]);
    }
  });

  it('is no token of a workflow’s to change, whatever it holds', async () => {
    const { token } = await seed({ scopes: ['workspace:admin'] });
    for (const answer of [await put({}, token), await send(service, 'DELETE', '/v1/policy', { token })]) {
      expect(answer.status).toBe(403);
      expect(answer.body['detail']).toContain('a token of a workflow cannot change the policy');
    }
  });

  it('of one workspace is nothing to another', async () => {
    const foreign = service.client((await service.makeWorkspace(`other-${++serial}`)).printed);
    await client.policy.put({ enforcement: 'block', allowed_scopes: ['x:y'] });
    expect((await foreign.policy.show()).allowed_scopes).toBeNull();
    await foreign.workflows.put('flow', { allowed_scopes: ['repo:*'] });
    const minted = await foreign.tokens.mint({ workflow: 'flow', scopes: ['repo:read'], expires_in_days: 7 });
    expect((await foreign.introspect(minted.token)).active).toBe(true);
    expect((await foreign.policy.dryRun({ longest_expiry_days: 1 })).not_complying).toBe(1);
  });

  it('cannot lock an owner out: sign-in tokens are beyond it, and an owner always may mint', async () => {
    const admin = await service.makeMember('admin');
    const all: PolicyRequest = {
      enforcement: 'block',
      minters: ['member'],
      longest_expiry_days: 1,
      allowed_scopes: ['x:y'],
    };
    expect((await put(all, admin.token)).status).toBe(200);
    expect((await client.me()).role).toBe('owner');
    expect((await put({ minters: ['member'] })).status).toBe(200);
    await expect(seed()).resolves.toBeDefined();
    const invited = await client.members.invite({ email: `late-${serial}@acme.example`, role: 'member' });
    await expect(service.client(null).members.accept(invited.invitation)).resolves.toBeDefined();
  });

  it('is not set by whose role ended meanwhile', async () => {
    const admin = await service.makeMember('admin');
    const [set, demoted] = await Promise.all([
      put({ longest_expiry_days: 1 }, admin.token),
      client.members.patch(admin.id, { role: 'member' }),
    ]);
    expect(demoted.role).toBe('member');
    expect([200, 403]).toContain(set.status);
    expect((await put({}, admin.token)).status).toBe(403);
  });
});

describe('a token that is minted', () => {
  it('complies, whether the policy blocks or reports; each fault is named', async () => {
    const { workflow } = await seed();
    for (const enforcement of ['report', 'block'] as const) {
      await client.policy.put({
        enforcement,
        longest_expiry_days: 7,
        allowed_scopes: ['repo:*'],
        required_constraints: ['refs'],
        allowed_repositories: ['acme/*'],
      });
      const answer = await mint({ workflow, scopes: ['repo:read', 'codex:exec'], expires_in_days: 30 });
      expect([answer.status, ...pointers(answer)]).toEqual([
        422,
        '#/expires_in_days',
        '#/scopes/1',
        '#/constraints/refs',
        '#/constraints/repositories',
      ]);
      const constraints = { refs: ['refs/heads/main'], repositories: ['acme/shop'] };
      const fine = await mint({ workflow, scopes: ['repo:read'], expires_in_days: 7, constraints });
      expect(fine.status).toBe(201);
      expect(await isActive(String(fine.body['token']))).toBe(true);
    }
  });

  it('is not a member’s where only admins may', async () => {
    const member = await service.makeMember('member');
    const { workflow } = await seed();
    await client.policy.put({ minters: ['admin'] });
    const refused = await mint({ workflow, scopes: ['repo:read'], expires_in_days: 7 }, member.token);
    expect(refused.status).toBe(403);
    expect(refused.body['detail']).toContain('the role member');
    const admin = await service.makeMember('admin');
    expect((await mint({ workflow, scopes: ['repo:read'], expires_in_days: 7 }, admin.token)).status).toBe(201);
  });

  it('leaves no trace of a refusal: its Idempotency-Key is free', async () => {
    const { workflow } = await seed();
    const request = { workflow, scopes: ['repo:read'], expires_in_days: 30 };
    const headers = { 'idempotency-key': 'mint-once' };
    const retry = () => send(service, 'POST', '/v1/tokens', { json: request, headers });
    await client.policy.put({ longest_expiry_days: 7 });
    expect((await retry()).status).toBe(422);
    await client.policy.remove();
    const minted = await retry();
    expect(minted.status).toBe(201);
    await client.policy.put({ longest_expiry_days: 7 });
    expect((await retry()).status).toBe(422);
    await client.policy.put({ max_tokens_per_workflow: 2 });
    expect((await retry()).body['id']).toBe(minted.body['id']);
  });

  it('is one of no more than the workflow may have, of 200 at the same time on two nodes', async () => {
    serial += 1;
    const workflow = `crowd-${serial}`;
    await service.makeWorkflow(workflow);
    await client.policy.put({ max_tokens_per_workflow: 7 });
    const request = { workflow, scopes: ['repo:read'], expires_in_days: 7 };
    const nodes = [service, other];
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, at) =>
        send(nodes[at % 2] ?? service, 'POST', '/v1/tokens', { token: service.owner.printed, json: request }),
      ),
    );
    const made = answers.filter(({ status }) => status === 201);
    expect(made).toHaveLength(7);
    // The others found no room, or no place in the queue of the hashes.
    const refused = answers.filter(({ status }) => status === 422);
    expect(answers.every(({ status }) => [201, 422, 503].includes(status))).toBe(true);
    expect(new Set(refused.flatMap(pointers))).toEqual(new Set(['#/workflow']));
    // A rotation needs no room, and gives none.
    const first = String(made[0]?.body['id']);
    const successor = await client.tokens.rotate(first, {});
    expect((await mint(request)).status).toBe(422);
    // Both ways out of a line: its end in favour of the successor, and the end of that one.
    await client.tokens.revoke(successor.id, { reason: 'unused' });
    expect((await mint(request)).status).toBe(422);
    await client.tokens.revoke(first, { reason: 'unused' });
    expect((await mint(request)).status).toBe(201);
    expect((await mint(request)).status).toBe(422);
    const outcome = await client.policy.put({ max_tokens_per_workflow: 3 });
    expect(outcome).toMatchObject({ not_complying: 0, crowded_workflows: [{ workflow, tokens: 7 }] });
  });

  it('waits for a policy that is being set: none slips past it', async () => {
    const { workflow } = await seed();
    for (let round = 0; round < 5; round += 1) {
      await client.policy.remove();
      const [outcome, ...answers] = await Promise.all([
        other.client(service.owner.printed).policy.put({ enforcement: 'block', longest_expiry_days: 7 }),
        ...Array.from({ length: 8 }, () => mint({ workflow, scopes: ['repo:read'], expires_in_days: 30 })),
      ]);
      const made = answers.filter(({ status }) => status === 201).map(({ body }) => body);
      const listed = new Set(outcome.tokens.map(({ id }) => id));
      for (const { id, token } of made) {
        expect(listed.has(String(id))).toBe(true);
        expect(await isActive(String(token))).toBe(false);
        await client.tokens.revoke(String(id), { reason: 'unused' });
      }
    }
  });
});

describe('a token that does not comply', () => {
  it('is listed at once with all that is wrong, and goes on while the policy reports', async () => {
    const { id, token, workflow } = await seed({ scopes: ['codex:exec', 'repo:read'], name: 'old one' });
    const fine = await seed({ scopes: ['repo:read'], expires_in_days: 7 });
    const outcome = await client.policy.put({ longest_expiry_days: 7, allowed_scopes: ['repo:*'] });
    const shown = outcome.tokens.find((one) => one.id === id);
    expect(shown).toMatchObject({
      name: 'old one',
      workflow,
      why: [
        { rule: 'longest_expiry_days', detail: expect.stringContaining('7 days') },
        { rule: 'allowed_scopes', detail: expect.stringContaining('codex:exec') },
      ],
    });
    expect(outcome.tokens.some((one) => one.id === fine.id)).toBe(false);
    expect(await isActive(token)).toBe(true);
    expect(await statusOf(id)).toBe('active');
  });

  it('is inactive on every node once a policy that blocks was answered, and active again without it', async () => {
    const { id, token, workflow } = await seed();
    const fine = await seed({ expires_in_days: 7 });
    for (let round = 0; round < 10; round += 1) {
      await client.policy.put({ enforcement: 'block', longest_expiry_days: 7 });
      for (const node of [service, other]) {
        expect(await isActive(token, node)).toBe(false);
        expect(await isActive(fine.token, node)).toBe(true);
      }
      await client.policy.remove();
      for (const node of [service, other]) expect(await isActive(token, node)).toBe(true);
    }
    await client.policy.put({ enforcement: 'block', longest_expiry_days: 7 });
    expect((await send(service, 'GET', '/v1/me', { token })).status).toBe(401);
    const introspection = await send(service, 'POST', '/oauth2/introspect', { form: `token=${token}` });
    expect(introspection.text).toBe('{"active":false}');
    expect(await statusOf(id)).toBe('suspended');
    const denied = await client.execChecks.check({ token, workflow });
    expect(denied).toMatchObject({ decision: 'deny', token: { active: false }, run_id: null });
    expect(denied.reasons).toEqual([
      { code: 'policy', detail: "the token lives longer than the workspace's policy allows: 7 days" },
    ]);
    expect((await client.execChecks.show(denied.check_id)).reasons).toEqual(denied.reasons);
  });

  it('is only said to be beyond the policy where nothing else ended it, and only to its own workspace', async () => {
    const { id, token, workflow } = await seed();
    await client.policy.put({ enforcement: 'block', longest_expiry_days: 7 });
    const foreign = service.client((await service.makeWorkspace(`else-${++serial}`)).printed);
    await foreign.workflows.put(workflow, {});
    const codes = async (by: Client) =>
      (await by.execChecks.check({ token, workflow })).reasons.map(({ code }) => code);
    expect(await codes(foreign)).toEqual(['inactive']);
    expect(await codes(client)).toEqual(['policy']);
    await client.tokens.revoke(id, { reason: 'leaked' });
    expect(await codes(client)).toEqual(['inactive']);
  });

  it('is found by its status, with those that are held back otherwise', async () => {
    const workflow = (await seed({ expires_in_days: 7 })).workflow;
    const long = await seed({ workflow });
    const rotated = await seed({ workflow });
    await client.tokens.rotate(rotated.id, { expires_in_days: 7 });
    const later = addDays(service.clock.now(), 3).toISOString();
    const early = await seed({ workflow, expires_in_days: 7, not_before: later });
    const by = async (status: 'active' | 'suspended' | 'rotating' | 'not_yet_valid') =>
      (await client.tokens.list({ workflow, status })).data.map(({ id }) => id).sort();
    const held = [rotated.id, long.id].sort();
    expect(await by('suspended')).toEqual([]);
    expect(await by('rotating')).toEqual([rotated.id]);
    await client.policy.put({ enforcement: 'block', longest_expiry_days: 7 });
    expect(await by('suspended')).toEqual(held);
    expect(await by('rotating')).toEqual([]);
    expect(await by('active')).toHaveLength(2);
    expect(await by('not_yet_valid')).toEqual([early.id]);
    const first = await client.tokens.list({ workflow, status: 'suspended', limit: 1 });
    const second = await client.tokens.list({
      workflow,
      status: 'suspended',
      limit: 1,
      cursor: first.next_cursor ?? undefined,
    });
    expect([first, second].flatMap(({ data }) => data.map(({ id }) => id)).sort()).toEqual(held);
  });

  it('is explained, also as it was before', async () => {
    const { id } = await seed();
    service.clock.advance(60);
    const before = service.clock.now();
    service.clock.advance(60);
    await client.policy.put({ enforcement: 'block', longest_expiry_days: 7, allowed_scopes: ['codex:*'] });
    const explained = await client.tokens.explain(id);
    expect(explained.status).toBe('suspended');
    expect(explained.summary).toContain("lives longer than the workspace's policy allows: 7 days; ");
    expect(explained.facts.map(({ fact }) => fact)).toContain('policy.set');
    expect((await client.tokens.explain(id, before.toISOString())).status).toBe('active');
  });

  it('comes by its place: what the workflow of today bounds counts', async () => {
    const { token, workflow } = await seed();
    await client.policy.put({ enforcement: 'block', allowed_repositories: ['acme/*'] });
    expect(await isActive(token)).toBe(false);
    const constraints = { repositories: ['acme/shop'] };
    await client.workflows.put(workflow, { allowed_scopes: ['repo:*'], constraints });
    expect(await isActive(token)).toBe(true);
  });

  it('comes by its creator, whose role counts as it is now', async () => {
    const admin = await service.makeMember('admin');
    const { token } = await seed({}, service.client(admin.token));
    await client.policy.put({ enforcement: 'block', minters: ['admin'] });
    expect(await isActive(token)).toBe(true);
    await client.members.patch(admin.id, { role: 'member' });
    expect(await isActive(token)).toBe(false);
  });

  it('lets its work under way go on, and no further work begin', async () => {
    const { token, workflow } = await seed();
    const { check_id, run_id } = await client.execChecks.check({ token, workflow });
    await client.policy.put({ enforcement: 'block', longest_expiry_days: 7 });
    expect((await service.client(token).runs.renew(run_id ?? '')).status).toBe('running');
    expect((await client.execChecks.check({ token, workflow })).decision).toBe('deny');
    expect((await service.client(token).execChecks.finish(check_id, { exit_code: 0 })).exit_code).toBe(0);
  });

  it('can still be revoked by who holds it (RFC 7009)', async () => {
    const { id, token } = await seed();
    await client.policy.put({ enforcement: 'block', longest_expiry_days: 7 });
    await service.client(null).revoke(token);
    expect(await statusOf(id)).toBe('revoked');
  });
});

describe('a rotation', () => {
  it('narrows to what the policy allows: period, scopes and repositories', async () => {
    for (const enforcement of ['report', 'block'] as const) {
      const { id } = await seed({ scopes: ['repo:read', 'codex:exec'] });
      await client.policy.put({
        enforcement,
        longest_expiry_days: 7,
        allowed_scopes: ['repo:*'],
        allowed_repositories: ['acme/*'],
      });
      const successor = await client.tokens.rotate(id, {});
      expect(successor).toMatchObject({ scopes: ['repo:read'], constraints: { repositories: ['acme/*'] } });
      expect(await isActive(successor.token)).toBe(true);
      expect(Date.parse(successor.expires_at)).toBe(addDays(service.clock.now(), 7).getTime());
      await client.policy.remove();
    }
  });

  it('is refused in plain words where narrowing does not help', async () => {
    const rotate = (id: string, json = {}) => send(service, 'POST', `/v1/tokens/${id}/rotate`, { json });
    const { id } = await seed();
    await client.policy.put({ longest_expiry_days: 7 });
    const long = await rotate(id, { expires_in_days: 30 });
    expect([long.status, ...pointers(long)]).toEqual([422, '#/expires_in_days']);
    await client.policy.put({ required_constraints: ['refs'] });
    const place = await rotate(id);
    expect([place.status, place.body['code']]).toEqual([409, 'policy']);
    expect(place.body['detail']).toContain('a bound on refs');
    await client.policy.put({ allowed_scopes: ['codex:*'] });
    expect((await rotate(id)).body['detail']).toContain("the workspace's policy of today leaves nothing");
    const member = await service.makeMember('member');
    await client.policy.remove();
    const own = await seed({}, service.client(member.token));
    await client.policy.put({ minters: ['admin'] });
    expect((await rotate(own.id)).status).toBe(403);
  });

  it('gives no other secret to a successor that does not comply any more', async () => {
    const { id } = await seed();
    await client.tokens.rotate(id, {});
    await client.policy.put({ longest_expiry_days: 7 });
    const again = await send(service, 'POST', `/v1/tokens/${id}/rotate`, { json: {} });
    expect([again.status, again.body['code']]).toEqual([409, 'policy']);
  });

  it('of a sign-in token is beyond the policy', async () => {
    const member = await service.makeMember('member');
    await client.policy.put({
      enforcement: 'block',
      longest_expiry_days: 1,
      minters: ['admin'],
      allowed_scopes: ['x:y'],
    });
    const successor = await service.client(member.token).tokens.rotate('self', {});
    expect((await service.client(successor.token).me()).id).toBe(member.id);
  });
});

describe('a dry run', () => {
  it('lists the same and changes nothing', async () => {
    const { id, token } = await seed();
    const request: PolicyRequest = { enforcement: 'block', longest_expiry_days: 7 };
    const tried = await client.policy.dryRun(request);
    expect(tried.tokens.map((one) => one.id)).toContain(id);
    expect((await client.policy.show()).longest_expiry_days).toBeNull();
    expect(await isActive(token)).toBe(true);
    expect(await client.policy.put(request)).toEqual(tried);
  });

  it('is not for who may not set a policy', async () => {
    const member = await service.makeMember('member');
    await expect(service.client(member.token).policy.dryRun({})).rejects.toThrow(ProblemError);
    await expect(service.client(member.token).policy.show()).resolves.toBeDefined();
  });
});
