import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId, newTokenSecret, parsePublicId, printId, printToken } from '../../src/rules/format.js';
import type { Role } from '../../src/wire/resources.js';
import { send } from '../setup/request.js';
import { createTestService, type TestService } from '../setup/service.js';

let service: TestService;
beforeAll(async () => {
  service = await createTestService();
});
afterAll(() => service.close());

const ROLES: readonly Role[] = ['owner', 'admin', 'member', 'auditor'];
const HOUR = 3600;
let count = 0;
const freshEmail = () => `person-${++count}@people.example`;
const invite = (token: string, role: Role, email = freshEmail()) =>
  send(service, 'POST', '/v1/members', { token, json: { email, role } });
const act = (token: string, method: string, id: string, verb = '', json?: unknown) =>
  send(service, method, `/v1/members/${id}${verb}`, { token, ...(json === undefined ? {} : { json }) });
const isActive = async (token: string) => (await service.client().introspect(token)).active;
const eventCount = async (target: string) => (await service.client().auditEvents({ target, limit: 200 })).data.length;

describe('an invitation', () => {
  it('is answered with the invited member and a secret that is shown once', async () => {
    const email = freshEmail();
    const { status, headers, body } = await send(service, 'POST', '/v1/members', {
      json: { email, name: 'Ada', role: 'member' },
    });
    expect(status).toBe(201);
    expect(headers.get('location')).toBe(`/v1/members/${body['id']}`);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(body).toEqual({
      id: expect.stringMatching(/^mem_[0-9A-Za-z]{22}$/),
      email,
      name: 'Ada',
      role: 'member',
      status: 'invited',
      created_at: service.clock.now().toISOString(),
      invitation: expect.stringMatching(/^cst_[0-9A-Za-z]{22}_[0-9A-Za-z]{49}$/),
    });
    const { invitation: _, ...member } = body;
    expect(await service.client().members.show(String(body['id']))).toEqual(member);
    expect((await service.client().members.list({ limit: 200 })).data).toContainEqual(member);
  });

  it('is accepted with 201, the member and a token of 7 days', async () => {
    const { invitation, id } = await service.client().members.invite({ email: freshEmail(), role: 'auditor' });
    const answer = await send(service, 'POST', '/v1/members/accept', { token: invitation });
    expect(answer.status).toBe(201);
    expect(answer.body).toMatchObject({ id, status: 'active', role: 'auditor' });
    const token = String(answer.body['token']);
    const me = await service.client(token).me();
    expect(me).toMatchObject({ id, role: 'auditor' });
    const days = (Date.parse(me.token.expires_at) - service.clock.now().getTime()) / (24 * HOUR * 1000);
    expect(days).toBe(7);
  });

  it('is single use', async () => {
    const { invitation } = await service.client().members.invite({ email: freshEmail(), role: 'member' });
    await service.client(null).members.accept(invitation);
    const again = await send(service, 'POST', '/v1/members/accept', { token: invitation });
    expect([again.status, again.body['token']]).toEqual([401, undefined]);
  });

  it('is accepted once of twenty at the same moment', async () => {
    const { invitation, id } = await service.client().members.invite({ email: freshEmail(), role: 'member' });
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => send(service, 'POST', '/v1/members/accept', { token: invitation })),
    );
    expect(answers.map((one) => one.status).sort()).toEqual([201, ...Array(19).fill(401)]);
    const accepted = await service.client().auditEvents({ target: id, action: 'member.accepted' });
    expect(accepted.data).toHaveLength(1);
  });

  it('is good for 72 hours and not a second longer', async () => {
    const short = await createTestService();
    try {
      const { invitation } = await short.client().members.invite({ email: freshEmail(), role: 'member' });
      const late = await short.client().members.invite({ email: freshEmail(), role: 'member' });
      short.clock.advance(72 * HOUR - 1);
      expect((await send(short, 'POST', '/v1/members/accept', { token: invitation })).status).toBe(201);
      short.clock.advance(1);
      expect((await send(short, 'POST', '/v1/members/accept', { token: late.invitation })).status).toBe(401);
    } finally {
      await short.close();
    }
  });

  it('is good for nothing but its acceptance', async () => {
    const { invitation, id } = await service.client().members.invite({ email: freshEmail(), role: 'owner' });
    const { token: runner } = await service.seedToken({ scopes: ['exec:check'] });
    const denied = await service.client(runner).execChecks.check({ token: invitation, workflow: 'nightly' });
    expect(denied).toMatchObject({ decision: 'deny', token: { active: false } });
    for (const [method, path, json] of [
      ['GET', '/v1/me'],
      ['GET', '/v1/members'],
      ['GET', '/v1/tokens'],
      ['GET', '/v1/tokens/self'],
      ['POST', '/v1/tokens/self/rotate', {}],
      ['POST', '/v1/tokens', { workflow: 'nightly', scopes: ['repo:read'], expires_in_days: 7 }],
      ['POST', '/v1/exec/checks', { workflow: 'countersign' }],
      ['GET', `/v1/exec/checks/${denied.check_id}`],
      ['PATCH', `/v1/members/${id}`, { role: 'owner' }],
    ] as const) {
      const { status } = await send(service, method, path, { token: invitation, ...(json ? { json } : {}) });
      expect([path, status]).toEqual([path, 401]);
    }
    expect(await isActive(invitation)).toBe(false);
    expect((await send(service, 'POST', '/v1/members/accept', { token: invitation })).status).toBe(201);
  });

  it.each([
    ['no token', null],
    ['an access token', 'access'],
    ['noise', 'noise'],
    ['a forged secret', 'forged'],
    ['an unknown id', 'unknown'],
  ])('is not %s', async (_, kind) => {
    const { invitation } = await service.client().members.invite({ email: freshEmail(), role: 'member' });
    const known = invitation.slice(4, 26);
    const tokens: Record<string, string> = {
      access: service.owner.printed,
      noise: 'hello',
      forged: printToken({ id: newId('tok', service.clock.now()), tokenSecret: newTokenSecret() }).replace(
        /.{22}_/,
        known,
      ),
      unknown: printToken({ id: newId('tok', service.clock.now()), tokenSecret: newTokenSecret() }),
    };
    const answer = await send(service, 'POST', '/v1/members/accept', { token: kind && (tokens[kind] ?? null) });
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer /);
  });

  it('ends when the member is removed, and stays ended when the person is invited again', async () => {
    const email = freshEmail();
    const first = await service.client().members.invite({ email, role: 'member' });
    await service.client().members.remove(first.id);
    expect((await send(service, 'POST', '/v1/members/accept', { token: first.invitation })).status).toBe(401);
    const second = await service.client().members.invite({ email, role: 'member' });
    expect(second.id).not.toBe(first.id);
    expect((await send(service, 'POST', '/v1/members/accept', { token: first.invitation })).status).toBe(401);
    expect((await send(service, 'POST', '/v1/members/accept', { token: second.invitation })).status).toBe(201);
  });

  it('that expired or was revoked lets the person be invited again, as another member', async () => {
    const own = await createTestService();
    try {
      const [email, other] = [freshEmail(), freshEmail()];
      const lapsed = await own.client().members.invite({ email, role: 'member' });
      const revoked = await own.client().members.invite({ email: other, role: 'member' });
      await own.client(null).revoke(revoked.invitation);
      own.clock.advance(72 * HOUR - 1);
      expect((await send(own, 'POST', '/v1/members', { json: { email, role: 'member' } })).status).toBe(409);
      own.clock.advance(1);
      const again = await own.client().members.invite({ email, role: 'auditor' });
      const more = await own.client().members.invite({ email: other, role: 'member' });
      expect(again.id).not.toBe(lapsed.id);
      expect((await own.client().members.show(lapsed.id)).status).toBe('removed');
      expect((await send(own, 'POST', '/v1/members/accept', { token: lapsed.invitation })).status).toBe(401);
      expect((await send(own, 'POST', '/v1/members/accept', { token: more.invitation })).status).toBe(201);
      expect((await send(own, 'POST', '/v1/members', { json: { email: other, role: 'member' } })).status).toBe(409);
      const removed = await own.client().auditEvents({ target: lapsed.id, action: 'member.removed' });
      expect(removed.data).toHaveLength(1);
    } finally {
      await own.close();
    }
  });

  it('of an owner that lapsed is not replaced by an admin', async () => {
    const own = await createTestService();
    try {
      const email = freshEmail();
      await own.client().members.invite({ email, role: 'owner' });
      const admin = await own.client().members.invite({ email: freshEmail(), role: 'admin' });
      const { token } = await own.client(null).members.accept(admin.invitation);
      own.clock.advance(72 * HOUR);
      expect((await send(own, 'POST', '/v1/members', { token, json: { email, role: 'member' } })).status).toBe(409);
    } finally {
      await own.close();
    }
  });

  it('can be revoked by whoever holds it (RFC 7009)', async () => {
    const { invitation } = await service.client().members.invite({ email: freshEmail(), role: 'member' });
    await service.client(null).revoke(invitation);
    expect((await send(service, 'POST', '/v1/members/accept', { token: invitation })).status).toBe(401);
  });

  it('that is revoked while its acceptance waits gives no token', async () => {
    const { invitation } = await service.client().members.invite({ email: freshEmail(), role: 'member' });
    let accepted: Promise<{ status: number }> | undefined;
    await service.db.sql.begin(async (sql) => {
      await sql`select 1 from workspaces for update`;
      accepted = send(service, 'POST', '/v1/members/accept', { token: invitation });
      await waitsForLock();
      await sql`update tokens set revoked_at = now() where kind = 'invitation' and revoked_at is null`;
    });
    expect((await accepted)?.status).toBe(401);
  });

  it('gives the role that the member has when it is accepted', async () => {
    const { invitation, id } = await service.client().members.invite({ email: freshEmail(), role: 'admin' });
    await service.client().members.patch(id, { role: 'auditor' });
    const { token } = await service.client(null).members.accept(invitation);
    const me = await service.client(token).me();
    expect(me.role).toBe('auditor');
    expect(me.permissions).not.toContain('members:write');
    expect(me.token.scopes).not.toContain('workspace:admin');
  });
});

/** Waits until a statement of this database waits for a lock. */
async function waitsForLock(): Promise<void> {
  const deadline = Date.now() + 25_000;
  for (;;) {
    const rows = await service.db.sql`
      select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    if (rows.length > 0) return;
    if (Date.now() > deadline) throw new Error('nothing waits for a lock');
  }
}

describe('an e-mail address', () => {
  it('that is a member already is a conflict, whatever the letter case', async () => {
    const email = freshEmail();
    await service.client().members.invite({ email, role: 'member' });
    for (const again of [email, email.toUpperCase()]) {
      const { status, body } = await invite(service.owner.printed, 'member', again);
      expect([status, body['code']]).toEqual([409, 'member_exists']);
    }
  });

  it('becomes one member of twenty invitations at the same moment', async () => {
    const email = freshEmail();
    const answers = await Promise.all(Array.from({ length: 20 }, () => invite(service.owner.printed, 'member', email)));
    expect(answers.map((one) => one.status).sort()).toEqual([201, ...Array(19).fill(409)]);
  });

  it('may be a member of two workspaces', async () => {
    const other = await service.makeWorkspace('elsewhere');
    const email = freshEmail();
    await service.client().members.invite({ email, role: 'member' });
    await service.client(other.printed).members.invite({ email, role: 'member' });
  });
});

/** A member of each role with its token. */
async function actors(): Promise<Record<Role, string>> {
  const tokens = await Promise.all(ROLES.map(async (role) => [role, (await service.makeMember(role)).token] as const));
  return Object.fromEntries(tokens) as Record<Role, string>;
}

describe('who may invite whom', () => {
  const allowed: Record<Role, readonly Role[]> = {
    owner: ROLES,
    admin: ['member', 'auditor'],
    member: [],
    auditor: [],
  };
  it.each(ROLES)('%s', async (role) => {
    const { token } = await service.makeMember(role);
    const outcomes = await Promise.all(ROLES.map(async (to) => [to, (await invite(token, to)).status] as const));
    expect(outcomes).toEqual(ROLES.map((to) => [to, allowed[role].includes(to) ? 201 : 403]));
  });

  it('a token cut to members:write hands on no more than it holds', async () => {
    const { token } = await service.seedToken({ scopes: ['members:write', 'members:read'] });
    for (const role of ROLES) expect((await invite(token, role)).status).toBe(403);
  });
});

describe('who may change whose role', () => {
  const may: Record<Role, (from: Role, to: Role) => boolean> = {
    owner: () => true,
    admin: (from, to) => [from, to].every((role) => role === 'member' || role === 'auditor'),
    member: () => false,
    auditor: () => false,
  };
  it.each(ROLES)('%s', async (by) => {
    const token = (await actors())[by];
    for (const from of ROLES) {
      for (const to of ROLES) {
        const { id } = await service.client().members.invite({ email: freshEmail(), role: from });
        const { status } = await act(token, 'PATCH', id, '', { role: to });
        expect([from, to, status]).toEqual([from, to, may[by](from, to) ? 200 : 403]);
        expect((await service.client().members.show(id)).role).toBe(may[by](from, to) ? to : from);
      }
    }
  });

  it('an admin cannot make itself an owner', async () => {
    const { id, token } = await service.makeMember('admin');
    expect((await act(token, 'PATCH', id, '', { role: 'owner' })).status).toBe(403);
  });

  it('a token cut to members:write makes nobody an owner', async () => {
    const { token } = await service.seedToken({ scopes: ['members:write'] });
    const { id } = await service.makeMember('member');
    expect((await act(token, 'PATCH', id, '', { role: 'owner' })).status).toBe(403);
  });

  it('a lower role cuts the tokens that are out at once', async () => {
    const { id, token } = await service.makeMember('admin');
    expect((await act(token, 'GET', id)).status).toBe(200);
    await service.client().members.patch(id, { role: 'member' });
    expect((await act(token, 'GET', id)).status).toBe(403);
  });

  it('an owner whose role is taken while its request waits changes nothing', async () => {
    const { id: actor, token } = await service.makeMember('owner');
    const { id } = await service.makeMember('member');
    let changed: Promise<{ status: number }> | undefined;
    await service.db.sql.begin(async (sql) => {
      await sql`select 1 from workspaces for update`;
      changed = act(token, 'PATCH', id, '', { role: 'admin' });
      await waitsForLock();
      await sql`update members set status = 'suspended' where id = ${parsePublicId('mem', actor) ?? ''}`;
    });
    expect((await changed)?.status).toBe(401);
    expect((await service.client().members.show(id)).role).toBe('member');
  });
});

describe('who may suspend, rename and remove whom', () => {
  const may = (by: Role, target: Role) => by === 'owner' || (by === 'admin' && target !== 'owner');
  it.each(ROLES)('%s', async (by) => {
    const token = (await actors())[by];
    for (const target of ROLES) {
      const { id } = await service.makeMember(target);
      const statuses = [
        (await act(token, 'PATCH', id, '', { name: 'Grace' })).status,
        (await act(token, 'POST', id, '/suspend')).status,
        (await act(token, 'POST', id, '/reactivate')).status,
        (await act(token, 'DELETE', id)).status,
      ];
      expect([target, ...statuses]).toEqual([
        target,
        ...(may(by, target) ? [200, 200, 200, 204] : [403, 403, 403, 403]),
      ]);
    }
  });
});

describe('the last owner', () => {
  it('cannot be suspended, demoted or removed', async () => {
    const me = await service.client().me();
    const alone = await createTestService();
    try {
      const { id } = await alone.client().me();
      expect(id).not.toBe(me.id);
      for (const [method, verb, json] of [
        ['POST', '/suspend', undefined],
        ['PATCH', '', { role: 'admin' }],
        ['DELETE', '', undefined],
      ] as const) {
        const path = `/v1/members/${id}${verb}`;
        const { status, body } = await send(alone, method, path, json ? { json } : {});
        expect([status, body['code']]).toEqual([409, 'last_owner']);
      }
      expect(await alone.client().me()).toMatchObject({ role: 'owner', status: 'active' });
      expect((await send(alone, 'PATCH', `/v1/members/${id}`, { json: { role: 'owner' } })).status).toBe(200);
      expect((await send(alone, 'PATCH', `/v1/members/${id}`, { json: { name: 'Ada' } })).status).toBe(200);
    } finally {
      await alone.close();
    }
  });

  it('an invited or a suspended owner does not count', async () => {
    const alone = await createTestService();
    try {
      const { id } = await alone.client().me();
      await alone.client().members.invite({ email: freshEmail(), role: 'owner' });
      expect((await send(alone, 'POST', `/v1/members/${id}/suspend`)).status).toBe(409);
      const second = await alone.makeMember('owner');
      await alone.client().members.suspend(second.id);
      expect((await send(alone, 'POST', `/v1/members/${id}/suspend`)).status).toBe(409);
      await alone.client().members.reactivate(second.id);
      expect((await send(alone, 'POST', `/v1/members/${id}/suspend`)).status).toBe(200);
    } finally {
      await alone.close();
    }
  });

  it.each([
    ['suspend', 'POST', '/suspend', undefined],
    ['demote', 'PATCH', '', { role: 'member' }],
    ['remove', 'DELETE', '', undefined],
  ] as const)('two owners who %s each other at the same moment leave one', async (_, method, verb, json) => {
    const two = await createTestService();
    try {
      for (let round = 0; round < 3; round += 1) {
        const workspace = await two.makeWorkspace(`round-${round}`);
        const first = await two.client(workspace.printed).me();
        const invited = await two.client(workspace.printed).members.invite({ email: freshEmail(), role: 'owner' });
        const second = await two.client(null).members.accept(invited.invitation);
        const end = (token: string, id: string) =>
          send(two, method, `/v1/members/${id}${verb}`, { token, ...(json ? { json } : {}) });
        const answers = await Promise.all([end(workspace.printed, second.id), end(second.token, first.id)]);
        expect(answers.filter((one) => one.status < 300)).toHaveLength(1);
        const rows = await two.db.sql`select 1 from members m join workspaces w on w.id = m.workspace_id
          where w.slug = ${`round-${round}`} and m.role = 'owner' and m.status = 'active'`;
        expect(rows).toHaveLength(1);
      }
    } finally {
      await two.close();
    }
  });
});

describe('a suspension', () => {
  it('makes all tokens of the member inactive at once, and a reactivation active again', async () => {
    const { id, token } = await service.makeMember('member');
    await service.makeWorkflow('suspended-flow');
    const minted = await service
      .client(token)
      .tokens.mint({ workflow: 'suspended-flow', scopes: ['repo:read'], expires_in_days: 7 });
    const mine = await service.seedToken();
    expect(await isActive(minted.token)).toBe(true);
    const suspended = await act(service.owner.printed, 'POST', id, '/suspend');
    expect(suspended.body).toMatchObject({ id, status: 'suspended' });
    expect([await isActive(minted.token), await isActive(token), await isActive(mine.token)]).toEqual([
      false,
      false,
      true,
    ]);
    expect((await service.client().tokens.show(minted.id)).status).toBe('suspended');
    expect((await send(service, 'GET', '/v1/me', { token })).status).toBe(401);
    expect((await act(service.owner.printed, 'POST', id, '/reactivate')).body).toMatchObject({ id, status: 'active' });
    expect([await isActive(minted.token), await isActive(token)]).toEqual([true, true]);
  });

  it('revives nothing that was revoked meanwhile', async () => {
    const { id, token } = await service.makeMember('auditor');
    await service.client().members.suspend(id);
    await service.client(null).revoke(token);
    await service.client().members.reactivate(id);
    expect(await isActive(token)).toBe(false);
  });

  it('again changes nothing and leaves no event', async () => {
    const { id } = await service.makeMember('member');
    await service.client().members.suspend(id);
    const before = await eventCount(id);
    expect(await service.client().members.suspend(id)).toMatchObject({ status: 'suspended' });
    expect(await eventCount(id)).toBe(before);
    await service.client().members.reactivate(id);
    expect(await service.client().members.reactivate(id)).toMatchObject({ status: 'active' });
    expect(await eventCount(id)).toBe(before + 1);
  });

  it('of a member who was only invited is a conflict', async () => {
    const { id } = await service.client().members.invite({ email: freshEmail(), role: 'member' });
    for (const verb of ['/suspend', '/reactivate']) {
      const { status, body } = await act(service.owner.printed, 'POST', id, verb);
      expect([status, body['code']]).toEqual([409, 'member_state']);
    }
  });
});

describe('a removal', () => {
  it('revokes all tokens of the member for good; adding the person again revives none', async () => {
    const email = freshEmail();
    const { invitation, id } = await service.client().members.invite({ email, role: 'member' });
    const { token } = await service.client(null).members.accept(invitation);
    await service.makeWorkflow('removed-flow');
    const minted = await service
      .client(token)
      .tokens.mint({ workflow: 'removed-flow', scopes: ['repo:read'], expires_in_days: 7 });
    const removed = await act(service.owner.printed, 'DELETE', id);
    expect([removed.status, removed.text]).toEqual([204, '']);
    expect(await service.client().tokens.show(minted.id)).toMatchObject({
      status: 'revoked',
      revoked_reason: 'owner_left',
    });

    const again = await service.client().members.invite({ email, role: 'owner' });
    const entered = await service.client(null).members.accept(again.invitation);
    expect(again.id).not.toBe(id);
    expect([await isActive(token), await isActive(minted.token), await isActive(entered.token)]).toEqual([
      false,
      false,
      true,
    ]);
    expect((await service.client().tokens.show(minted.id)).status).toBe('revoked');
  });

  it('takes the member out of the list and leaves nothing to change', async () => {
    const { id } = await service.makeMember('member');
    await service.client().members.remove(id);
    const listed = await service.client().members.list({ limit: 200 });
    expect(listed.data.map((one) => one.id)).not.toContain(id);
    for (const [method, verb, json] of [
      ['DELETE', '', undefined],
      ['POST', '/suspend', undefined],
      ['POST', '/reactivate', undefined],
      ['PATCH', '', { name: 'Ada' }],
    ] as const) {
      expect((await act(service.owner.printed, method, id, verb, json)).status).toBe(404);
    }
  });
});

describe('PATCH', () => {
  it.each([
    [{}],
    [{ role: 'admin', name: 'Ada' }],
    [{ role: 'root' }],
    [{ email: 'other@people.example' }],
    [{ name: 'Ada', status: 'active' }],
    [{ name: 'A\u0000da' }],
    [{ name: 'x'.repeat(101) }],
    [[]],
    [null],
    ['name'],
  ])('refuses %j', async (json) => {
    const { id } = await service.makeMember('member');
    const { status, body } = await act(service.owner.printed, 'PATCH', id, '', json);
    expect(status).toBe(422);
    expect(body['errors']).not.toEqual([]);
  });

  it('to the same value changes nothing and leaves no event', async () => {
    const { id } = await service.makeMember('member');
    await service.client().members.patch(id, { name: 'Ada' });
    const before = await eventCount(id);
    await service.client().members.patch(id, { name: 'Ada' });
    await service.client().members.patch(id, { role: 'member' });
    expect(await eventCount(id)).toBe(before);
  });
});

describe('members of another workspace', () => {
  it('are not found, whatever is asked', async () => {
    const other = await service.makeWorkspace('foreign');
    const id = printId('mem', other.member.id);
    for (const [method, verb, json] of [
      ['GET', '', undefined],
      ['PATCH', '', { name: 'Ada' }],
      ['PATCH', '', { role: 'member' }],
      ['POST', '/suspend', undefined],
      ['POST', '/reactivate', undefined],
      ['DELETE', '', undefined],
    ] as const) {
      expect((await act(service.owner.printed, method, id, verb, json)).status).toBe(404);
    }
    expect(await service.client(other.printed).me()).toMatchObject({ status: 'active', name: null });
  });
});

describe('the list of members', () => {
  it('is given in pages, each member once', async () => {
    const pages = await createTestService();
    try {
      const ids = [(await pages.client().me()).id];
      for (let i = 0; i < 6; i += 1) {
        pages.clock.advance(1);
        ids.push((await pages.client().members.invite({ email: freshEmail(), role: 'member' })).id);
      }
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await pages.client().members.list({ limit: 3, cursor });
        expect(page.data.length).toBeLessThanOrEqual(3);
        seen.push(...page.data.map((one) => one.id));
        cursor = page.next_cursor ?? undefined;
      } while (cursor !== undefined);
      expect(seen).toEqual(ids);
    } finally {
      await pages.close();
    }
  });
});
