import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeBase62, printId, printToken, type SessionId } from '../../src/rules/format.js';
import { recoverMember } from '../../src/store/workspaces.js';
import type { RevocationRequest } from '../../src/wire/resources.js';
import { createTestService, type TestService } from '../setup/service.js';
import { startTestSession } from '../setup/session.js';
import { fault, halvesOf, raw } from './raw.js';

let service: TestService;
beforeAll(async () => {
  service = await createTestService();
  await service.makeWorkflow('nightly');
});
afterAll(() => service.close());

const TOO_LARGE = 'z'.repeat(22);
const isActive = async (token: string) => (await service.client().introspect(token)).active;
const holderRevokes = (form: string | Record<string, string>) =>
  raw(service, 'POST', '/oauth2/revoke', { token: null, form });
const revoke = (id: string, json: unknown) => raw(service, 'POST', `/v1/tokens/${id}/revoke`, { json });
const bulk = (json: unknown) => raw(service, 'POST', '/v1/revocations', { json });

describe('revocation by the holder (RFC 7009)', () => {
  it('needs nothing but the token, answers 200 with an empty body, and is in effect at once', async () => {
    const { id, token } = await service.seedToken();
    const answer = await holderRevokes({ token });
    expect([answer.status, answer.text]).toEqual([200, '']);
    expect(await isActive(token)).toBe(false);
    expect((await raw(service, 'GET', '/v1/me', { token })).status).toBe(401);
    expect(await service.client().tokens.show(id)).toMatchObject({
      status: 'revoked',
      revoked_at: service.clock.now().toISOString(),
      revoked_by: id,
      revoked_reason: 'other',
    });
    const { data } = await service.client().auditEvents({ target: id, action: 'token.revoked' });
    expect(data).toMatchObject([{ actor: { type: 'token', id }, ip: '192.0.2.1' }]);
  });

  it('answers the same for unknown, malformed and already revoked tokens (section 2.2)', async () => {
    const { token } = await service.seedToken();
    const same = { 'x-request-id': 'same' };
    const ask = (printed: string) =>
      raw(service, 'POST', '/oauth2/revoke', { token: null, form: { token: printed }, headers: same });
    const first = await ask(token);
    const { tokenSecret } = halvesOf(token);
    const foreign = await service.makeWorkspace('revoked-elsewhere');
    for (const printed of [
      token,
      'cst_noise',
      'a token of somebody else',
      `${token}x`,
      printToken({ ...halvesOf(foreign.printed), tokenSecret }),
      printToken({ id: foreign.tokenId, tokenSecret }),
    ]) {
      const answer = await ask(printed);
      expect([answer.status, answer.text, [...answer.headers]]).toEqual([200, '', [...first.headers]]);
    }
    expect(await service.client(foreign.printed).me()).toBeDefined();
  });

  it('a wrong secret with a right id revokes nothing', async () => {
    const [victim, other] = [await service.seedToken(), await service.seedToken()];
    const { id } = halvesOf(victim.token);
    const { tokenSecret } = halvesOf(other.token);
    expect((await holderRevokes({ token: printToken({ id, tokenSecret }) })).status).toBe(200);
    expect([await isActive(victim.token), await isActive(other.token)]).toEqual([true, true]);
  });

  it('takes any token_type_hint (section 2.1)', async () => {
    for (const hint of ['access_token', 'refresh_token', 'something']) {
      const { token } = await service.seedToken();
      expect((await holderRevokes({ token, token_type_hint: hint })).status).toBe(200);
      expect(await isActive(token)).toBe(false);
    }
  });

  it('works for a token that is suspended, not valid yet or superseded', async () => {
    const later = new Date(service.clock.now().getTime() + 3600_000).toISOString();
    await service.makeWorkflow('halted');
    const [early, old, halted] = [
      await service.seedToken({ not_before: later }),
      await service.seedToken(),
      await service.seedToken({ workflow: 'halted' }),
    ];
    await service.client().tokens.rotate(old.id, { overlap_seconds: 0 });
    await service.client().workflows.pause('halted');
    for (const { id, token } of [early, old, halted]) {
      await holderRevokes({ token });
      expect((await service.client().tokens.show(id)).status).toBe('revoked');
    }
  });

  it('an invitation that was revoked is not accepted', async () => {
    const { invitation } = await service.client().members.invite({ email: 'x@acme.example', role: 'member' });
    await holderRevokes({ token: invitation });
    expect((await raw(service, 'POST', '/v1/members/accept', { token: invitation })).status).toBe(401);
  });

  it('does not use up a token: its successor still has its first use before it', async () => {
    const first = await service.seedToken();
    const next = await service.client().tokens.rotate(first.id, { drain_seconds: 0 });
    await holderRevokes({ token: next.token });
    expect(await isActive(first.token)).toBe(true);
  });

  it.each([
    ['no token', ''],
    ['an empty token', 'token='],
    ['another parameter alone', 'token_type_hint=access_token'],
    ['a repeated token', 'token=a&token=b'],
    ['a repeated hint', 'token=a&token_type_hint=x&token_type_hint=x'],
    ['a bad escape', 'token=%zz'],
  ])('%s: 400 invalid_request', async (_, form) => {
    const answer = await holderRevokes(form);
    expect([answer.status, answer.json.error]).toEqual([400, 'invalid_request']);
    expect(answer.headers.get('cache-control')).toBe('no-store');
  });

  it('a repeated token is not revoked', async () => {
    const { token } = await service.seedToken();
    expect((await holderRevokes(`token=${token}&token=${token}`)).status).toBe(400);
    expect(await isActive(token)).toBe(true);
  });
});

describe('revocation by id', () => {
  it.each(['leaked', 'rotated', 'unused', 'owner_left', 'other'])(
    'answers the token, revoked as %s',
    async (reason) => {
      const { id, token } = await service.seedToken();
      const answer = await revoke(id, { reason, note: 'seen in a log\nof last night' });
      expect(answer.status).toBe(200);
      expect(answer.json).toMatchObject({
        id,
        status: 'revoked',
        revoked_at: service.clock.now().toISOString(),
        revoked_by: printId('mem', service.owner.member.id),
        revoked_reason: reason,
      });
      expect(answer.json).not.toHaveProperty('token');
      expect(await isActive(token)).toBe(false);
    },
  );

  it('again answers 200 and changes nothing', async () => {
    const { id, token } = await service.seedToken();
    const first = await revoke(id, { reason: 'leaked' });
    service.clock.advance(60);
    const again = await revoke(id, { reason: 'unused' });
    await holderRevokes({ token });
    expect([again.status, again.json]).toEqual([200, first.json]);
    expect(await service.client().tokens.show(id)).toEqual(first.json);
    expect((await service.client().auditEvents({ target: id, action: 'token.revoked' })).data).toHaveLength(1);
  });

  it('is irreversible: neither a transfer, nor a rotation, nor a reactivation brings it back', async () => {
    const member = await service.makeMember('member');
    const minted = await service
      .client(member.token)
      .tokens.mint({ workflow: 'nightly', scopes: ['repo:read'], expires_in_days: 7 });
    await revoke(minted.id, { reason: 'leaked' });
    const owner_id = printId('mem', service.owner.member.id);
    expect((await raw(service, 'POST', `/v1/tokens/${minted.id}/transfer`, { json: { owner_id } })).status).toBe(409);
    expect((await raw(service, 'POST', `/v1/tokens/${minted.id}/rotate`, { json: {} })).status).toBe(409);
    await service.client().members.suspend(member.id);
    await service.client().members.reactivate(member.id);
    await service.client().workflows.pause('nightly');
    await service.client().workflows.resume('nightly');
    expect(await isActive(minted.token)).toBe(false);
  });

  it('of a predecessor leaves the successor alone, and the other way round', async () => {
    const [first, second] = [await service.seedToken(), await service.seedToken()];
    const [next, late] = [
      await service.client().tokens.rotate(first.id),
      await service.client().tokens.rotate(second.id),
    ];
    await revoke(first.id, { reason: 'rotated' });
    await revoke(late.id, { reason: 'other' });
    expect([await isActive(first.token), await isActive(next.token)]).toEqual([false, true]);
    expect([await isActive(second.token), await isActive(late.token)]).toEqual([true, false]);
  });

  it.each([
    ['no reason', {}, '#/reason'],
    ['a reason that is none', { reason: 'bored' }, '#/reason'],
    ['a note that is no text', { reason: 'other', note: 7 }, '#/note'],
    ['a note that is too long', { reason: 'other', note: 'x'.repeat(1001) }, '#/note'],
    ['a note with NUL', { reason: 'other', note: '\u0000' }, '#/note'],
    ['an unknown member', { reason: 'other', force: true }, '#/force'],
  ])('refuses %s', async (_, json, pointer) => {
    const { id, token } = await service.seedToken();
    expect(fault(await revoke(id, json))).toEqual({ status: 422, at: [pointer] });
    expect(await isActive(token)).toBe(true);
  });
});

describe('the panic button', () => {
  const own = () => createTestService();

  it.each<[string, (ids: { lineage: string; late: string; creator: string; at: string }) => object, number[]]>([
    ['a workflow', () => ({ workflow: 'nightly' }), [0, 1]],
    ['a creator', ({ creator }) => ({ creator_id: creator }), [2]],
    ['a lineage', ({ lineage }) => ({ lineage_id: lineage }), [0, 1]],
    ['a lineage, named by a later token of it', ({ late }) => ({ lineage_id: late }), [0, 1]],
    ['what was issued before a time', ({ at }) => ({ issued_before: at }), [0, 1, 2]],
    ['the workspace', () => ({ workspace: true }), [0, 1, 2, 3]],
  ])('revokes %s, and nothing else', async (_, selector, hit) => {
    const node = await own();
    try {
      const member = await node.makeMember('member');
      await node.makeWorkflow('weekly');
      const first = await node.seedToken();
      const second = await node.client().tokens.rotate(first.id);
      const third = await node
        .client(member.token)
        .tokens.mint({ workflow: 'weekly', scopes: ['repo:read'], expires_in_days: 7 });
      node.clock.advance(10);
      const fourth = await node.seedToken({ workflow: 'weekly' });
      const foreign = await node.makeWorkspace('spared');
      const tokens = [first, second, third, fourth];
      const ids = { lineage: first.id, late: second.id, creator: member.id, at: node.clock.now().toISOString() };
      const request = { reason: 'leaked', ...selector(ids) } as RevocationRequest;

      const dry = await node.client().tokens.revokeMany({ ...request, dry_run: true });
      const before = await Promise.all(tokens.map(({ token }) => node.client().introspect(token)));
      expect(before.every((answer) => answer.active)).toBe(true);

      const real = await node.client().tokens.revokeMany(request);
      expect(real).toEqual(dry);
      expect(real.token_ids).toEqual(expect.arrayContaining(hit.map((at) => tokens[at]?.id)));
      expect(real.revoked).toBe(real.token_ids.length);
      const rows = await node.db.sql<{ revoked: boolean }[]>`
        select bool_or(revoked_at is not null) as revoked from tokens
        where id in ${node.db.sql(tokens.map(({ token }) => halvesOf(token).id))} group by id, created_at order by id`;
      expect(rows.map((row) => row.revoked)).toEqual(
        [...tokens]
          .sort((a, b) => (halvesOf(a.token).id < halvesOf(b.token).id ? -1 : 1))
          .map((token) => hit.includes(tokens.indexOf(token))),
      );
      expect((await node.client(foreign.printed).me()).workspace.slug).toBe('spared');
    } finally {
      await node.close();
    }
  });

  it('takes the calling token with it, and is answered', async () => {
    const node = await own();
    try {
      const { token } = await node.seedToken();
      const answer = await node.client().tokens.revokeMany({ reason: 'leaked', workspace: true });
      expect(answer.revoked).toBe(2);
      expect((await raw(node, 'GET', '/v1/me')).status).toBe(401);
      expect((await raw(node, 'GET', '/v1/me', { token })).status).toBe(401);
    } finally {
      await node.close();
    }
  });

  it('takes open invitations with it', async () => {
    const node = await own();
    try {
      const { invitation } = await node.client().members.invite({ email: 'x@acme.example', role: 'member' });
      await node.client().tokens.revokeMany({ reason: 'leaked', workspace: true });
      expect((await raw(node, 'POST', '/v1/members/accept', { token: invitation })).status).toBe(401);
    } finally {
      await node.close();
    }
  });

  it('revokes what is revoked already no second time', async () => {
    await service.makeWorkflow('twice');
    const { id } = await service.seedToken({ workflow: 'twice' });
    await revoke(id, { reason: 'unused' });
    expect((await bulk({ reason: 'leaked', workflow: 'twice' })).json).toEqual({ revoked: 0, token_ids: [] });
    expect((await service.client().tokens.show(id)).revoked_reason).toBe('unused');
  });

  it('shows the first 200 and counts all, each with its event', async () => {
    await service.makeWorkflow('crowd');
    const workspaceId = service.owner.workspace.id;
    const { id } = await service.seedToken({ workflow: 'crowd' });
    await service.db.sql`
      insert into tokens select (jsonb_populate_record(t, jsonb_build_object('id', gen_random_uuid()))).*
      from tokens t, generate_series(1, 250) where t.workspace_id = ${workspaceId} and t.workflow = 'crowd'`;
    const dry = await bulk({ reason: 'leaked', workflow: 'crowd', dry_run: true });
    expect(dry.json.revoked).toBe(251);
    const answer = await bulk({ reason: 'leaked', workflow: 'crowd' });
    expect(answer.json).toEqual(dry.json);
    expect(answer.json.token_ids).toHaveLength(200);
    const [events] = await service.db.sql`
      select count(*)::int as n from audit_events where action = 'token.revoked' and workspace_id = ${workspaceId}
        and request_id = ${answer.headers.get('x-request-id') ?? ''}`;
    expect(events?.['n']).toBe(251);
    expect((await service.client().tokens.show(id)).status).toBe('revoked');
  });

  it.each([
    ['no selector', {}, '#'],
    ['two selectors', { workflow: 'nightly', workspace: true }, '#'],
    ['workspace: false', { workspace: false }, '#/workspace'],
    ['no reason', { reason: undefined, workflow: 'nightly' }, '#/reason'],
    ['an id of another kind', { creator_id: `tok_${TOO_LARGE}` }, '#/creator_id'],
    ['a time that is none', { issued_before: 'yesterday' }, '#/issued_before'],
    ['dry_run as a text', { workflow: 'nightly', dry_run: 'yes' }, '#/dry_run'],
    ['an unknown member', { workflow: 'nightly', all: true }, '#/all'],
  ])('refuses %s', async (_, change, pointer) => {
    const answer = await bulk({ reason: 'other', ...change });
    expect(answer.status).toBe(422);
    expect(fault(answer).at).toContain(pointer);
  });

  it('an id that stands for nothing revokes nothing', async () => {
    for (const selector of [
      { creator_id: `mem_${TOO_LARGE}` },
      { lineage_id: `tok_${TOO_LARGE}` },
      { lineage_id: `tok_${encodeBase62(7n, 22)}` },
      { workflow: 'nowhere' },
    ]) {
      expect((await bulk({ reason: 'other', ...selector })).json).toEqual({ revoked: 0, token_ids: [] });
    }
  });
});

describe('a panic about people', () => {
  it('ends the sessions in which the same people could make other tokens', async () => {
    const ada = await service.makeMember('admin');
    const eve = await service.makeMember('member');
    const [hers, other] = [
      await startTestSession(service, { memberId: ada.id }),
      await startTestSession(service, { memberId: eve.id }),
    ];
    const statusOf = async ({ id }: { id: string }, who: string) => {
      const { data } = await service.client().sessions.list({ member: who });
      return data.find((one) => one.id === printId('ses', id as SessionId))?.status;
    };
    expect((await bulk({ reason: 'leaked', creator_id: ada.id, dry_run: true })).status).toBe(200);
    expect(await statusOf(hers, ada.id)).toBe('active');
    expect((await bulk({ reason: 'leaked', creator_id: ada.id })).status).toBe(200);
    expect([await statusOf(hers, ada.id), await statusOf(other, eve.id)]).toEqual(['ended', 'active']);
    expect((await bulk({ reason: 'leaked', workflow: 'nightly' })).status).toBe(200);
    expect(await statusOf(other, eve.id)).toBe('active');

    service.clock.advance(1);
    const issuedBefore = service.clock.now().toISOString();
    service.clock.advance(1);
    const later = await startTestSession(service, { memberId: eve.id });
    const { printed } = await service.makeWorkspace('panicked');
    expect(
      (await raw(service, 'POST', '/v1/revocations', { token: printed, json: { reason: 'leaked', workspace: true } }))
        .status,
    ).toBe(200);
    expect(await statusOf(other, eve.id)).toBe('active');
    expect((await bulk({ reason: 'leaked', issued_before: issuedBefore })).status).toBe(200);
    const auditor = await recovered();
    const { data } = await auditor.sessions.list({ member: eve.id });
    expect(data.map(({ id, status }) => [id, status])).toEqual([
      [printId('ses', later.id), 'active'],
      [printId('ses', other.id), 'ended'],
    ]);
  });
});

/** The owner again, after a panic that took the owner's own token. */
async function recovered() {
  const { workspace, member } = service.owner;
  const signIn = await recoverMember(service.db.db, service.secrets, workspace, member.email, service.clock.now());
  if (!signIn.ok) throw new Error('the owner is no member');
  return service.client(signIn.value.printed);
}
