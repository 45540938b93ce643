import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { canonicalJson } from '../../src/rules/audit.js';
import { parsePublicId } from '../../src/rules/format.js';
import type { ExecDecision, WorkflowRequest } from '../../src/wire/resources.js';
import { createDatabaseProxy } from '../setup/database-proxy.js';
import { send } from '../setup/request.js';
import { createTestService, type TestService } from '../setup/service.js';

let service: TestService;
let other: TestService;
let serial = 0;
beforeAll(async () => {
  service = await createTestService();
  other = await createTestService({
    database: service.database,
    keys: service.keys,
    at: service.clock.now(),
  });
});
afterAll(async () => {
  await other.close();
  await service.close();
});

/** A workflow of its own with these limits. */
async function limited(limits: WorkflowRequest): Promise<{ label: string; token: string; id: string }> {
  serial += 1;
  const label = `limited-${serial}`;
  await service.makeWorkflow(label, { allowed_scopes: ['repo:*'], ...limits });
  return { label, ...(await service.seedToken({ workflow: label })) };
}

const check = (on: TestService, token: string, workflow: string, lease_seconds?: number): Promise<ExecDecision> =>
  on.client(token).execChecks.check({ workflow, lease_seconds });
const allows = (decisions: readonly ExecDecision[]) => decisions.filter(({ decision }) => decision === 'allow');
const finish = (token: string, { check_id }: ExecDecision) =>
  service.client(token).execChecks.finish(check_id, { exit_code: 0 });

describe('a workflow with a limit of runs', () => {
  it('lets in exactly as many of a thousand at the same time, on two nodes', async () => {
    const { label, token } = await limited({ max_concurrent_runs: 7 });
    const asked = Array.from({ length: 1000 }, (_, at) => check(at % 2 === 0 ? service : other, token, label));
    const decisions = await Promise.all(asked);
    expect(allows(decisions)).toHaveLength(7);
    const denied = decisions.filter(({ decision }) => decision === 'deny');
    expect(new Set(denied.map(({ reasons }) => canonicalJson(reasons)))).toEqual(
      new Set([
        canonicalJson([
          { code: 'too_many_runs', detail: `max_concurrent_runs of workflow ${label} is 7; under way: 7` },
        ]),
      ]),
    );
    expect(denied.every((one) => one.run_id === null && one.lease_ends_at === null && one.valid_until === null)).toBe(
      true,
    );
    // What was answered is what is on record.
    const rows = await service.db.sql<{ decision: string; run_status: string | null; count: number }[]>`
      select decision, run_status, count(*)::int as count from exec_checks where workflow = ${label} group by 1, 2 order by 1`;
    expect(rows.map((row) => ({ ...row }))).toEqual([
      { decision: 'allow', run_status: 'running', count: 7 },
      { decision: 'deny', run_status: null, count: 993 },
    ]);
    expect((await service.client().runs.list({ workflow: label })).data).toHaveLength(7);
  });

  it('never has more under way while jobs come, renew, end and are stopped, on two nodes', async () => {
    const { label, token } = await limited({ max_concurrent_runs: 4 });
    const limit = 4;
    let live = 0;
    let most = 0;
    let begun = 0;
    const jobs = async (n: number) => {
      const [here, there] = n % 2 === 0 ? [service, other] : [other, service];
      for (let turn = 0; turn < 10; turn += 1) {
        const decision = await check(here, token, label);
        if (decision.run_id === null) continue;
        begun += 1;
        live += 1;
        most = Math.max(most, live);
        await there.client(token).runs.renew(decision.run_id);
        // From here on its end is asked for: somebody else may be let in before that is answered.
        live -= 1;
        if (turn % 2 === 0) await there.client(token).execChecks.finish(decision.check_id, { exit_code: 0 });
        else await there.client(service.owner.printed).runs.stop(decision.run_id);
        const late = await send(here, 'POST', `/v1/exec/runs/${decision.run_id}/renew`, { token });
        expect(late.status).toBe(409);
      }
    };
    await Promise.all(Array.from({ length: 24 }, (_, n) => jobs(n)));
    expect(most).toBeLessThanOrEqual(limit);
    expect(begun).toBeGreaterThan(limit);
    expect((await service.client().runs.list({ workflow: label })).data).toEqual([]);
  });

  it('per token lets in as many of each', async () => {
    const { label, ...first } = await limited({ max_concurrent_runs: 5, max_concurrent_runs_per_token: 2 });
    const second = await service.seedToken({ workflow: label });
    const third = await service.seedToken({ workflow: label });
    const ask = async ({ token }: { token: string }) =>
      allows(await Promise.all(Array.from({ length: 20 }, (_, at) => check(at % 2 ? service : other, token, label))))
        .length;
    expect(await ask(first)).toBe(2);
    expect(await ask(second)).toBe(2);
    expect(await ask(third)).toBe(1);
  });

  it('per token counts a token and its rotations as one, so that none gives itself more', async () => {
    const { label, token } = await limited({ max_concurrent_runs_per_token: 1 });
    const scopes = ['repo:read', 'tokens:rotate'];
    const first = await service.seedToken({ workflow: label, scopes });
    expect((await check(service, first.token, label)).decision).toBe('allow');
    const second = await service.client(first.token).tokens.rotate('self');
    const third = await service.client(second.token).tokens.rotate('self');
    for (const rotated of [first, second, third]) {
      const { reasons } = await check(service, rotated.token, label);
      expect(reasons).toMatchObject([
        {
          code: 'too_many_runs',
          detail: `max_concurrent_runs_per_token of workflow ${label} is 1; under way with this token and its rotations: 1`,
        },
      ]);
    }
    expect((await check(service, token, label)).decision).toBe('allow');
  });

  it('counts for the token that runs, whoever asks', async () => {
    const { label, token } = await limited({ max_concurrent_runs_per_token: 1 });
    const { token: runner } = await service.seedToken({ scopes: ['exec:check'] });
    const asRunner = () => service.client(runner).execChecks.check({ workflow: label, token });
    expect((await asRunner()).decision).toBe('allow');
    expect((await asRunner()).reasons).toMatchObject([{ code: 'too_many_runs' }]);
    const another = await service.seedToken({ workflow: label });
    expect((await service.client(runner).execChecks.check({ workflow: label, token: another.token })).decision).toBe(
      'allow',
    );
  });

  it('has a free place again when a run finishes, is stopped or is lost', async () => {
    const { label, token } = await limited({ max_concurrent_runs: 1 });
    const next = async () => {
      const decision = await check(service, token, label, 60);
      expect([decision.decision, (await check(other, token, label)).decision]).toEqual(['allow', 'deny']);
      return decision;
    };
    await finish(token, await next());
    await service.client().runs.stop((await next()).run_id ?? '');
    const { run_id: lost } = await next();
    service.clock.advance(60);
    other.clock.advance(60);
    const last = await next();
    // Whoever takes the place of a lost run says so in the same transaction.
    const events = await service.client().auditEvents({ target: lost ?? '' });
    expect(events.data).toMatchObject([{ action: 'run.lost', actor: { type: 'system' }, data: { workflow: label } }]);
    expect((await service.client().runs.list({ workflow: label })).data.map((run) => run.run_id)).toEqual([
      last.run_id,
    ]);
  });

  it('gives a place to nobody that a renewal by a node whose clock is behind would take back', async () => {
    const { label, token } = await limited({ max_concurrent_runs: 1 });
    const { run_id } = await check(service, token, label, 60);
    const ahead = await createTestService({
      database: service.database,
      keys: service.keys,
      at: new Date(service.clock.now().getTime() + 61_000),
    });
    try {
      expect((await check(ahead, token, label)).decision).toBe('allow');
      const renewal = await send(service, 'POST', `/v1/exec/runs/${run_id}/renew`);
      expect(renewal.body).toMatchObject({ status: 409, code: 'run_state' });
    } finally {
      await ahead.close();
    }
  });

  it('keeps the place of a run whose token was revoked until the run finishes or its lease ends', async () => {
    const { label, token, id } = await limited({ max_concurrent_runs: 2 });
    const first = await check(service, token, label, 60);
    await check(service, token, label, 60);
    await service.client().tokens.revoke(id, { reason: 'leaked' });
    const fresh = (await service.seedToken({ workflow: label })).token;
    expect((await check(service, fresh, label)).decision).toBe('deny');
    await finish(token, first);
    expect((await check(service, fresh, label)).decision).toBe('allow');
    expect((await check(service, fresh, label)).decision).toBe('deny');
    service.clock.advance(60);
    other.clock.advance(60);
    expect((await check(service, fresh, label)).decision).toBe('allow');
  });

  it('goes by the limit of the moment: lowered it stops nobody, raised or lifted it lets in', async () => {
    const { label, token } = await limited({ max_concurrent_runs: 3 });
    const set = (max_concurrent_runs: number | null) =>
      service.client().workflows.put(label, { allowed_scopes: ['repo:*'], max_concurrent_runs });
    for (let at = 0; at < 3; at += 1) await check(service, token, label);
    await set(2);
    expect((await service.client().runs.list({ workflow: label })).data).toHaveLength(3);
    expect((await check(other, token, label)).reasons).toMatchObject([
      { detail: `max_concurrent_runs of workflow ${label} is 2; under way: 3` },
    ]);
    await set(4);
    expect((await check(other, token, label)).decision).toBe('allow');
    expect((await check(other, token, label)).decision).toBe('deny');
    await set(null);
    expect((await check(other, token, label)).decision).toBe('allow');
    await set(1);
    expect((await check(other, token, label)).decision).toBe('deny');
  });

  it('says nothing of its limit to a token that may not run there', async () => {
    const { label, token } = await limited({ max_concurrent_runs: 1 });
    await check(service, token, label);
    const stranger = await service.seedToken();
    const { reasons } = await check(service, stranger.token, label);
    expect(reasons.map(({ code }) => code)).toEqual(['workflow_mismatch']);
    const wanting = await service.client(token).execChecks.check({ workflow: label, scopes: ['repo:write'] });
    expect(wanting.reasons.map(({ code }) => code)).toEqual(['scope_missing']);
  });

  it('of the same name in another workspace counts apart', async () => {
    const { label, token } = await limited({ max_concurrent_runs: 1 });
    await check(service, token, label);
    const far = service.client((await service.makeWorkspace(`far-${serial}`)).printed);
    await far.workflows.put(label, { allowed_scopes: ['repo:*'], max_concurrent_runs: 1 });
    const minted = await far.tokens.mint({ workflow: label, scopes: ['repo:read'], expires_in_days: 7 });
    expect((await check(service, minted.token, label)).decision).toBe('allow');
  });

  it('is decided about in a month that nobody prepared', async () => {
    const at = new Date('2045-06-15T00:00:00Z');
    const late = await createTestService({ at });
    try {
      await late.makeWorkflow('nightly', { allowed_scopes: ['repo:*'], max_concurrent_runs: 1 });
      const { token } = await late.seedToken({ workflow: 'nightly' });
      const decisions = await Promise.all([check(late, token, 'nightly'), check(late, token, 'nightly')]);
      expect(allows(decisions)).toHaveLength(1);
    } finally {
      await late.close();
    }
  });

  it('keeps nobody else waiting: a locked workflow holds up its own checks alone', async () => {
    const { label, token } = await limited({ max_concurrent_runs: 1 });
    const free = await limited({});
    const alike = await limited({ max_concurrent_runs: 1 });
    const decision = await service.db.sql.begin(async (tx) => {
      await tx`select 1 from workflows where label = ${label} for update`;
      const waiting = check(service, token, label);
      for (const one of [free, alike]) {
        expect((await check(service, one.token, one.label)).decision).toBe('allow');
      }
      return { waiting };
    });
    expect((await decision.waiting).decision).toBe('allow');
  });
});

it('a database that goes away in the middle of a decision or a renewal is no yes: 503, and nothing is let in', async () => {
  const { label, token } = await limited({ max_concurrent_runs: 2 });
  const { run_id } = await check(service, token, label);
  const proxy = await createDatabaseProxy(service.database.options);
  const node = await createTestService({
    database: { ...service.database, options: proxy.options },
    keys: service.keys,
    at: service.clock.now(),
  });
  try {
    const before = await service.client().runs.show(run_id ?? '');
    const answers = await service.db.sql.begin(async (tx) => {
      // The check waits for its workflow, the renewal for its run.
      await tx`select 1 from workflows where label = ${label} for update`;
      await tx`select 1 from exec_checks where id = ${parsePublicId('run', run_id ?? '') ?? ''} for update`;
      const asking = [
        send(node, 'POST', '/v1/exec/checks', { token, json: { workflow: label } }),
        send(node, 'POST', `/v1/exec/runs/${run_id}/renew`, { token }),
      ];
      await until(async () => {
        const waiting = await service.db.sql`
          select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
        return waiting.length === asking.length;
      });
      await proxy.cut('closing');
      return Promise.all(asking);
    });
    expect(answers.map((answer) => answer.status)).toEqual([503, 503]);
    expect((await service.client().runs.list({ workflow: label })).data).toEqual([before]);
  } finally {
    await proxy.restore();
    await node.close();
    await proxy.close();
  }
});

it('a run that had to wait for its decision longer than its lease keeps its place all the same', async () => {
  const { label, token } = await limited({ max_concurrent_runs: 1 });
  const { waiting } = await service.db.sql.begin(async (tx) => {
    await tx`select 1 from workflows where label = ${label} for update`;
    const asked = check(service, token, label, 30);
    await until(async () => {
      const locked = await service.db.sql`
        select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
      return locked.length > 0;
    });
    for (const node of [service, other]) node.clock.advance(40);
    return { waiting: asked };
  });
  const admitted = await waiting;
  expect(admitted).toMatchObject({
    decision: 'allow',
    lease_ends_at: new Date(service.clock.now().getTime() + 30_000).toISOString(),
  });
  expect((await check(other, token, label)).decision).toBe('deny');
  expect((await service.client().runs.show(admitted.run_id ?? '')).status).toBe('running');
});

describe('the limits of a workflow', () => {
  const put = (json: unknown) => send(service, 'PUT', '/v1/workflows/limits', { json });

  it('are none, and are shown, set and lifted', async () => {
    expect((await put({})).body).toMatchObject({ max_concurrent_runs: null, max_concurrent_runs_per_token: null });
    const limits = { max_concurrent_runs: 10_000, max_concurrent_runs_per_token: 1 };
    expect((await put(limits)).body).toMatchObject(limits);
    expect(await service.client().workflows.show('limits')).toMatchObject(limits);
    const { id } = await service.client().workflows.show('limits');
    const events = await service.client().auditEvents({ target: id });
    expect(events.data.at(-1)).toMatchObject({ action: 'workflow.updated', data: { label: 'limits', ...limits } });
    expect((await put({ max_concurrent_runs: null })).body).toMatchObject({
      max_concurrent_runs: null,
      max_concurrent_runs_per_token: null,
    });
  });

  it.each([0, -1, 10_001, 1.5, '7', true])('are never %j', async (limit) => {
    for (const name of ['max_concurrent_runs', 'max_concurrent_runs_per_token']) {
      const answer = await put({ [name]: limit });
      expect([answer.status, answer.body['errors']]).toMatchObject([422, [{ pointer: `#/${name}` }]]);
    }
  });
});

it('a run that is lost is marked by one of the nodes, once, without being asked', async () => {
  const at = service.clock.now();
  const nodes = await Promise.all(
    [1, 2].map(() => createTestService({ database: service.database, keys: service.keys, at, markLostEveryMs: 20 })),
  );
  try {
    const { label, token } = await limited({});
    const { run_id } = await check(service, token, label, 60);
    const kept = await check(service, token, label, 120);
    for (const node of nodes) node.clock.advance(60);
    const client = service.client();
    const marked = async () => (await client.auditEvents({ target: run_id ?? '', action: 'run.lost' })).data;
    await until(async () => (await marked()).length > 0);
    expect(await marked()).toMatchObject([{ data: { workflow: label } }]);
    const [row] = await service.db
      .sql`select run_status from exec_checks where id = ${parsePublicId('run', run_id ?? '') ?? ''}`;
    expect(row?.['run_status']).toBe('lost');
    expect((await client.runs.show(kept.run_id ?? '')).status).toBe('running');
  } finally {
    for (const node of nodes) await node.close();
  }
});

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error('it did not come true in time');
    await nextTurn();
  }
}
