import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import { compactVerify, createLocalJWKSet, type JSONWebKeySet } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { printId } from '../../src/rules/format.js';
import type { Client } from '../../src/sdk/index.js';
import type { AuditEvent } from '../../src/wire/resources.js';
import { send } from '../setup/request.js';
import { createTestService, type TestService } from '../setup/service.js';

let service: TestService;
beforeAll(async () => {
  service = await createTestService();
});
afterAll(() => service.close());

async function trail(client: Client = service.client()): Promise<AuditEvent[]> {
  const events: AuditEvent[] = [];
  for (;;) {
    const { data } = await client.auditEvents({ after: events.at(-1)?.seq ?? 0, limit: 100 });
    if (data.length === 0) return events;
    events.push(...data);
  }
}

/** What anyone can recompute from the answers, with somebody else's RFC 8785. Gives the first `seq` that does not hold. */
function firstBroken(events: readonly AuditEvent[]): number | undefined {
  let previous = '0'.repeat(64);
  for (const [at, event] of events.entries()) {
    const { hash, ...rest } = event;
    const digest = createHash('sha256')
      .update(canonicalize(rest) ?? '', 'utf8')
      .digest('hex');
    if (event.seq !== at + 1 || event.prev_hash !== previous || hash !== digest) return at + 1;
    previous = hash;
  }
  return undefined;
}

/** What an act adds to the trail: action and target of each new event. */
async function added(act: () => Promise<unknown>): Promise<string[]> {
  const before = (await trail()).length;
  await act();
  return (await trail()).slice(before).map((event) => `${event.action} ${event.target}`);
}

describe('each change', () => {
  it('leaves one event that names the thing changed', async () => {
    const client = service.client();
    let workflow = '';
    let member = '';
    let token = '';
    let printed = '';
    let invitation = '';
    expect(
      await added(async () => (workflow = (await client.workflows.put('trail', { allowed_scopes: ['repo:*'] })).id)),
    ).toEqual([`workflow.created ${workflow}`]);
    expect(await added(() => client.workflows.put('trail', { allowed_scopes: ['repo:*', 'a:b'] }))).toEqual([
      `workflow.updated ${workflow}`,
    ]);
    expect(await added(() => client.workflows.pause('trail'))).toEqual([`workflow.paused ${workflow}`]);
    expect(await added(() => client.workflows.resume('trail'))).toEqual([`workflow.resumed ${workflow}`]);
    expect(
      await added(async () => {
        const invited = await client.members.invite({ email: 'trail@people.example', role: 'member' });
        member = invited.id;
        invitation = invited.invitation;
      }),
    ).toEqual([`member.invited ${member}`]);
    let signIn = '';
    const accepted = await added(async () => {
      const { token: entered } = await service.client(null).members.accept(invitation);
      signIn = (await service.client(entered).me()).token.id;
    });
    expect(accepted.sort()).toEqual([`member.accepted ${member}`, `token.minted ${signIn}`]);
    expect(await added(() => client.members.patch(member, { name: 'Ada' }))).toEqual([`member.renamed ${member}`]);
    expect(await added(() => client.members.patch(member, { role: 'auditor' }))).toEqual([
      `member.role_changed ${member}`,
    ]);
    expect(await added(() => client.members.suspend(member))).toEqual([`member.suspended ${member}`]);
    expect(await added(() => client.members.reactivate(member))).toEqual([`member.reactivated ${member}`]);
    expect(
      await added(async () => {
        const minted = await client.tokens.mint({ workflow: 'trail', scopes: ['repo:read'], expires_in_days: 7 });
        token = minted.id;
        printed = minted.token;
      }),
    ).toEqual([`token.minted ${token}`]);
    expect(await added(() => client.tokens.transfer(token, { owner_id: member }))).toEqual([
      `token.transferred ${token}`,
    ]);
    expect(await added(() => service.client(null).revoke(printed))).toEqual([`token.revoked ${token}`]);
    const removed = await added(() => client.members.remove(member));
    expect(removed).toEqual([`token.revoked ${signIn}`, `member.removed ${member}`]);
  });

  it('says who did it, with which token, from where, and under which request', async () => {
    const answer = await send(service, 'PUT', '/v1/workflows/placed', {
      json: {},
      address: '203.0.113.5',
      headers: { 'user-agent': 'curl/8 (Ünïcödé)', 'x-request-id': 'req.1-A_b' },
    });
    const { data } = await service.client().auditEvents({ target: String(answer.body['id']) });
    expect(data).toEqual([
      expect.objectContaining({
        id: expect.stringMatching(/^evt_[0-9A-Za-z]{22}$/),
        at: service.clock.now().toISOString(),
        actor: { type: 'member', id: printId('mem', service.owner.member.id) },
        action: 'workflow.created',
        ip: '203.0.113.5',
        user_agent: 'curl/8 (Ünïcödé)',
        request_id: 'req.1-A_b',
        data: expect.objectContaining({ via: printId('tok', service.owner.tokenId) }),
      }),
    ]);
  });

  it('holds no token, even when the caller puts one into a header', async () => {
    const { token } = await service.seedToken();
    await send(service, 'PUT', '/v1/workflows/scrubbed', { json: {}, headers: { 'user-agent': `bot ${token}` } });
    const page = await send(service, 'GET', '/v1/audit-events?action=workflow.created&limit=200');
    expect(page.text).toContain(`bot ${token.slice(0, 26)}_***`);
    expect(page.text).not.toContain(token.slice(27, 70));
  });
});

describe('what changes nothing', () => {
  it('leaves no event: reads, repetitions, refusals', async () => {
    const client = service.client();
    await client.workflows.put('still', { description: 'x' });
    const { id } = await client.members.invite({ email: 'still@people.example', role: 'member' });
    const { id: tokenId } = await service.seedToken();
    await client.tokens.revoke(tokenId, { reason: 'unused' });
    const auditor = await service.makeMember('auditor');
    const silent = (method: string, path: string, json?: unknown, token?: string | null) =>
      added(() =>
        send(service, method, path, {
          ...(json === undefined ? {} : { json }),
          ...(token === undefined ? {} : { token }),
        }),
      );
    for (const path of ['/v1/me', '/v1/members', '/v1/tokens', '/v1/workflows', '/v1/audit-events/checkpoint']) {
      expect(await silent('GET', path)).toEqual([]);
    }
    expect(await silent('PUT', '/v1/workflows/still', { description: 'x' })).toEqual([]);
    expect(await silent('POST', '/v1/workflows/still/resume')).toEqual([]);
    expect(await silent('POST', `/v1/tokens/${tokenId}/revoke`, { reason: 'leaked' })).toEqual([]);
    expect(await silent('POST', '/v1/revocations', { reason: 'leaked', workflow: 'still' })).toEqual([]);
    expect(await silent('POST', '/v1/revocations', { reason: 'leaked', workspace: true, dry_run: true })).toEqual([]);
    expect(await silent('PUT', '/v1/workflows/Bad', {})).toEqual([]);
    expect(await silent('PUT', '/v1/workflows/still', { nonsense: 1 })).toEqual([]);
    expect(await silent('PUT', '/v1/workflows/still', {}, auditor.token)).toEqual([]);
    expect(await silent('POST', '/v1/members', { email: 'still@people.example', role: 'member' })).toEqual([]);
    expect(await silent('POST', '/v1/members', { email: 'new@people.example', role: 'owner' }, auditor.token)).toEqual(
      [],
    );
    expect(await silent('POST', `/v1/members/${id}/suspend`)).toEqual([]);
    expect(await silent('DELETE', `/v1/members/${printId('mem', service.owner.member.id)}`)).toEqual([]);
    expect(await silent('POST', '/v1/members/accept', undefined, 'cst_noise')).toEqual([]);
    expect(await silent('POST', '/v1/tokens', { workflow: 'still', scopes: ['a:b'], expires_in_days: 7 })).toEqual([]);
    expect(await silent('POST', '/v1/exec/checks', { workflow: 'countersign' })).toEqual([]);
    expect(await silent('PUT', '/v1/workflows/still', { description: 'y' }, null)).toEqual([]);
  });
});

describe('the chain', () => {
  it('has no gaps and holds after 50 changes at the same moment, recomputed from the answers alone', async () => {
    const busy = await createTestService();
    try {
      await busy.makeWorkflow('base');
      await Promise.all(
        Array.from({ length: 50 }, (_, at) => {
          const client = busy.client();
          if (at % 5 === 0) return client.tokens.mint({ workflow: 'base', scopes: ['repo:read'], expires_in_days: 7 });
          if (at % 5 === 1) return client.members.invite({ email: `p${at}@people.example`, role: 'member' });
          const description = `Nr. ${at}: "\\/\b\n ﷽ é é 🦊 \u2028 ß`.replace('\b', '\t');
          return client.workflows.put(`flow-${at}`, { description, max_run_seconds: 1_000_000 + at });
        }),
      );
      const events = await trail(busy.client());
      expect(events.length).toBeGreaterThanOrEqual(54);
      expect(events.map((event) => event.seq)).toEqual(events.map((_, at) => at + 1));
      expect(new Set(events.map((event) => event.id)).size).toBe(events.length);
      expect(events[0]?.prev_hash).toBe('0'.repeat(64));
      expect(events[0]?.hash).toMatch(/^[0-9a-f]{64}$/);
      expect(firstBroken(events)).toBeUndefined();
    } finally {
      await busy.close();
    }
  });

  it('is one for each workspace', async () => {
    const other = await service.makeWorkspace('chain');
    await service.client(other.printed).workflows.put('theirs', {});
    const theirs = await trail(service.client(other.printed));
    expect(theirs[0]).toMatchObject({ seq: 1, prev_hash: '0'.repeat(64), action: 'workspace.created' });
    expect(firstBroken(theirs)).toBeUndefined();
    const ours = new Set((await trail()).map((event) => event.id));
    expect(theirs.some((event) => ours.has(event.id))).toBe(false);
  });

  it.each([
    ['a changed actor', "update audit_events set actor_id = 'mem_0000000000000000000000' where seq = 3"],
    ['changed data', `update audit_events set data = '{}' where seq = 3`],
    ['a changed time', `update audit_events set at = at + interval '1 second' where seq = 3`],
    ['a changed address', `update audit_events set ip = '10.0.0.1' where seq = 3`],
    ['a removed event', 'delete from audit_events where seq = 3'],
  ])('shows %s', async (_, statement) => {
    const own = await createTestService();
    try {
      for (const label of ['a', 'b', 'c']) await own.makeWorkflow(label);
      expect(firstBroken(await trail(own.client()))).toBeUndefined();
      await own.db.sql.unsafe(statement);
      expect(firstBroken(await trail(own.client()))).toBe(3);
    } finally {
      await own.close();
    }
  });
});

describe('the checkpoint', () => {
  it('is a JWS over the head of the chain, signed by a key of the set (RFC 7515)', async () => {
    const { checkpoint } = await service.client().auditCheckpoint();
    const jwks = JSON.parse((await send(service, 'GET', '/.well-known/jwks.json')).text) as JSONWebKeySet;
    expect(jwks.keys.every((key) => key['d'] === undefined)).toBe(true);
    const { payload } = await compactVerify(checkpoint, createLocalJWKSet(jwks));
    const last = (await trail()).at(-1);
    expect(JSON.parse(new TextDecoder().decode(payload))).toEqual({
      workspace_id: printId('ws', service.owner.workspace.id),
      seq: last?.seq,
      hash: last?.hash,
      at: service.clock.now().toISOString(),
    });
  });

  it('shows a log that was cut off', async () => {
    const own = await createTestService();
    try {
      await own.makeWorkflow('a');
      const { checkpoint } = await own.client().auditCheckpoint();
      await own.db.sql`delete from audit_events where seq = (select max(seq) from audit_events)`;
      const events = await trail(own.client());
      expect(firstBroken(events)).toBeUndefined();
      const [, claims = ''] = checkpoint.split('.');
      expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toMatchObject({ seq: events.length + 1 });
    } finally {
      await own.close();
    }
  });
});

describe('the list', () => {
  it('can be narrowed by seq, action and target, and paged', async () => {
    const client = service.client();
    await client.workflows.put('listed', {});
    const { id } = await client.workflows.show('listed');
    await client.workflows.pause('listed');
    await client.workflows.resume('listed');
    const all = await trail();
    const last = all.at(-1)?.seq ?? 0;
    expect((await client.auditEvents({ after: last - 2 })).data).toEqual(all.slice(-2));
    expect((await client.auditEvents({ after: last })).data).toEqual([]);
    expect((await client.auditEvents({ target: id })).data.map((event) => event.action)).toEqual([
      'workflow.created',
      'workflow.paused',
      'workflow.resumed',
    ]);
    expect((await client.auditEvents({ target: id, action: 'workflow.paused' })).data).toEqual([all.at(-2)]);
    expect((await client.auditEvents({ target: id, after: last - 1 })).data).toEqual([all.at(-1)]);
    expect((await client.auditEvents({ action: 'workflow.invented' })).data).toEqual([]);
    const first = await client.auditEvents({ target: id, limit: 2 });
    const second = await client.auditEvents({ target: id, limit: 2, cursor: first.next_cursor ?? '' });
    expect([...first.data, ...second.data].map((event) => event.seq)).toEqual([last - 2, last - 1, last]);
    expect(second.next_cursor).toBeNull();
  });

  it.each([
    'after=-1',
    'after=x',
    'after=1e3',
    'after=99999999999999999999',
    'action=DROP',
    'target=x',
    'limit=1000',
    'cursor=abc',
    'x=1',
    'after=1&after=2',
  ])('refuses ?%s', async (query) => {
    expect((await send(service, 'GET', `/v1/audit-events?${query}`)).status).toBe(422);
  });
});
