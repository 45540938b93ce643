import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parsePublicId, printId } from '../../src/rules/format.js';
import type { ExecDecision, MintRequest } from '../../src/wire/resources.js';
import { seedRunner } from '../setup/dpop.js';
import { type Answered, type Sending, send } from '../setup/request.js';
import { createTestService, type TestService } from '../setup/service.js';

let service: TestService;
let runner: string;
beforeAll(async () => {
  service = await createTestService();
  await service.makeWorkflow('flow', { allowed_scopes: ['repo:*', 'codex:*'], max_run_seconds: 3600 });
  runner = (await service.seedToken({ scopes: ['exec:check'] })).token;
});
afterAll(() => service.close());

const check = (json: unknown, sending: Sending = {}): Promise<Answered> =>
  send(service, 'POST', '/v1/exec/checks', { token: runner, json, ...sending });
const mint = (request: Partial<MintRequest> = {}) =>
  service.seedToken({ workflow: 'flow', scopes: ['repo:read', 'codex:exec'], ...request });
const codes = (answer: Answered) => (answer.body['reasons'] as { code: string }[]).map((reason) => reason.code);
const rowOf = async (id: unknown) => {
  const rows = await service.db.sql`select * from exec_checks where id = ${parsePublicId('chk', String(id)) ?? ''}`;
  return rows[0];
};

describe('a check', () => {
  it('by a runner is allowed with the introspection of the token and an end', async () => {
    const { id, token } = await mint();
    const answer = await check({ token, workflow: 'flow', scopes: ['codex:exec'], context: { job: 'tests' } });
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({
      check_id: expect.stringMatching(/^chk_[0-9A-Za-z]{22}$/),
      decision: 'allow',
      reasons: [],
      as_of: service.clock.now().toISOString(),
      token: await service.client().introspect(token),
      valid_until: new Date(service.clock.now().getTime() + 3_600_000).toISOString(),
      run_id: String(answer.body['check_id']).replace('chk_', 'run_'),
      lease_ends_at: new Date(service.clock.now().getTime() + 120_000).toISOString(),
    });
    expect(answer.body['token']).toMatchObject({ active: true, jti: id });
  });

  it("by the job's own token needs no scope and no token member", async () => {
    const { token } = await mint();
    const answer = await check({ workflow: 'flow', scopes: ['repo:read'] }, { token });
    expect(answer.body).toMatchObject({ decision: 'allow', token: { active: true } });
  });

  it('of another token needs exec:check', async () => {
    const { token } = await mint();
    const other = await mint();
    const refused = await check({ token: other.token, workflow: 'flow' }, { token });
    expect(refused.status).toBe(403);
    expect(refused.headers.get('www-authenticate')).toContain('scope="exec:check"');
    const rows = await service.db
      .sql`select 1 from exec_checks where token_id = ${parsePublicId('tok', other.id) ?? ''}`;
    expect(rows).toHaveLength(0);
  });

  it('is on record, whole, when it is answered', async () => {
    const { id, token } = await mint({ constraints: { refs: ['refs/heads/main'] } });
    const context = {
      repository: 'acme/shop',
      ref: 'refs/heads/dev',
      environment: 'ci',
      job: 'tests',
      command: 'make',
    };
    for (const ref of ['refs/heads/main', 'refs/heads/dev']) {
      const { body } = await check(
        { token, workflow: 'flow', scopes: ['repo:read'], context: { ...context, ref } },
        { address: '203.0.113.9' },
      );
      expect(await rowOf(body['check_id'])).toMatchObject({
        decision: ref === 'refs/heads/main' ? 'allow' : 'deny',
        reasons: body['reasons'],
        token_id: parsePublicId('tok', id),
        workflow: 'flow',
        scopes: ['repo:read'],
        context: { ...context, ref },
        ip: '203.0.113.9',
        finished_at: null,
      });
    }
  });

  it('writes down that the token was used, by whom and from where', async () => {
    const { id, token } = await mint();
    const runnerId = (await service.client(runner).me()).token.id;
    await check({ token, workflow: 'flow' }, { address: '203.0.113.7' });
    expect(await service.client().tokens.show(id)).toMatchObject({
      last_used_at: service.clock.now().toISOString(),
      last_used_ip: '203.0.113.7',
      last_used_by: runnerId,
    });
  });

  it('is the last run of the token: where, and on which runner; neither a denial nor an introspection is', async () => {
    const { id, token } = await mint();
    const host = await seedRunner(service, { approver: service.owner.printed });
    const lastRun = async () => (await service.client().tokens.show(id)).last_used_run;
    expect(await lastRun()).toBeNull();
    const context = { repository: 'acme/shop', ref: 'refs/heads/main', job: 'nightly 7' };
    const asked = { json: { token, workflow: 'flow', context } };
    const { body } = await host.send('POST', '/v1/exec/checks', asked);
    await expect.poll(lastRun).toEqual({
      run_id: body['run_id'],
      check_id: body['check_id'],
      started_at: service.clock.now().toISOString(),
      repository: 'acme/shop',
      ref: 'refs/heads/main',
      job: 'nightly 7',
      runner: { id: host.runner.id, name: host.runner.name },
    });
    service.clock.advance(60);
    await check({ token, workflow: 'flow', scopes: ['never:held'] });
    // Of two uses at one instant the first stays on record.
    service.clock.advance(1);
    await service.client(runner, '203.0.113.8').introspect(token);
    const shown = () => service.client().tokens.show(id);
    await expect.poll(async () => (await shown()).last_used_ip).toBe('203.0.113.8');
    expect(await shown()).toMatchObject({
      last_used_at: service.clock.now().toISOString(),
      last_used_run: { run_id: body['run_id'] },
    });
    service.clock.advance(60);
    const own = await service.client(token).execChecks.check({ workflow: 'flow' });
    await expect.poll(async () => (await lastRun())?.run_id).toBe(own.run_id);
    expect(await lastRun()).toMatchObject({ repository: null, ref: null, job: null, runner: null });
    const listed = (await service.client().tokens.list({ workflow: 'flow', limit: 200 })).data;
    expect(listed.find((one) => one.id === id)?.last_used_run?.run_id).toBe(own.run_id);
  });

  it('of a hundred at the same moment are all on record', async () => {
    const { token } = await mint();
    const answers = await Promise.all(Array.from({ length: 100 }, () => check({ token, workflow: 'flow' })));
    const ids = answers.map((one) => parsePublicId('chk', String(one.body['check_id'])) ?? '');
    const rows = await service.db.sql`select id from exec_checks where id = any(${ids}::uuid[])`;
    expect(new Set(rows.map((row) => row['id'])).size).toBe(100);
  });
});

describe('a denial', () => {
  const inactive = async (token: string) => {
    const answer = await check({ token, workflow: 'flow', scopes: ['repo:read'] });
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ decision: 'deny', token: { active: false }, valid_until: null });
    expect(codes(answer)).toEqual(['inactive']);
    return answer;
  };

  it('inactive: unknown, malformed, expired, revoked, superseded, not yet valid', async () => {
    await inactive('noise');
    await inactive('');
    await inactive('cst_0000000000000000000000_0000000000000000000000000000000000000000000000000');
    const revoked = await mint();
    await service.client(null).revoke(revoked.token);
    await inactive(revoked.token);
    const rotated = await mint();
    await service.client().tokens.rotate(rotated.id, { overlap_seconds: 0 });
    await inactive(rotated.token);
    const later = new Date(service.clock.now().getTime() + 86_400_000).toISOString();
    await inactive((await mint({ not_before: later })).token);

    const old = await createTestService();
    try {
      const asking = await old.seedToken({ scopes: ['exec:check'], expires_in_days: 30 });
      const { token } = await old.seedToken({ expires_in_days: 7 });
      old.clock.advance(7 * 86_400);
      const decided = await old.client(asking.token).execChecks.check({ token, workflow: 'nightly' });
      expect(decided).toMatchObject({ decision: 'deny', reasons: [{ code: 'inactive' }] });
      expect((await send(old, 'POST', '/v1/exec/checks', { token, json: { workflow: 'nightly' } })).status).toBe(401);
    } finally {
      await old.close();
    }
  });

  it('inactive: paused, suspended, removed', async () => {
    await service.makeWorkflow('to-pause');
    const paused = await service.seedToken({ workflow: 'to-pause' });
    await service.client().workflows.pause('to-pause');
    await inactive(paused.token);
    const member = await service.makeMember('member');
    const theirs = await service
      .client(member.token)
      .tokens.mint({ workflow: 'flow', scopes: ['repo:read'], expires_in_days: 7 });
    await service.client().members.suspend(member.id);
    await inactive(theirs.token);
    await service.client().members.remove(member.id);
    await inactive(theirs.token);
  });

  it('inactive: a token of another workspace, which is not named in the record', async () => {
    const other = await service.makeWorkspace('elsewhere');
    const answer = await inactive(other.printed);
    expect(await rowOf(answer.body['check_id'])).toMatchObject({ token_id: null });
  });

  it('workflow_mismatch, scope_missing for each scope', async () => {
    const { token } = await mint({ scopes: ['repo:read'] });
    const answer = await check({ token, workflow: 'other', scopes: ['repo:read', 'repo:write', 'codex:exec'] });
    expect(codes(answer)).toEqual(['workflow_mismatch', 'scope_missing', 'scope_missing']);
    expect(answer.body).toMatchObject({ decision: 'deny', valid_until: null, token: { active: true } });
  });

  it.each([
    ['repositories', ['acme/*'], 'repository', 'acme/shop', 'evil/shop', 'repository_not_allowed'],
    ['repositories', ['github.com/acme/**'], 'repository', 'github.com/acme/a/b', 'acme/a', 'repository_not_allowed'],
    ['refs', ['refs/heads/release/*'], 'ref', 'refs/heads/release/1', 'refs/heads/release/1/2', 'ref_not_allowed'],
    ['environments', ['prod', 'staging'], 'environment', 'staging', 'Staging', 'environment_not_allowed'],
  ] as const)('%s %j', async (kind, patterns, member, inside, outside, code) => {
    const { token } = await mint({ constraints: { [kind]: [...patterns] } });
    const ask = (context: unknown) => check({ token, workflow: 'flow', context });
    expect((await ask({ [member]: inside })).body['decision']).toBe('allow');
    for (const context of [{ [member]: outside }, {}, { [member]: '' }]) {
      const answer = await ask(context);
      expect([context, answer.body['decision'], codes(answer)]).toEqual([context, 'deny', [code]]);
    }
  });

  it('runner_not_allowed: no runner is proven yet, whatever the request says', async () => {
    const { token } = await mint({ constraints: { runners: ['*'] } });
    expect(codes(await check({ token, workflow: 'flow' }))).toEqual(['runner_not_allowed']);
    expect((await check({ token, workflow: 'flow', context: { runner: 'build-1' } })).status).toBe(422);
  });

  it("the workflow's constraints of today count beside the token's own", async () => {
    await service.makeWorkflow('tightened', { allowed_scopes: ['repo:*'] });
    const { token } = await service.seedToken({ workflow: 'tightened' });
    const context = { repository: 'acme/shop' };
    expect((await check({ token, workflow: 'tightened', context })).body['decision']).toBe('allow');
    await service
      .client()
      .workflows.put('tightened', { allowed_scopes: ['repo:*'], constraints: { repositories: ['acme/web'] } });
    expect(codes(await check({ token, workflow: 'tightened', context }))).toEqual(['repository_not_allowed']);
  });
});

describe('networks', () => {
  it("are matched against the caller's address", async () => {
    const { token } = await mint({ constraints: { networks: ['198.51.100.0/24', '2001:db8::/32'] } });
    const from = async (address: string, headers: Record<string, string> = {}) =>
      (await check({ token, workflow: 'flow' }, { address, headers })).body['decision'];
    expect(await from('198.51.100.7')).toBe('allow');
    expect(await from('::ffff:198.51.100.7')).toBe('allow');
    expect(await from('::ffff:c633:6407')).toBe('allow');
    expect(await from('2001:db8::1')).toBe('allow');
    expect(await from('198.51.101.7')).toBe('deny');
    expect(await from('2001:db9::1')).toBe('deny');
    expect(await from('192.0.2.1', { 'x-forwarded-for': '198.51.100.7' })).toBe('deny');
    expect(await from('198.51.100.7', { 'x-forwarded-for': '192.0.2.1' })).toBe('allow');
  });

  it('behind trusted proxies are matched against the address that the last of them saw', async () => {
    const proxied = await createTestService({ trustedProxies: ['10.0.0.0/8', 'fd00::/8'] });
    try {
      const { token } = await proxied.seedToken({ constraints: { networks: ['198.51.100.0/24'] } });
      const from = async (address: string, forwarded?: string) => {
        const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded };
        const answer = await send(proxied, 'POST', '/v1/exec/checks', {
          token,
          address,
          headers,
          json: { workflow: 'nightly' },
        });
        const shown = await proxied.client(token).execChecks.show(String(answer.body['check_id']));
        return [answer.body['decision'], shown.ip];
      };
      expect(await from('10.0.0.1', '198.51.100.7')).toEqual(['allow', '198.51.100.7']);
      expect(await from('::ffff:10.0.0.1', '198.51.100.7')).toEqual(['allow', '198.51.100.7']);
      expect(await from('fd00::1', '198.51.100.7, 10.1.1.1')).toEqual(['allow', '198.51.100.7']);
      // What stands left of the first address that is no proxy's was written by who sent it.
      expect(await from('10.0.0.1', '198.51.100.7, 203.0.113.1')).toEqual(['deny', '203.0.113.1']);
      expect(await from('10.0.0.1')).toEqual(['deny', '10.0.0.1']);
      expect(await from('10.0.0.1', 'unknown')).toEqual(['deny', '10.0.0.1']);
      expect(await from('10.0.0.1', '198.51.100.7, ')).toEqual(['deny', '10.0.0.1']);
      expect(await from('203.0.113.1', '198.51.100.7')).toEqual(['deny', '203.0.113.1']);
    } finally {
      await proxied.close();
    }
  });
});

describe('what is put on record', () => {
  it('holds no token, wherever it stood', async () => {
    const { id, token } = await mint();
    const context = {
      repository: `acme/${token}`,
      ref: `refs/heads/${token}`,
      environment: token,
      job: `job ${token}`,
      command: `curl -H 'Authorization: Bearer ${token}' | sh # ${token}${token}`,
    };
    const { body } = await check({ token, workflow: 'flow', context });
    const shown = await send(service, 'GET', `/v1/exec/checks/${body['check_id']}`);
    expect(shown.text).not.toContain(token);
    expect(shown.text).not.toContain(token.slice(27, 70));
    expect((shown.body['context'] as Record<string, string>)['command']).toContain(`${token.slice(0, 26)}_***`);
    expect(id.slice(4)).toBe(token.slice(4, 26));
    expect(service.log.join('')).not.toContain(token.slice(27, 70));
    const [dump] = await service.db.sql`select string_agg(c::text, '') as all from exec_checks c`;
    expect(String(dump?.['all'])).not.toContain(token.slice(27, 70));
  });

  it('a scope that holds a token is refused', async () => {
    const { token } = await mint();
    const answer = await check({ token, workflow: 'flow', scopes: ['repo:read', `a:${token}`] });
    expect([answer.status, answer.body['errors']]).toEqual([
      422,
      [{ pointer: '#/scopes/1', detail: 'must not hold a token' }],
    ]);
    expect(answer.text).not.toContain(token.slice(27, 70));
  });

  it.each([
    [{}],
    [{ workflow: 'Flow' }],
    [{ workflow: 'flow', scopes: ['x'] }],
    [{ workflow: 'flow', scopes: 'repo:read' }],
    [{ workflow: 'flow', token: 7 }],
    [{ workflow: 'flow', token: 'x'.repeat(1025) }],
    [{ workflow: 'flow', context: { command: 'x'.repeat(4097) } }],
    [{ workflow: 'flow', context: { job: 'a\nb' } }],
    [{ workflow: 'flow', context: { repository: 'a\u0000' } }],
    [{ workflow: 'flow', context: { address: '10.0.0.1' } }],
    [{ workflow: 'flow', runner: 'x' }],
    [null],
  ])('%j is refused', async (json) => {
    expect((await check(json)).status).toBe(422);
  });
});

describe('the list of decisions', () => {
  it('is newest first, in pages, and can be narrowed', async () => {
    const own = await createTestService();
    try {
      await own.makeWorkflow('a');
      await own.makeWorkflow('b');
      const a = await own.seedToken({ workflow: 'a' });
      const b = await own.seedToken({ workflow: 'b' });
      const made: ExecDecision[] = [];
      for (const [token, workflow] of [
        [a.token, 'a'],
        [b.token, 'b'],
        [a.token, 'b'],
        [b.token, 'b'],
        [a.token, 'a'],
      ] as const) {
        own.clock.advance(1);
        made.push(await own.client(token).execChecks.check({ workflow }));
      }
      const ids = made.map((one) => one.check_id).toReversed();
      const list = async (query: Parameters<ReturnType<typeof own.client>['execChecks']['list']>[0]) =>
        (await own.client().execChecks.list(query)).data.map((one) => one.check_id);
      expect(await list({})).toEqual(ids);
      expect(await list({ workflow: 'a' })).toEqual([ids[0], ids[4]]);
      expect(await list({ token: b.id })).toEqual([ids[1], ids[3]]);
      expect(await list({ decision: 'deny' })).toEqual([ids[2]]);
      expect(await list({ decision: 'allow', workflow: 'b', token: a.id })).toEqual([]);
      expect(await list({ after: ids[2] ?? '' })).toEqual([ids[0], ids[1]]);
      expect(await list({ after: ids[0] ?? '' })).toEqual([]);
      expect(await list({ after: made[2]?.as_of ?? '' })).toEqual([ids[0], ids[1], ids[2]]);
      expect(await list({ after: own.clock.now().toISOString().replace('Z', '+00:00') })).toEqual([ids[0]]);

      const pages: string[][] = [];
      let cursor: string | undefined;
      do {
        const page = await own.client().execChecks.list({ limit: 2, cursor });
        pages.push(page.data.map((one) => one.check_id));
        cursor = page.next_cursor ?? undefined;
      } while (cursor !== undefined);
      expect(pages).toEqual([ids.slice(0, 2), ids.slice(2, 4), ids.slice(4)]);
    } finally {
      await own.close();
    }
  });

  it.each([
    'after=yesterday',
    'after=1969-12-31T23:59:59Z',
    'after=2026-02-30T00:00:00Z',
    'after=chk_zzzzzzzzzzzzzzzzzzzzzz',
    'after=tok_0000000000000000000000',
    'decision=maybe',
    'token=chk_0000000000000000000000',
    'workflow=A',
    'limit=0',
    'limit=201',
    'limit=1e2',
    'cursor=x',
    'nonsense=1',
  ])('refuses ?%s', async (query) => {
    expect((await send(service, 'GET', `/v1/exec/checks?${query}`)).status).toBe(422);
  });

  it('of an id that is too large for its width is empty', async () => {
    const answer = await send(service, 'GET', '/v1/exec/checks?token=tok_zzzzzzzzzzzzzzzzzzzzzz');
    expect([answer.status, answer.body]).toEqual([200, { data: [], next_cursor: null }]);
  });

  it('shows a job its own decisions only, a runner and an auditor all', async () => {
    const job = await mint();
    const other = await mint();
    const ids: string[] = [];
    for (const { token } of [job, other])
      ids.push((await service.client(token).execChecks.check({ workflow: 'flow' })).check_id);
    const listed = async (token: string, query = {}) =>
      (await service.client(token).execChecks.list({ limit: 200, ...query })).data.map((one) => one.check_id);
    expect(await listed(job.token)).toEqual([ids[0]]);
    expect(await listed(job.token, { token: other.id })).toEqual([]);
    const { token: auditor } = await service.makeMember('auditor');
    for (const token of [runner, auditor]) expect(await listed(token)).toEqual(expect.arrayContaining(ids));
  });
});

describe('a decision', () => {
  it('is shown to its job, to who asked, to runners and to auditors, and to nobody else', async () => {
    const job = await mint();
    const { body } = await check({ token: job.token, workflow: 'flow' });
    const path = `/v1/exec/checks/${body['check_id']}`;
    const { token: auditor } = await service.makeMember('auditor');
    const { token: member } = await service.makeMember('member');
    const stranger = await mint();
    const foreigner = await service.makeWorkspace('foreign-reader');
    const statuses = async (token: string) => (await send(service, 'GET', path, { token })).status;
    for (const token of [job.token, runner, auditor, service.owner.printed]) expect(await statuses(token)).toBe(200);
    for (const token of [member, stranger.token, foreigner.printed]) expect(await statuses(token)).toBe(404);
    const finish = async (token: string) =>
      (await send(service, 'POST', `${path}/finish`, { token, json: { exit_code: 0 } })).status;
    for (const token of [auditor, member, stranger.token, foreigner.printed]) expect(await finish(token)).toBe(404);
    expect(await finish(job.token)).toBe(200);
  });

  it('is shown to its own token after the end of that, and then to no other dead one', async () => {
    const job = await mint();
    const { check_id } = await service.client(job.token).execChecks.check({ workflow: 'flow' });
    const stranger = await mint();
    await service.client(null).revoke(job.token);
    await service.client(null).revoke(stranger.token);
    const show = (token: string) => send(service, 'GET', `/v1/exec/checks/${check_id}`, { token });
    expect([(await show(job.token)).status, (await show(stranger.token)).status]).toEqual([200, 401]);
    const finished = await send(service, 'POST', `/v1/exec/checks/${check_id}/finish`, {
      token: job.token,
      json: { exit_code: 1 },
    });
    expect(finished.status).toBe(200);
  });

  it.each([
    'chk_0000000000000000000000',
    'chk_zzzzzzzzzzzzzzzzzzzzzz',
    'chk_x',
    'x',
    '%00',
    'tok_0000000000000000000000',
  ])('%s is not found', async (id) => {
    expect((await send(service, 'GET', `/v1/exec/checks/${id}`)).status).toBe(404);
    expect((await send(service, 'GET', `/v1/exec/checks/${id}/watch`)).status).toBe(404);
    expect((await send(service, 'POST', `/v1/exec/checks/${id}/finish`, { json: { exit_code: 0 } })).status).toBe(404);
  });
});

describe('the end of a job', () => {
  const finish = (id: unknown, json: unknown) =>
    send(service, 'POST', `/v1/exec/checks/${id}/finish`, { token: runner, json });
  const allowed = async () => {
    const { token } = await mint();
    return (await check({ token, workflow: 'flow' })).body['check_id'];
  };

  it('is put on record once; the same again changes nothing, another one is a conflict', async () => {
    const id = await allowed();
    const first = await finish(id, { exit_code: 3 });
    expect(first.body).toMatchObject({ exit_code: 3, signal: null, finished_at: service.clock.now().toISOString() });
    service.clock.advance(1);
    expect((await finish(id, { exit_code: 3 })).body).toEqual(first.body);
    for (const end of [{ exit_code: 0 }, { exit_code: null, signal: 'SIGTERM' }, { exit_code: 3, signal: 'SIGTERM' }]) {
      expect((await finish(id, end)).body).toMatchObject({ status: 409, code: 'check_state' });
    }
    expect((await send(service, 'GET', `/v1/exec/checks/${id}`)).body).toEqual(first.body);
  });

  it('by a signal names it', async () => {
    const id = await allowed();
    expect((await finish(id, { exit_code: null, signal: 'SIGKILL' })).body).toMatchObject({
      exit_code: null,
      signal: 'SIGKILL',
    });
  });

  it('of ten different ones at the same moment is one', async () => {
    const id = await allowed();
    const answers = await Promise.all(Array.from({ length: 10 }, (_, code) => finish(id, { exit_code: code })));
    expect(answers.map((one) => one.status).sort()).toEqual([200, ...Array(9).fill(409)]);
  });

  it('of a denied check is a conflict', async () => {
    const { body } = await check({ token: 'noise', workflow: 'flow' });
    expect((await finish(body['check_id'], { exit_code: 0 })).body).toMatchObject({ status: 409, code: 'check_state' });
  });

  it.each([
    [{}],
    [{ exit_code: -1 }],
    [{ exit_code: 256 }],
    [{ exit_code: 1.5 }],
    [{ exit_code: '0' }],
    [{ exit_code: 0, signal: 'TERM' }],
    [{ exit_code: 0, signal: 'sigterm' }],
    [{ exit_code: 0, note: 'x' }],
  ])('%j is refused', async (json) => {
    expect((await finish(await allowed(), json)).status).toBe(422);
  });
});

describe('partitions', () => {
  it('a month that no job prepared gets its own with the first decision', async () => {
    const ahead = await createTestService({ at: new Date('2031-12-31T23:59:59.500Z') });
    try {
      const { token } = await ahead.seedToken();
      const months = async () =>
        (await ahead.db.sql`select relname from pg_class where relname ~ '^exec_checks_[0-9]{6}$' order by 1`).map(
          (row) => row['relname'],
        );
      expect(await months()).not.toContain('exec_checks_203112');
      const answers = await Promise.all(
        Array.from({ length: 20 }, () => ahead.client(token).execChecks.check({ workflow: 'nightly' })),
      );
      expect(answers.map((one) => one.decision)).toEqual(Array(20).fill('allow'));
      ahead.clock.advance(1);
      const next = await ahead.client(token).execChecks.check({ workflow: 'nightly' });
      expect(await months()).toEqual(expect.arrayContaining(['exec_checks_203112', 'exec_checks_203201']));
      expect((await ahead.client(token).execChecks.show(next.check_id)).as_of).toBe('2032-01-01T00:00:00.500Z');
      expect((await ahead.client().execChecks.list({ limit: 200 })).data).toHaveLength(21);
    } finally {
      await ahead.close();
    }
  });

  it('two nodes that need the same new month at the same moment both get it', async () => {
    const at = new Date('2033-03-03T00:00:00Z');
    const one = await createTestService({ at });
    try {
      const { token } = await one.seedToken();
      const sharing = one.service;
      const other = await createTestService({ at, database: one.database, keys: one.keys });
      try {
        expect(other.service).not.toBe(sharing);
        const answers = await Promise.all(
          [one, other, one, other].map((node) => node.client(token).execChecks.check({ workflow: 'nightly' })),
        );
        expect(answers.map((answer) => answer.decision)).toEqual(Array(4).fill('allow'));
      } finally {
        await other.close();
      }
    } finally {
      await one.close();
    }
  });
});

it('the workspace of a decision is the caller’s', async () => {
  const { check_id } = await service.client(runner).execChecks.check({ workflow: 'flow', token: 'noise' });
  const row = await rowOf(check_id);
  expect(printId('ws', row?.['workspace_id'])).toBe(printId('ws', service.owner.workspace.id));
});
