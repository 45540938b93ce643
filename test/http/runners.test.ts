import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLog } from '../../src/http/log.js';
import { addSeconds } from '../../src/rules/lifetime.js';
import { createService } from '../../src/service.js';
import { keepHouse } from '../../src/store/housekeeping.js';
import { operations } from '../../src/wire/openapi.js';
import { currentNonce, makeHostKey, seedRunner, sendAsHost, type TestRunner } from '../setup/dpop.js';
import { send } from '../setup/request.js';
import { createTestService, ISSUER, type TestService } from '../setup/service.js';

let service: TestService;
beforeAll(async () => {
  service = await createTestService();
  await service.makeWorkflow('flow', { allowed_scopes: ['codex:*'] });
});
afterAll(() => service.close());

const ENROL = '/v1/runner-enrolments';
const enrol = async (name: string, labels: string[] = [], address = '203.0.113.1') => {
  const key = await makeHostKey();
  const opened = await sendAsHost(service, key, 'POST', ENROL, { json: { name, labels }, address });
  expect(opened.status).toBe(201);
  const redeem = (asking = key) =>
    sendAsHost(service, key, 'POST', `${ENROL}/${opened.body['id']}/redeem`, { key: asking });
  return { key, code: String(opened.body['user_code']), id: String(opened.body['id']), opened, redeem };
};
const decide = (verb: string, json: object, token?: string) =>
  send(service, 'POST', `${ENROL}/${verb}`, { json, ...(token === undefined ? {} : { token }) });
const events = async (target: string) =>
  (await service.client().auditEvents({ target, limit: 200 })).data.map(({ action }) => action);
const jobToken = async (runners: string[]) =>
  (await service.seedToken({ workflow: 'flow', scopes: ['codex:exec'], constraints: { runners } })).token;
const check = (runner: Pick<TestRunner, 'send'>, token: string) =>
  runner.send('POST', '/v1/exec/checks', { json: { token, workflow: 'flow' } });

describe('an enrolment', () => {
  it('shows the host a code and its thumbprint, and waits until it is approved', async () => {
    const { key, opened, redeem, code } = await enrol('build-1', ['linux', 'gpu']);
    expect(opened.body).toMatchObject({ thumbprint: key.jkt, interval_seconds: 5 });
    expect(code).toMatch(/^[BCDFGHJKLMNPQRSTVWXZ]{5}-[BCDFGHJKLMNPQRSTVWXZ]{5}$/);
    const waiting = await redeem();
    expect([waiting.status, waiting.headers.get('retry-after'), waiting.body]).toEqual([
      202,
      '5',
      { status: 'pending', interval_seconds: 5 },
    ]);
    expect((await redeem()).status).toBe(429);

    const shown = await decide('lookup', { user_code: code.toLowerCase().replace('-', '') });
    expect(shown.body).toMatchObject({
      name: 'build-1',
      labels: ['linux', 'gpu'],
      ip: '203.0.113.1',
      thumbprint: key.jkt,
    });
    const approved = await decide('approve', { user_code: code, labels: ['linux'], expires_in_days: 30 });
    expect(approved.status).toBe(201);
    expect(approved.body).toMatchObject({ name: 'build-1', labels: ['linux'], status: 'active', thumbprint: key.jkt });
    const redeemed = await redeem();
    expect(redeemed.status).toBe(200);
    const { token, token_id } = redeemed.body as { token: string; token_id: string };
    const me = await sendAsHost(service, key, 'GET', '/v1/me', { token });
    expect(me.body).toMatchObject({ permissions: ['tokens:introspect', 'exec:check'], token: { id: token_id } });
    const id = String(approved.body['id']);
    expect(await events(id)).toEqual(['runner.approved', 'runner.enrolled']);
    expect(await events(token_id)).toEqual(['token.minted']);
  });

  it('gives its token again after a lost answer, with another secret, until the token was used', async () => {
    const { key, code, redeem } = await enrol('lost-answer');
    await decide('approve', { user_code: code });
    const [first, second] = [await redeem(), await redeem()];
    expect([first.status, second.status, second.body['token_id']]).toEqual([200, 200, first.body['token_id']]);
    const status = async (token: unknown) =>
      (await sendAsHost(service, key, 'GET', '/v1/me', { token: String(token) })).status;
    expect([await status(first.body['token']), await status(second.body['token'])]).toEqual([401, 200]);
    const late = await redeem();
    expect([late.status, late.body['code']]).toEqual([409, 'enrolment_state']);
    expect(await status(second.body['token'])).toBe(200);
  });

  it('redeemed twice at once leaves one secret that works', async () => {
    const { key, code, redeem } = await enrol('two-at-once');
    await decide('approve', { user_code: code });
    const answers = await Promise.all([redeem(), redeem()]);
    const secrets = answers.filter(({ status }) => status === 200).map(({ body }) => String(body['token']));
    const works = await Promise.all(secrets.map((token) => sendAsHost(service, key, 'GET', '/v1/me', { token })));
    expect(works.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  it('is nothing to a host with another key', async () => {
    const { code, redeem } = await enrol('another-key');
    await decide('approve', { user_code: code });
    const other = await makeHostKey();
    expect((await redeem(other)).status).toBe(401);
    expect((await redeem()).status).toBe(200);
  });

  it('that is denied tells the host so, and cannot be approved', async () => {
    const { code, redeem, id } = await enrol('denied');
    expect((await decide('deny', { user_code: code })).status).toBe(204);
    const told = await redeem();
    expect([told.status, told.body['code']]).toEqual([409, 'enrolment_state']);
    expect((await decide('approve', { user_code: code })).status).toBe(422);
    expect(await events(id)).toEqual(['runner.denied']);
  });

  it('refuses a wrong, an expired and a used code in the same words', async () => {
    const used = await enrol('used-code');
    await decide('approve', { user_code: used.code });
    const wrong = await enrol('wrong-code');
    const expired = await enrol('expired-code');
    const mistyped = wrong.code.slice(0, 6) + (wrong.code.endsWith('BBBBB') ? 'CCCCC' : 'BBBBB');
    const refusals = [
      await decide('approve', { user_code: mistyped }),
      await decide('approve', { user_code: used.code }),
      await decide('lookup', { user_code: 'XXXXX-XXXXX' }),
      await decide('lookup', { user_code: 'no code at all' }),
    ];
    service.clock.advance(600);
    refusals.push(await decide('approve', { user_code: expired.code }));
    const said = refusals.map(({ status, body }) => [status, body['errors']]);
    expect(new Set(said.map((one) => JSON.stringify(one))).size).toBe(1);
    expect(said[0]?.[0]).toBe(422);
    expect((await expired.redeem()).body['code']).toBe('enrolment_state');
  });

  it('is over after five wrong tries, also when they come at the same moment', async () => {
    const [patient, parallel] = [await enrol('patient'), await enrol('parallel')];
    const admins = await Promise.all([1, 2, 3].map(() => service.makeMember('admin')));
    const wrong = (code: string, at: number) =>
      decide('lookup', { user_code: `${code.slice(0, 6)}BCDF${'GHJKL'[at % 5]}` }, admins[at % 3]?.token);
    for (let at = 0; at < 4; at += 1) await wrong(patient.code, at);
    expect((await decide('lookup', { user_code: patient.code })).status).toBe(200);
    await wrong(patient.code, 4);
    expect((await decide('lookup', { user_code: patient.code })).status).toBe(422);
    await Promise.all(Array.from({ length: 30 }, (_, at) => wrong(parallel.code, at)));
    expect((await decide('approve', { user_code: parallel.code })).status).toBe(422);
    const { sql } = service.db;
    const [row] = await sql`select tries from runner_enrolments where name = 'parallel'`;
    expect(row?.['tries']).toBe(5);
  });

  it('stops a member who types wrong codes again and again', async () => {
    const { token } = await service.makeMember('admin');
    const statuses = [];
    for (let at = 0; at < 21; at += 1)
      statuses.push((await decide('lookup', { user_code: 'XXXXX-XXXXX' }, token)).status);
    expect(statuses).toEqual([...Array(20).fill(422), 429]);
  });

  it('keeps nothing by which the code could be told', async () => {
    const { code } = await enrol('at-rest');
    const rows = await service.db.sql`select * from runner_enrolments`;
    expect(JSON.stringify(rows)).not.toContain(code.slice(6));
    expect(service.log.join()).not.toContain(code.slice(6));
  });

  it('is limited by address', async () => {
    const statuses = [];
    for (let at = 0; at < 21; at += 1) {
      const key = await makeHostKey();
      const sent = await sendAsHost(service, key, 'POST', ENROL, { json: { name: 'flood' }, address: '203.0.113.99' });
      statuses.push(sent.status);
    }
    expect(statuses).toEqual([...Array(20).fill(201), 429]);
  });

  it('is limited by network where addresses are cheap', async () => {
    const statuses = [];
    for (let at = 0; at < 21; at += 1) {
      const address = `2001:db8:0:7::${at.toString(16)}`;
      statuses.push((await send(service, 'POST', ENROL, { token: null, json: { name: 'flood' }, address })).status);
    }
    expect(statuses).toEqual([...Array(20).fill(401), 429]);
  });

  it('is limited in how often one is asked for, whoever asks', async () => {
    const { id } = await enrol('asked-for');
    const ask = () => send(service, 'POST', `${ENROL}/${id}/redeem`, { token: null });
    const statuses = [];
    for (let at = 0; at < 21; at += 1) statuses.push((await ask()).status);
    expect(statuses).toEqual([...Array(20).fill(401), 429]);
  });

  it('is refused while a thousand wait, and taken again when they have expired', async () => {
    const { sql } = service.db;
    await sql`
      insert into runner_enrolments (id, locator, verifier, tries, name, labels, jkt, created_at, expires_at, status)
      select gen_random_uuid(), 'L' || n, 'none', 0, 'waits', '{}', 'none', ${service.clock.now().toISOString()},
        ${addSeconds(service.clock.now(), 600).toISOString()}, 'pending' from generate_series(1, 1000) n`;
    const ask = async () =>
      (
        await sendAsHost(service, await makeHostKey(), 'POST', ENROL, {
          json: { name: 'late' },
          address: '203.0.113.77',
        })
      ).status;
    expect(await ask()).toBe(503);
    service.clock.advance(601);
    expect(await ask()).toBe(201);
    service.clock.advance(1_201);
    await keepHouse(sql, service.clock.now());
    expect(await sql`select id from runner_enrolments`).toEqual([]);
  });

  it('takes no name and no label that a constraint could not name', async () => {
    const key = await makeHostKey();
    for (const json of [
      { name: '*' },
      { name: 'A' },
      { name: '' },
      { name: 'a'.repeat(65) },
      { name: 'ok', labels: ['**'] },
      { name: 'ok', labels: ['a//b'] },
      { name: 'ok', labels: Array.from({ length: 17 }, (_, at) => `l${at}`) },
    ]) {
      expect((await sendAsHost(service, key, 'POST', ENROL, { json, address: '203.0.113.50' })).status).toBe(422);
    }
  });
});

describe('an approval', () => {
  it('is not for members and auditors, not even of their own host', async () => {
    const { code } = await enrol('own-host');
    for (const role of ['member', 'auditor'] as const) {
      const { token } = await service.makeMember(role);
      for (const verb of ['lookup', 'approve', 'deny']) {
        expect((await decide(verb, { user_code: code }, token)).status).toBe(403);
      }
    }
  });

  it('gives no right that the approver may not hand on', async () => {
    await service.makeWorkflow('ops', { allowed_scopes: [] });
    const { code } = await enrol('beyond');
    const without = await service.seedToken({ workflow: 'ops', scopes: ['runners:write'] });
    expect((await decide('approve', { user_code: code }, without.token)).status).toBe(403);
    const scopes = ['runners:write', 'exec:check', 'tokens:introspect'];
    const placed = await service.seedToken({ workflow: 'ops', scopes, constraints: { networks: ['10.0.0.0/8'] } });
    expect((await decide('approve', { user_code: code }, placed.token)).status).toBe(403);
    const enough = await service.seedToken({ workflow: 'ops', scopes });
    expect((await decide('approve', { user_code: code }, enough.token)).status).toBe(201);
  });

  it('is refused for a name or a key that is in use, and the code stays good', async () => {
    const first = await seedRunner(service, { name: 'taken' });
    const { code } = await enrol('taken');
    const clash = await decide('approve', { user_code: code });
    expect([clash.status, clash.body['code']]).toEqual([409, 'runner_exists']);
    expect((await decide('approve', { user_code: code, name: 'not-taken' })).status).toBe(201);
    const json = { name: 'same-key' };
    const again = await sendAsHost(service, first.key, 'POST', ENROL, { json, address: '203.0.113.2' });
    const sameKey = await decide('approve', { user_code: again.body['user_code'] });
    expect([sameKey.status, sameKey.body['code']]).toEqual([409, 'runner_exists']);
  });

  it('of two at once makes one runner', async () => {
    const { code } = await enrol('two-approvals');
    const answers = await Promise.all([1, 2].map(() => decide('approve', { user_code: code })));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 422]);
  });

  it('ends with a revocation of everything that comes before the host has fetched its token', async () => {
    const other = await service.makeWorkspace('panic');
    const { code, redeem } = await enrol('panicked');
    await decide('approve', { user_code: code }, other.printed);
    await service.client(other.printed).tokens.revokeMany({ reason: 'leaked', workspace: true });
    expect((await redeem()).body['code']).toBe('enrolment_state');
  });
});

describe('the token of a runner', () => {
  it('alone is worth nothing: as Bearer, as Basic, without a proof, and with that of another key', async () => {
    const runner = await seedRunner(service);
    const other = await makeHostKey();
    const basic = Buffer.from(`${runner.token_id}:${runner.token}`).toString('base64');
    const form = `token=${runner.token}`;
    const tries = [
      await send(service, 'GET', '/v1/me', { token: runner.token }),
      await send(service, 'POST', '/v1/exec/checks', { token: runner.token, json: { workflow: 'flow' } }),
      await send(service, 'POST', '/oauth2/introspect', { token: runner.token, form }),
      await send(service, 'POST', '/oauth2/introspect', {
        token: null,
        form,
        headers: { authorization: `Basic ${basic}` },
      }),
      await send(service, 'GET', '/v1/me', { token: null, headers: { authorization: `DPoP ${runner.token}` } }),
      await runner.send('GET', '/v1/me', { key: other }),
      await runner.send('GET', '/v1/me', { scheme: 'Bearer' }),
    ];
    expect(tries.map(({ status }) => status)).toEqual(tries.map(() => 401));
    expect(tries[0]?.headers.get('www-authenticate')).toMatch(/^DPoP realm="countersign", error="invalid_token"/);
    expect((await runner.send('GET', '/v1/me')).status).toBe(200);
  });

  it('is in no part of the answer to a request that has it in its path', async () => {
    const runner = await seedRunner(service);
    const changes = { claims: { htu: 'https://countersign.example/v1/me' } };
    const misplaced = await runner.send('GET', `/v1/tokens/${runner.token}`, { changes });
    expect([misplaced.status, misplaced.body['detail']]).toMatchObject([401, expect.stringContaining('another URL')]);
    expect(JSON.stringify([misplaced.text, ...misplaced.headers])).not.toContain(runner.token.slice(27));
  });

  it('is shown and introspected as what it is (RFC 9449 section 6.2)', async () => {
    const runner = await seedRunner(service);
    const seen = await service.client().introspect(runner.token);
    expect(seen).toMatchObject({ active: true, token_type: 'DPoP', cnf: { jkt: runner.key.jkt } });
    expect(await service.client().tokens.show(runner.token_id)).toMatchObject({ workflow: 'countersign.runner' });
  });

  it('rotates itself, stays bound, and rotates nothing else', async () => {
    const runner = await seedRunner(service);
    const rotated = await runner.send('POST', '/v1/tokens/self/rotate');
    expect(rotated.status).toBe(201);
    const token = String(rotated.body['token']);
    expect((await send(service, 'GET', '/v1/me', { token })).status).toBe(401);
    expect((await runner.send('GET', '/v1/me', { token })).status).toBe(200);
    const { id } = await service.seedToken({ workflow: 'flow', scopes: ['codex:exec'] });
    expect((await runner.send('POST', `/v1/tokens/${id}/rotate`, { token })).status).toBe(403);
    const byOwner = await send(service, 'POST', `/v1/tokens/${String(rotated.body['id'])}/rotate`);
    expect([byOwner.status, byOwner.body['detail']]).toEqual([403, expect.stringContaining('only the runner itself')]);
    const shown = await service.client().tokens.show(runner.token_id);
    expect(shown.status).toBe('rotating');
  });

  it('runs no job: checked as one, it is denied', async () => {
    const runner = await seedRunner(service);
    const denied = await check(runner, runner.token);
    expect(denied.body).toMatchObject({ decision: 'deny', reasons: [{ code: 'inactive' }] });
    const itself = await runner.send('POST', '/v1/exec/checks', { json: { workflow: 'countersign.runner' } });
    expect(itself.body).toMatchObject({ decision: 'deny', reasons: [{ code: 'inactive' }] });
  });

  it('is inactive while its approver is suspended, and revoked with the removal of its approver', async () => {
    const admin = await service.makeMember('admin');
    const runner = await seedRunner(service, { approver: admin.token });
    await service.client().members.suspend(admin.id);
    expect((await runner.send('GET', '/v1/me')).status).toBe(401);
    await service.client().members.reactivate(admin.id);
    expect((await runner.send('GET', '/v1/me')).status).toBe(200);
    await service.client().members.remove(admin.id);
    expect((await runner.send('GET', '/v1/me')).status).toBe(401);
    expect((await service.client().tokens.show(runner.token_id)).status).toBe('revoked');
  });

  it('can be revoked by whoever holds it, without a proof (RFC 7009)', async () => {
    const runner = await seedRunner(service);
    await service.client(null).revoke(runner.token);
    expect((await runner.send('GET', '/v1/me')).status).toBe(401);
  });
});

describe('a constraint by runner', () => {
  it('is met by the proven runner alone: its name, or any of its labels', async () => {
    const runner = await seedRunner(service, { name: 'prod-7', labels: ['pool/gpu', 'linux'] });
    const decisions = async (runners: string[]) => (await check(runner, await jobToken(runners))).body['decision'];
    expect(await decisions(['prod-*'])).toBe('allow');
    expect(await decisions(['pool/*'])).toBe('allow');
    expect(await decisions(['windows', 'linux'])).toBe('allow');
    expect(await decisions(['staging-*', 'pool/cpu'])).toBe('deny');
  });

  it('is not met by the token of a job alone, nor by a caller that proves no runner', async () => {
    const token = await jobToken(['*']);
    const alone = await send(service, 'POST', '/v1/exec/checks', { token, json: { workflow: 'flow' } });
    const byOwner = await send(service, 'POST', '/v1/exec/checks', { json: { token, workflow: 'flow' } });
    for (const { body } of [alone, byOwner]) {
      expect(body).toMatchObject({ decision: 'deny', reasons: [{ code: 'runner_not_allowed' }] });
    }
  });

  it('puts the runner on record with the decision', async () => {
    const runner = await seedRunner(service);
    const { body } = await check(runner, await jobToken(['*']));
    const [row] = await service.db.sql`
      select c.runner_id = r.id as is_its from exec_checks c join runners r on r.name = ${runner.runner.name}
      where c.caller_token_id = (select id from tokens where runner_id = r.id)`;
    expect([body['decision'], row?.['is_its']]).toEqual(['allow', true]);
  });

  it('is not taken by a name that another runner has', async () => {
    const [first, second] = [await seedRunner(service), await seedRunner(service)];
    const path = `/v1/runners/${second.runner.id}`;
    const clash = await send(service, 'PATCH', path, { json: { name: first.runner.name } });
    expect([clash.status, clash.body['code']]).toEqual([409, 'runner_exists']);
    const renamed = await send(service, 'PATCH', path, { json: { name: 'renamed', labels: ['a', 'a'] } });
    expect(renamed.body).toMatchObject({ name: 'renamed', labels: ['a'] });
    expect(await events(second.runner.id)).toEqual(['runner.approved', 'runner.enrolled', 'runner.changed']);
    expect((await send(service, 'PATCH', path, { json: {} })).status).toBe(422);
  });

  it('follows new labels at once', async () => {
    const runner = await seedRunner(service, { labels: ['old'] });
    const token = await jobToken(['old']);
    expect((await check(runner, token)).body['decision']).toBe('allow');
    const path = `/v1/runners/${runner.runner.id}`;
    expect((await send(service, 'PATCH', path, { json: { labels: ['new'] } })).body['labels']).toEqual(['new']);
    expect((await check(runner, token)).body['decision']).toBe('deny');
  });

  it('is not lifted by the token that it binds, which could name a runner as it needs it', async () => {
    await service.makeWorkflow('bound-ops', { allowed_scopes: ['codex:*'] });
    const runner = await seedRunner(service, { labels: ['linux'] });
    const scopes = ['codex:exec', 'runners:write'];
    const { token } = await service.seedToken({ workflow: 'bound-ops', scopes, constraints: { runners: ['ci-*'] } });
    const path = `/v1/runners/${runner.runner.id}`;
    for (const json of [{ labels: ['ci-1'] }, { name: 'ci-1' }]) {
      const refused = await send(service, 'PATCH', path, { token, json });
      expect([refused.status, refused.body['detail']]).toEqual([403, 'the calling token is bound to narrower runners']);
    }
    expect((await send(service, 'GET', path)).body).toMatchObject({ name: runner.runner.name, labels: ['linux'] });
  });
});

describe('runners', () => {
  it('are listed and shown with when they were last seen', async () => {
    const runner = await seedRunner(service, { labels: ['shown'] });
    await runner.send('GET', '/v1/me');
    const list = await send(service, 'GET', '/v1/runners?limit=200');
    const data = list.body['data'] as { id: string }[];
    expect(data.find(({ id }) => id === runner.runner.id)).toMatchObject({
      labels: ['shown'],
      status: 'active',
      token_id: runner.token_id,
      last_seen_at: service.clock.now().toISOString(),
    });
    const self = await runner.send('GET', '/v1/runners/self');
    expect(self.body['id']).toBe(runner.runner.id);
    expect((await runner.send('GET', '/v1/runners')).status).toBe(403);
  });

  it('are inactive from a suspension to a reactivation, at once', async () => {
    const runner = await seedRunner(service);
    const path = `/v1/runners/${runner.runner.id}`;
    expect((await send(service, 'POST', `${path}/suspend`)).body['status']).toBe('suspended');
    expect((await runner.send('GET', '/v1/me')).status).toBe(401);
    expect(await service.client().introspect(runner.token)).toEqual({ active: false });
    const explained = await service.client().tokens.explain(runner.token_id);
    expect(explained.summary).toContain('its runner was suspended');
    expect((await send(service, 'POST', `${path}/suspend`)).status).toBe(200);
    await send(service, 'POST', `${path}/reactivate`);
    expect((await runner.send('GET', '/v1/me')).status).toBe(200);
    expect(await events(runner.runner.id)).toEqual([
      'runner.approved',
      'runner.enrolled',
      'runner.suspended',
      'runner.reactivated',
    ]);
  });

  it('that are suspended are inactive on every node with the answer, and active again with that of the reactivation', async () => {
    const runner = await seedRunner(service);
    const other = await createService({
      options: service.database.options,
      direct: service.database.options,
      keys: service.keys,
      issuer: () => ISSUER,
      trustedProxies: [],
      log: createLog('fatal', process.stderr),
      now: service.clock.now,
      secrets: service.secrets,
    });
    const path = `/v1/runners/${runner.runner.id}`;
    const ask = async () => {
      const nodes = [service, { service: other, owner: service.owner }];
      const form = `token=${runner.token}`;
      const answers = await Promise.all(nodes.map((node) => send(node, 'POST', '/oauth2/introspect', { form })));
      return answers.map(({ body }) => body['active']);
    };
    try {
      for (let round = 0; round < 15; round += 1) {
        for (const [verb, isActive] of [
          ['suspend', false],
          ['reactivate', true],
        ] as const) {
          const meanwhile = Promise.all([ask(), ask(), ask()]);
          expect((await send(service, 'POST', `${path}/${verb}`)).status).toBe(200);
          expect(await ask()).toEqual([isActive, isActive]);
          await meanwhile;
        }
      }
    } finally {
      await other.close();
    }
  });

  it.each([
    ['suspend', 'suspended'],
    ['remove', 'revoked'],
  ] as const)('end the watches of their jobs with %s: %s', async (verb, event) => {
    const runner = await seedRunner(service);
    const token = await jobToken(['*']);
    const { check_id } = (await check(runner, token)).body;
    const bystander = await seedRunner(service);
    const theirs = (await check(bystander, token)).body;
    const [watch, other] = [check_id, theirs['check_id']].map((id) =>
      service.client(token).execChecks.watch(String(id)),
    );
    for (const one of [watch, other]) expect((await one?.next())?.value).toEqual({ type: 'alive' });
    await service.client().runners[verb](runner.runner.id);
    expect((await watch?.next())?.value).toEqual({ type: event });
    await service.client().runners[verb](bystander.runner.id);
    expect((await other?.next())?.value).toEqual({ type: event });
  });

  it('that are suspended or removed renew no lease, nor does the token of the job', async () => {
    for (const [method, verb, word] of [
      ['POST', '/suspend', 'suspended'],
      ['DELETE', '', 'removed'],
    ] as const) {
      const runner = await seedRunner(service);
      const token = await jobToken(['*']);
      const { run_id } = (await check(runner, token)).body;
      const path = `/v1/exec/runs/${String(run_id)}/renew`;
      expect((await runner.send('POST', path)).status).toBe(200);
      await send(service, method, `/v1/runners/${runner.runner.id}${verb}`);
      expect((await runner.send('POST', path)).status).toBe(401);
      const byJob = await send(service, 'POST', path, { token });
      expect(byJob.body).toMatchObject({ status: 409, code: 'run_state', detail: `the runner is ${word}` });
    }
  });

  it('that are removed are gone for good; their key and name may enrol again, the old token stays dead', async () => {
    const runner = await seedRunner(service, { name: 'comes-back' });
    const path = `/v1/runners/${runner.runner.id}`;
    expect((await send(service, 'DELETE', path)).status).toBe(204);
    expect((await send(service, 'DELETE', path)).status).toBe(404);
    expect((await send(service, 'POST', `${path}/reactivate`)).status).toBe(404);
    expect((await service.client().tokens.show(runner.token_id)).status).toBe('revoked');
    const json = { name: 'comes-back' };
    const again = await sendAsHost(service, runner.key, 'POST', ENROL, { json, address: '203.0.113.3' });
    expect((await decide('approve', { user_code: again.body['user_code'] })).status).toBe(201);
    expect((await runner.send('GET', '/v1/me')).status).toBe(401);
  });

  it('may remove themselves, and nobody else', async () => {
    const [leaving, staying] = [await seedRunner(service), await seedRunner(service)];
    expect((await leaving.send('DELETE', `/v1/runners/${staying.runner.id}`)).status).toBe(403);
    expect((await leaving.send('DELETE', '/v1/runners/self')).status).toBe(204);
    expect((await leaving.send('GET', '/v1/me')).status).toBe(401);
    expect((await staying.send('GET', '/v1/me')).status).toBe(200);
  });

  it('may remove themselves also when who approved them may not change runners any more', async () => {
    const admin = await service.makeMember('admin');
    const runner = await seedRunner(service, { approver: admin.token });
    await service.client().members.patch(admin.id, { role: 'member' });
    expect((await runner.send('DELETE', '/v1/runners/self')).status).toBe(204);
    expect((await runner.send('GET', '/v1/me')).status).toBe(401);
  });

  it('touch only the runs that they asked for, also after a rotation', async () => {
    const [runner, other] = [await seedRunner(service), await seedRunner(service)];
    const { check_id, run_id } = (await check(runner, await jobToken(['*']))).body;
    const token = String((await runner.send('POST', '/v1/tokens/self/rotate')).body['token']);
    const [renew, finish] = [`/v1/exec/runs/${String(run_id)}/renew`, `/v1/exec/checks/${String(check_id)}/finish`];
    for (const path of [renew, finish]) {
      expect((await other.send('POST', path, { json: { exit_code: 0 } })).status).toBe(404);
    }
    expect((await other.send('GET', `/v1/exec/checks/${String(check_id)}`)).status).toBe(200);
    expect((await runner.send('POST', renew, { token })).status).toBe(200);
    expect((await runner.send('POST', finish, { token, json: { exit_code: 0 } })).status).toBe(200);
  });

  it('may do nothing else: every operation with another scope is refused', async () => {
    const runner = await seedRunner(service);
    const others = operations.filter((one) => one.scope !== undefined && one.scope !== 'exec:check');
    expect(others.length).toBeGreaterThan(20);
    for (const { method, path } of others) {
      const named = path.replaceAll(/\{\w+\}/g, 'tok_0000000000000000000000');
      const answer = await runner.send(method.toUpperCase(), named, method === 'get' ? {} : { json: {} });
      expect([path, answer.status]).toEqual([path, 403]);
    }
  });

  it('are not changed by a token whose revocation was confirmed, also when it was asked before', async () => {
    const { sql } = service.db;
    const runner = await seedRunner(service);
    const admin = await service.makeMember('admin');
    const { token: caller } = await service.client(admin.token).me();
    const answers = await sql.begin(async (tx) => {
      await tx`select 1 from runners where name = ${runner.runner.name} for update`;
      const waiting = async () =>
        (
          await sql`
          select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
        ).length;
      const suspending = send(service, 'POST', `/v1/runners/${runner.runner.id}/suspend`, { token: admin.token });
      await until(async () => (await waiting()) === 1);
      let isConfirmed = false;
      const revoking = service
        .client()
        .tokens.revoke(caller.id, { reason: 'leaked' })
        .then(() => {
          isConfirmed = true;
        });
      await until(async () => isConfirmed || (await waiting()) === 2);
      return { suspending, revoking };
    });
    await Promise.all([answers.suspending, answers.revoking]);
    const { data } = await service.client().auditEvents({ limit: 200, after: 0, action: 'runner.suspended' });
    const suspended = data.find(({ target }) => target === runner.runner.id)?.seq;
    const [revoked] = (await service.client().auditEvents({ target: caller.id, action: 'token.revoked' })).data;
    expect(suspended).toBeLessThan(revoked?.seq ?? 0);
  });

  it('of another workspace are not found', async () => {
    const runner = await seedRunner(service);
    const other = await service.makeWorkspace('elsewhere');
    for (const [method, verb] of [
      ['GET', ''],
      ['POST', '/suspend'],
      ['DELETE', ''],
    ] as const) {
      const path = `/v1/runners/${runner.runner.id}${verb}`;
      expect((await send(service, method, path, { token: other.printed })).status).toBe(404);
    }
    expect(await currentNonce(service)).not.toBe('');
  });
});

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error('it did not come true in time');
    await nextTurn();
  }
}
