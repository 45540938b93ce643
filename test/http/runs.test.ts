import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parsePublicId } from '../../src/rules/format.js';
import type { ExecCheckRequest, Run } from '../../src/wire/resources.js';
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

const mint = () => service.seedToken({ workflow: 'flow', scopes: ['repo:read', 'codex:exec'] });
const inSeconds = (seconds: number) => new Date(service.clock.now().getTime() + seconds * 1000).toISOString();

/** A job that was let through. */
interface Job {
  readonly tokenId: string;
  readonly token: string;
  readonly runId: string;
  readonly checkId: string;
}

/** One whose token is an admin's. */
interface Renewed extends Job {
  readonly workflow: string;
  readonly memberId: string;
}

async function start(request: Partial<ExecCheckRequest> = {}): Promise<Job> {
  const { id, token } = await mint();
  const decision = await service.client(token).execChecks.check({ workflow: 'flow', ...request });
  return { tokenId: id, token, runId: decision.run_id ?? '', checkId: decision.check_id };
}

const renew = ({ runId }: Job, sending: Sending = {}): Promise<Answered> =>
  send(service, 'POST', `/v1/exec/runs/${runId}/renew`, sending);

describe('an allow', () => {
  it('begins a run with a lease of two minutes, which is on record', async () => {
    const { id, token } = await mint();
    const context = { repository: 'acme/shop', ref: 'refs/heads/main', job: 'tests', command: 'codex exec' };
    const decision = await service
      .client(token)
      .execChecks.check({ workflow: 'flow', scopes: ['codex:exec'], context });
    expect(decision.lease_ends_at).toBe(inSeconds(120));
    const run = await service.client(token).runs.show(decision.run_id ?? '');
    const { creator } = await service.client().tokens.show(id);
    expect(run).toEqual({
      run_id: decision.check_id.replace('chk_', 'run_'),
      check_id: decision.check_id,
      status: 'running',
      workflow: 'flow',
      token_id: id,
      creator,
      caller_token_id: id,
      scopes: ['codex:exec'],
      context,
      ip: '192.0.2.1',
      runner: null,
      started_at: decision.as_of,
      lease_ends_at: decision.lease_ends_at ?? '',
      valid_until: decision.valid_until ?? '',
      exit_code: null,
      signal: null,
      finished_at: null,
      stopped_at: null,
      stopped_by: null,
      stopped_reason: null,
    } satisfies Run);
  });

  it.each([
    [30, 30],
    [3599, 3599],
    [86_400, 3600],
  ])('takes a lease of %i s, and none that outlasts the run', async (asked, got) => {
    const { token } = await mint();
    const decision = await service.client(token).execChecks.check({ workflow: 'flow', lease_seconds: asked });
    expect(decision.lease_ends_at).toBe(inSeconds(got));
  });

  it.each([29, 86_401, 0, -1, 60.5, '60', null])('takes no lease of %j', async (lease_seconds) => {
    const { token } = await mint();
    const answer = await send(service, 'POST', '/v1/exec/checks', { token, json: { workflow: 'flow', lease_seconds } });
    expect(answer.status).toBe(422);
    expect(answer.body['errors']).toMatchObject([{ pointer: '#/lease_seconds' }]);
  });
});

it('a denial begins no run', async () => {
  const { token } = await mint();
  const decision = await service.client(token).execChecks.check({ workflow: 'other' });
  expect(decision).toMatchObject({ decision: 'deny', run_id: null, lease_ends_at: null });
  const path = `/v1/exec/runs/${decision.check_id.replace('chk_', 'run_')}`;
  expect((await send(service, 'GET', path)).status).toBe(404);
  expect((await send(service, 'POST', `${path}/renew`)).status).toBe(404);
});

it('a check of before there were runs is none', async () => {
  const job = await start();
  const id = parsePublicId('run', job.runId) ?? '';
  await service.db
    .sql`update exec_checks set run_status = null, lease_seconds = null, lease_ends_at = null where id = ${id}`;
  expect((await send(service, 'GET', `/v1/exec/runs/${job.runId}`)).status).toBe(404);
  expect((await renew(job)).status).toBe(404);
  expect((await service.client().execChecks.show(job.checkId)).decision).toBe('allow');
});

describe('a renewal', () => {
  it('lasts as long as the lease that was asked for, from now on', async () => {
    const job = await start({ lease_seconds: 60 });
    service.clock.advance(40);
    const run = await service.client(job.token).runs.renew(job.runId);
    expect(run).toMatchObject({ status: 'running', lease_ends_at: inSeconds(60) });
    service.clock.advance(59);
    expect((await service.client(job.token).runs.renew(job.runId)).lease_ends_at).toBe(inSeconds(60));
  });

  it('never outlasts the run', async () => {
    const job = await start({ lease_seconds: 3000 });
    service.clock.advance(2999);
    const run = await service.client(job.token).runs.renew(job.runId);
    expect(run.lease_ends_at).toBe(run.valid_until);
    service.clock.advance(601);
    expect((await renew(job)).body['detail']).toMatch(/^the run was allowed until/);
  });

  it('is for the own token, the one that asked, and runners', async () => {
    const { token } = await mint();
    const asked = await service.client(runner).execChecks.check({ token, workflow: 'flow' });
    const job = { tokenId: '', token, runId: asked.run_id ?? '', checkId: asked.check_id };
    const stranger = (await mint()).token;
    const otherRunner = (await service.seedToken({ scopes: ['exec:check'] })).token;
    const auditor = (await service.makeMember('auditor')).token;
    const foreigner = (await service.makeWorkspace(`foreign-${Date.now()}`)).printed;
    for (const [who, status] of [
      [token, 200],
      [runner, 200],
      [otherRunner, 200],
      [stranger, 404],
      [auditor, 404],
      [foreigner, 404],
      [null, 401],
    ] as const) {
      expect((await renew(job, { token: who })).status).toBe(status);
    }
  });

  it('goes on after expiry and supersession, which end the right to start', async () => {
    const job = await start({ lease_seconds: 3600 });
    await service.client().tokens.rotate(job.tokenId, { overlap_seconds: 0 });
    expect((await service.client().tokens.show(job.tokenId)).status).toBe('superseded');
    expect((await renew(job, { token: job.token })).status).toBe(200);
    const id = parsePublicId('tok', job.tokenId) ?? '';
    await service.db.sql`update tokens set expires_at = created_at where id = ${id}`;
    expect((await service.client().tokens.show(job.tokenId)).status).toBe('expired');
    expect((await renew(job, { token: job.token })).status).toBe(200);
  });

  it('goes on after the one that asked expired or was superseded, not after it was revoked', async () => {
    const asking = await service.seedToken({ scopes: ['exec:check'] });
    const { token } = await mint();
    const { run_id, check_id } = await service
      .client(asking.token)
      .execChecks.check({ token, workflow: 'flow', lease_seconds: 3600 });
    const job = { tokenId: '', token, runId: run_id ?? '', checkId: check_id };
    await service.client().tokens.rotate(asking.id, { overlap_seconds: 0 });
    const finish = () =>
      send(service, 'POST', `/v1/exec/checks/${check_id}/finish`, { token: asking.token, json: { exit_code: 0 } });
    expect((await renew(job, { token: asking.token })).status).toBe(200);
    const stranger = await start();
    expect((await renew(stranger, { token: asking.token })).status).toBe(401);
    await service.client().tokens.revoke(asking.id, { reason: 'leaked' });
    expect((await renew(job, { token: asking.token })).status).toBe(401);
    expect((await finish()).status).toBe(401);
    expect((await renew(job, { token })).status).toBe(200);
  });

  it('is refused once the lease ran out, and by then nothing revives it', async () => {
    const job = await start();
    service.clock.advance(120);
    expect((await service.client(job.token).runs.show(job.runId)).status).toBe('lost');
    for (const token of [job.token, runner]) {
      const answer = await renew(job, { token });
      expect([answer.status, answer.body['code']]).toEqual([409, 'run_state']);
      expect(answer.body['detail']).toMatch(/^the lease ran out at/);
    }
    expect((await service.client(job.token).runs.show(job.runId)).status).toBe('lost');
  });

  it('is refused when the run is finished', async () => {
    const job = await start();
    await service.client(job.token).execChecks.finish(job.checkId, { exit_code: 3 });
    expect(await service.client(job.token).runs.show(job.runId)).toMatchObject({ status: 'finished', exit_code: 3 });
    expect((await renew(job)).body).toMatchObject({ status: 409, code: 'run_state', detail: 'the run is finished' });
  });

  it('is refused when the right to run has ended, whatever way', async () => {
    const revoked = await start();
    await service.client(null).revoke(revoked.token);
    expect((await renew(revoked, { token: revoked.token })).body).toMatchObject({
      status: 409,
      detail: 'the token was revoked',
    });

    const paused = await start();
    await service.client().workflows.pause('flow');
    expect((await renew(paused, { token: runner })).body).toMatchObject({ detail: 'the workflow is paused' });
    await service.client().workflows.resume('flow');
    expect((await renew(paused, { token: runner })).status).toBe(200);

    const admin = await service.makeMember('admin');
    const minted = await service
      .client(admin.token)
      .tokens.mint({ workflow: 'flow', scopes: ['repo:read'], expires_in_days: 7 });
    const { run_id } = await service.client(minted.token).execChecks.check({ workflow: 'flow' });
    const job = { ...paused, runId: run_id ?? '' };
    await service.client().members.suspend(admin.id);
    expect((await renew(job, { token: runner })).body).toMatchObject({
      detail: 'the token is frozen, or its creator or workspace is suspended',
    });
    await service.client().members.remove(admin.id);
    expect((await renew(job, { token: runner })).body).toMatchObject({ detail: 'the token was revoked' });
  });

  it.each([
    [
      'the revocation of its token',
      'the token was revoked',
      ({ token }: Renewed) => service.client(null).revoke(token),
    ],
    [
      'one of all of the workflow',
      'the token was revoked',
      ({ workflow }: Renewed) => service.client().tokens.revokeMany({ reason: 'leaked', workflow }),
    ],
    ['a pause', 'the workflow is paused', ({ workflow }: Renewed) => service.client().workflows.pause(workflow)],
    [
      'a suspension',
      'the token is frozen, or its creator or workspace is suspended',
      ({ memberId }: Renewed) => service.client().members.suspend(memberId),
    ],
    ['a removal', 'the token was revoked', ({ memberId }: Renewed) => service.client().members.remove(memberId)],
  ])('keeps %s from nobody who waits for it, and is refused then', async (what, detail, end) => {
    const workflow = what.replaceAll(' ', '-');
    await service.makeWorkflow(workflow);
    const admin = await service.makeMember('admin');
    const request = { workflow, scopes: ['repo:read'], expires_in_days: 7 };
    const { id, token } = await service.client(admin.token).tokens.mint(request);
    const { run_id, check_id } = await service.client(token).execChecks.check({ workflow });
    const job = { tokenId: id, token, runId: run_id ?? '', checkId: check_id, workflow, memberId: admin.id };
    // Renewals that hold anything else while they wait would do so again and again when many come.
    const answer = await whileLocked(job, async () => {
      const renewal = renew(job, { token: runner });
      await until(isSomebodyWaiting);
      await end(job);
      return { renewal };
    });
    expect((await answer.renewal).body).toMatchObject({ status: 409, code: 'run_state', detail });
  });

  it('waits for a stop under way, and is refused then', async () => {
    const job = await start();
    const answer = await service.db.sql.begin(async (tx) => {
      await tx`update exec_checks set run_status = 'stopped', stopped_at = now() where id = ${rowOf(job)}`;
      const renewal = renew(job, { token: job.token });
      await until(isSomebodyWaiting);
      return { renewal };
    });
    expect((await answer.renewal).body).toMatchObject({
      status: 409,
      code: 'run_state',
      detail: 'the run was stopped',
    });
  });
});

const stop = ({ runId }: Job, sending: Sending = {}): Promise<Answered> =>
  send(service, 'POST', `/v1/exec/runs/${runId}/stop`, sending);
const eventsOf = async (runId: string) => (await service.client().auditEvents({ target: runId })).data;

describe('a stop', () => {
  it('ends the run for good, once, and is on record with who did it and why', async () => {
    const job = await start();
    const run = await service.client().runs.stop(job.runId, { reason: 'too loud' });
    const owner = (await service.client().me()).id;
    expect(run).toMatchObject({
      status: 'stopped',
      stopped_at: service.clock.now().toISOString(),
      stopped_by: owner,
      stopped_reason: 'too loud',
    });
    service.clock.advance(1);
    expect(await service.client().runs.stop(job.runId, { reason: 'again' })).toEqual(run);
    service.clock.advance(500);
    expect((await service.client().runs.show(job.runId)).status).toBe('stopped');
    expect(await eventsOf(job.runId)).toMatchObject([
      {
        action: 'run.stopped',
        actor: { type: 'member', id: owner },
        data: { workflow: 'flow', token: job.tokenId, reason: 'too loud' },
      },
    ]);
    expect((await renew(job)).body).toMatchObject({ code: 'run_state', detail: 'the run was stopped: too loud' });
    // The token is as good as before.
    expect((await service.client(job.token).execChecks.check({ workflow: 'flow' })).decision).toBe('allow');
  });

  it('needs no body and no reason', async () => {
    const job = await start();
    const answer = await stop(job);
    expect([answer.status, answer.body['stopped_reason']]).toEqual([200, null]);
    expect((await eventsOf(job.runId))[0]?.data).not.toHaveProperty('reason');
    expect((await renew(job)).body['detail']).toBe('the run was stopped');
  });

  it('takes the end of the job beside it', async () => {
    const job = await start();
    await stop(job);
    await service.client(job.token).execChecks.finish(job.checkId, { exit_code: null, signal: 'SIGTERM' });
    expect(await service.client().runs.show(job.runId)).toMatchObject({ status: 'stopped', signal: 'SIGTERM' });
  });

  it('of what is over is refused', async () => {
    const finished = await start();
    await service.client(finished.token).execChecks.finish(finished.checkId, { exit_code: 0 });
    expect((await stop(finished)).body).toMatchObject({ status: 409, code: 'run_state' });
    const lost = await start();
    service.clock.advance(120);
    expect((await stop(lost)).body).toMatchObject({ status: 409, code: 'run_state' });
    expect(await eventsOf(finished.runId)).toEqual([]);
    expect(await eventsOf(lost.runId)).toEqual([]);
  });

  it('is for whoever may revoke the token', async () => {
    const member = await service.makeMember('member');
    const minted = await service
      .client(member.token)
      .tokens.mint({ workflow: 'flow', scopes: ['repo:read'], expires_in_days: 7 });
    const { run_id, check_id } = await service.client(minted.token).execChecks.check({ workflow: 'flow' });
    const own = { tokenId: minted.id, token: minted.token, runId: run_id ?? '', checkId: check_id };
    const others = await start();
    const [admin, auditor, stranger] = await Promise.all(
      (['admin', 'auditor', 'member'] as const).map((role) => service.makeMember(role)),
    );
    const foreigner = (await service.makeWorkspace(`far-${Date.now()}`)).printed;
    for (const [who, job, status] of [
      [auditor?.token, own, 403],
      [runner, own, 403],
      [own.token, own, 403],
      [stranger?.token, own, 404],
      [foreigner, own, 404],
      [member.token, others, 404],
      [null, own, 401],
      [member.token, own, 200],
      [admin?.token, others, 200],
    ] as const) {
      expect((await stop(job, { token: who ?? null })).status).toBe(status);
    }
  });

  it.each([{ reason: '' }, { reason: 'x'.repeat(201) }, { reason: 'a\nb' }, { reason: 1 }, { why: 'x' }])(
    'is not asked with %j',
    async (json) => {
      const job = await start();
      expect((await stop(job, { json })).status).toBe(422);
      expect((await service.client().runs.show(job.runId)).status).toBe('running');
    },
  );

  it('takes no token for a reason', async () => {
    const job = await start();
    expect((await stop(job, { json: { reason: `leaked ${job.token}` } })).status).toBe(422);
  });

  it('and renewals at the same time: once the stop is confirmed, no lease grows any more', async () => {
    const at = new Date(service.clock.now().getTime() + 20_000);
    // Its clock is ahead, so that what it renews shows.
    const other = await createTestService({ database: service.database, keys: service.keys, at });
    try {
      for (let round = 0; round < 10; round += 1) {
        const job = await start();
        const show = () => service.client().runs.show(job.runId);
        const renewals = Array.from({ length: 12 }, (_, n) =>
          send(n % 3 === 0 ? service : other, 'POST', `/v1/exec/runs/${job.runId}/renew`, { token: job.token }),
        );
        await stop(job, { json: {} });
        const confirmed = await show();
        const late = await renew(job, { token: job.token });
        expect(late.body).toMatchObject({ status: 409, detail: 'the run was stopped' });
        await Promise.all(renewals);
        expect(await show()).toEqual(confirmed);
      }
    } finally {
      await other.close();
    }
  });

  it('by many at once is one stop', async () => {
    const job = await start();
    const answers = await Promise.all(Array.from({ length: 8 }, () => stop(job)));
    expect(answers.map((answer) => answer.status)).toEqual(answers.map(() => 200));
    expect(await eventsOf(job.runId)).toHaveLength(1);
  });
});

describe('the list of runs', () => {
  it('shows what runs now, newest first, page by page, and what is over when asked for', async () => {
    const own = await createTestService();
    try {
      const { id, token } = await own.seedToken();
      const other = await own.seedToken();
      const check = async (by: string) => (await own.client(by).execChecks.check({ workflow: 'nightly' })).check_id;
      const started: string[] = [];
      for (let at = 0; at < 7; at += 1) {
        started.push((await check(at % 2 === 0 ? token : other.token)).replace('chk_', 'run_'));
        own.clock.advance(1);
      }
      await own.client(token).execChecks.check({ workflow: 'elsewhere' });
      const [first, second, third, ...rest] = started;
      await own.client().execChecks.finish(first?.replace('run_', 'chk_') ?? '', { exit_code: 0 });
      const { sql } = own.db;
      await sql`update exec_checks set lease_ends_at = as_of where id = ${parsePublicId('run', second ?? '') ?? ''}`;
      await own.client().runs.stop(third ?? '');

      const newestFirst = rest.toReversed();
      const client = own.client();
      const idsOf = (runs: readonly Run[]) => runs.map((run) => run.run_id);
      expect(idsOf((await client.runs.list()).data)).toEqual(newestFirst);
      const found: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await client.runs.list({ limit: 3, cursor });
        found.push(...idsOf(page.data));
        cursor = page.next_cursor ?? undefined;
      } while (cursor !== undefined);
      expect(found).toEqual(newestFirst);
      expect(idsOf((await client.runs.list({ status: 'finished' })).data)).toEqual([first]);
      expect(idsOf((await client.runs.list({ status: 'lost' })).data)).toEqual([second]);
      expect(idsOf((await client.runs.list({ status: 'stopped' })).data)).toEqual([third]);
      expect(idsOf((await client.runs.list({ token: id })).data)).toEqual([rest[3], rest[1]]);
      expect(idsOf((await client.runs.list({ token: id, workflow: 'nightly' })).data)).toEqual([rest[3], rest[1]]);
      expect(idsOf((await client.runs.list({ workflow: 'elsewhere' })).data)).toEqual([]);

      // A job sees the runs of its own token.
      expect(idsOf((await own.client(token).runs.list()).data)).toEqual([rest[3], rest[1]]);
      expect(idsOf((await own.client(token).runs.list({ token: other.id })).data)).toEqual([]);
      const auditor = (await own.makeMember('auditor')).token;
      expect(idsOf((await own.client(auditor).runs.list()).data)).toEqual(newestFirst);
      const { printed } = await own.makeWorkspace('elsewhere');
      expect(idsOf((await own.client(printed).runs.list()).data)).toEqual([]);
      expect(idsOf((await own.client(printed).runs.list({ status: 'finished', token: id })).data)).toEqual([]);
    } finally {
      await own.close();
    }
  });

  it.each(['status=over', 'token=tok_1', 'workflow=A', 'limit=0', 'cursor=x', 'after=x', 'status=lost&status=lost'])(
    'is not asked with %s',
    async (query) => {
      expect((await send(service, 'GET', `/v1/exec/runs?${query}`)).status).toBe(422);
    },
  );

  it('takes no cursor of another list', async () => {
    const cursor = Buffer.from('checks:chk_0000000000000000000000').toString('base64url');
    expect((await send(service, 'GET', `/v1/exec/runs?cursor=${cursor}`)).status).toBe(422);
  });
});

describe('a run', () => {
  it('is shown to its token, even after its end, the one that asked, runners and auditors', async () => {
    const { token } = await mint();
    const { run_id } = await service.client(runner).execChecks.check({ token, workflow: 'flow' });
    const stranger = (await mint()).token;
    const member = (await service.makeMember('member')).token;
    const auditor = (await service.makeMember('auditor')).token;
    const foreigner = (await service.makeWorkspace(`strange-${Date.now()}`)).printed;
    const show = async (by: string) => (await send(service, 'GET', `/v1/exec/runs/${run_id}`, { token: by })).status;
    const statuses = await Promise.all([token, runner, auditor, stranger, member, foreigner].map(show));
    expect(statuses).toEqual([200, 200, 200, 404, 404, 404]);
    await service.client(null).revoke(token);
    expect(await show(token)).toBe(200);
  });

  it.each(['run_1', 'run_zzzzzzzzzzzzzzzzzzzzzz', 'run_0000000000000000000000', 'chk_0000000000000000000000'])(
    'that is none is not found: %s',
    async (id) => {
      expect((await send(service, 'GET', `/v1/exec/runs/${id}`)).status).toBe(404);
      expect((await send(service, 'POST', `/v1/exec/runs/${id}/renew`)).status).toBe(404);
    },
  );

  it('that is lost keeps that, and gets its end beside it', async () => {
    const job = await start();
    service.clock.advance(121);
    await service.client(job.token).execChecks.finish(job.checkId, { exit_code: 0 });
    const run = await service.client(job.token).runs.show(job.runId);
    expect(run).toMatchObject({ status: 'lost', exit_code: 0, finished_at: service.clock.now().toISOString() });
  });
});

/** Acts while another transaction holds the row of a run. */
function whileLocked<T>(job: Job, act: () => Promise<T>): Promise<T> {
  return service.db.sql.begin(async (tx) => {
    await tx`select 1 from exec_checks where id = ${rowOf(job)} for update`;
    return act();
  }) as Promise<T>;
}

async function isSomebodyWaiting(): Promise<boolean> {
  const waiting = await service.db.sql`
    select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
  return waiting.length > 0;
}

function rowOf({ runId }: Job): string {
  return parsePublicId('run', runId) ?? '';
}

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error('it did not come true in time');
    await nextTurn();
  }
}
