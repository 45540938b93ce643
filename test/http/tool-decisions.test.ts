import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId, parsePublicId, printId } from '../../src/rules/format.js';
import { addDays, addSeconds } from '../../src/rules/lifetime.js';
import type { NewToolDecision } from '../../src/sdk/index.js';
import { keepHouse } from '../../src/store/housekeeping.js';
import { type Answered, type Sending, send } from '../setup/request.js';
import { createTestService, type TestService } from '../setup/service.js';

let service: TestService;
beforeAll(async () => {
  service = await createTestService();
  await service.makeWorkflow('flow', { allowed_scopes: ['repo:*'], max_run_seconds: 3600 });
});
afterAll(() => service.close());

interface Job {
  readonly tokenId: string;
  readonly token: string;
  readonly runId: string;
  readonly checkId: string;
}

async function start(): Promise<Job> {
  const { id, token } = await service.seedToken({ workflow: 'flow' });
  const { run_id, check_id } = await service.client(token).execChecks.check({ workflow: 'flow' });
  return { tokenId: id, token, runId: run_id ?? '', checkId: check_id };
}

/** A decision of `seconds` from now. */
function decision(change: Partial<NewToolDecision> = {}, seconds = 0): NewToolDecision {
  const at = addSeconds(service.clock.now(), seconds);
  const id = printId('dec', newId('dec', at));
  return {
    id,
    at: at.toISOString(),
    event: 'PreToolUse',
    tool: 'Bash',
    decision: 'allow',
    code: 'tool_rule',
    ...change,
  };
}

const path = ({ runId }: { runId: string }) => `/v1/exec/runs/${runId}/tool-decisions`;
const record = (job: Job, decisions: unknown, sending: Sending = {}): Promise<Answered> =>
  send(service, 'POST', path(job), { token: job.token, json: { decisions }, ...sending });
const list = async ({ runId }: Job) => (await service.client().runs.toolDecisions(runId, { limit: 200 })).data;
const rowsOf = async ({ checkId }: Job) => {
  const [row] = await service.db.sql`
    select count(*)::int as rows from tool_decisions where check_id = ${parsePublicId('chk', checkId) ?? ''}`;
  return row?.['rows'];
};

/** Puts decisions on record that nobody sent. */
async function load({ checkId }: Job, rows: number, at: Date): Promise<void> {
  await service.db.sql`
    insert into tool_decisions (workspace_id, id, check_id, at, event, decision, code, detail)
    select workspace_id, gen_random_uuid(), id, ${at.toISOString()}, 'PreToolUse', 'allow', 'loaded', ''
    from exec_checks, generate_series(1, ${rows}::int) where id = ${parsePublicId('chk', checkId) ?? ''}`;
}

describe('decisions of a run', () => {
  it('are recorded, and listed newest first', async () => {
    const job = await start();
    const first = decision({ decision: 'deny', rule: 3, detail: 'nothing is pushed' }, 1);
    const second = decision({ event: 'UserPromptSubmit', tool: null, decision: 'ask' }, 2);
    service.clock.advance(5);
    const { status, body } = await record(job, [first, second]);
    expect([status, body]).toEqual([200, { recorded: 2 }]);
    expect(await list(job)).toEqual([{ ...second, tool: null, rule: null, detail: '' }, { ...first }]);
  });

  it('sent again are recorded once, also in one batch or at the same moment', async () => {
    const job = await start();
    const batch = [decision(), decision({ decision: 'deny' })];
    await record(job, batch);
    const changed = batch.map((one) => ({ ...one, decision: 'ask', detail: 'changed' }));
    expect((await record(job, [...changed, decision()])).body).toEqual({ recorded: 3 });
    const once = decision();
    expect((await record(job, [once, once])).body).toEqual({ recorded: 1 });
    const more = [decision(), decision()];
    const answers = await Promise.all(Array.from({ length: 10 }, () => record(job, more)));
    expect(answers.map(({ body }) => body)).toEqual(Array(10).fill({ recorded: 2 }));
    expect(await rowsOf(job)).toBe(6);
    expect((await list(job)).filter((one) => one.detail === 'changed')).toEqual([]);
  });

  it('are paged, and narrowed to a kind', async () => {
    const job = await start();
    const kinds = ['allow', 'deny', 'ask'] as const;
    const batch = Array.from({ length: 9 }, (_, at) => decision({ decision: kinds[at % 3] ?? 'deny' }, at));
    await record(job, batch);
    const newestFirst = batch.map((one) => one.id).reverse();
    const { runs } = service.client(job.token);
    const pages: string[][] = [];
    let cursor: string | undefined;
    do {
      const page = await runs.toolDecisions(job.runId, { limit: 4, cursor });
      pages.push(page.data.map((one) => one.id));
      cursor = page.next_cursor ?? undefined;
    } while (cursor !== undefined);
    expect(pages.map((page) => page.length)).toEqual([4, 4, 1]);
    expect(pages.flat()).toEqual(newestFirst);
    const denied = await runs.toolDecisions(job.runId, { decision: 'deny' });
    expect(denied.data.map((one) => one.decision)).toEqual(['deny', 'deny', 'deny']);
    expect((await send(service, 'GET', `${path(job)}?decision=maybe`)).status).toBe(422);
    expect((await send(service, 'GET', `${path(job)}?cursor=x`)).status).toBe(422);
  });

  it('hold no token, not even a part of a secret, and nothing that a terminal would obey', async () => {
    const job = await start();
    const { id, token } = await service.seedToken();
    const secret = token.slice(27);
    const detail = `a ${token} b ${token.slice(0, 50)}\u001b[31m\u0000\ud800 c ${token}${token}`;
    const hostile = decision({ event: token, tool: `${token}\n`, code: token, detail });
    expect((await record(job, [hostile])).body).toEqual({ recorded: 1 });
    const [shown] = await list(job);
    const printed = `cst_${id.slice(4)}_***`;
    expect(shown).toMatchObject({ event: printed, tool: `${printed}\ufffd`, code: printed });
    expect(shown?.detail).toMatch(/^a cst_\w+_\*{3} b cst_\w+_\*{3}\ufffd\[31m\ufffd\ufffd c /);
    const rows = await service.db.sql`select row_to_json(d)::text as text from tool_decisions d`;
    const all = rows.map((row) => String(row['text'])).join('');
    for (let at = 0; at + 8 <= secret.length; at += 8) expect(all).not.toContain(secret.slice(at, at + 8));
  });

  it('are cut to what may be stored', async () => {
    const job = await start();
    const long = 'é'.repeat(2000);
    expect((await record(job, [decision({ event: long, tool: long, code: long, detail: long })])).status).toBe(200);
    const [shown] = await list(job);
    const lengths = [shown?.event, shown?.tool, shown?.code, shown?.detail].map((text) => text?.length);
    expect(lengths).toEqual([64, 256, 64, 512]);
  });

  it('lie between the check and now, give or take a minute, and so do their ids', async () => {
    const job = await start();
    service.clock.advance(300);
    for (const seconds of [-360, -300, 0, 60]) {
      expect([seconds, (await record(job, [decision({}, seconds)])).status]).toEqual([seconds, 200]);
    }
    for (const seconds of [-361, 61, 86_400 * 365 * 100]) {
      const { status, body } = await record(job, [decision(), decision({}, seconds)]);
      expect([seconds, status]).toEqual([seconds, 422]);
      expect(body['errors']).toEqual([{ pointer: '#/decisions/1/at', detail: expect.any(String) }]);
      const { id } = decision({}, seconds);
      const other = await record(job, [decision({ id })]);
      expect(other.body['errors']).toEqual([{ pointer: '#/decisions/0/id', detail: expect.any(String) }]);
    }
    expect(await rowsOf(job)).toBe(4);
  });

  it.each<[string, unknown, string]>([
    ['no decision', [], '#/decisions'],
    ['201 decisions', Array(201).fill({}), '#/decisions'],
    ['no list', {}, '#/decisions'],
    ['another verdict', [{ decision: 'maybe' }], '#/decisions/0/decision'],
    ['no id', [{ id: undefined }], '#/decisions/0/id'],
    ['an id of another kind', [{ id: `chk_${'0'.repeat(22)}` }], '#/decisions/0/id'],
    ['an id that fits no UUID', [{ id: `dec_${'z'.repeat(22)}` }], '#/decisions/0/id'],
    ['no time', [{ at: 'yesterday' }], '#/decisions/0/at'],
    ['a rule that cannot be', [{ rule: 200 }], '#/decisions/0/rule'],
    ['an empty event', [{ event: '' }], '#/decisions/0/event'],
    ['no code', [{ code: undefined }], '#/decisions/0/code'],
    ['an unknown member', [{ input: { command: 'x' } }], '#/decisions/0/input'],
  ])('with %s are refused', async (_, changes, pointer) => {
    const job = await start();
    const decisions = Array.isArray(changes)
      ? changes.map((change: object) => ({ ...decision(), ...change }))
      : changes;
    const { status, body } = await record(job, decisions);
    expect(status).toBe(422);
    expect(body['errors']).toContainEqual({ pointer, detail: expect.any(String) });
  });

  it('of unreadable bodies are refused', async () => {
    const job = await start();
    const type = { 'content-type': 'application/json' };
    const raw = (body: string, headers = type) => send(service, 'POST', path(job), { token: job.token, body, headers });
    expect((await raw('{')).status).toBe(400);
    expect((await raw('{}', { 'content-type': 'text/plain' })).status).toBe(415);
    expect((await raw(`"${'x'.repeat(65_536)}"`)).status).toBe(413);
    expect((await send(service, 'POST', `${path(job)}?x=1`, { token: job.token, json: {} })).status).toBe(422);
  });
});

describe('the end of a run', () => {
  it.each<[string, (job: Job) => Promise<unknown>, number]>([
    ['finished', ({ token, checkId }) => service.client(token).execChecks.finish(checkId, { exit_code: 0 }), 900],
    ['lost', async () => undefined, 120 + 900],
  ])('leaves time for the last decisions of one that is %s', async (_, end, seconds) => {
    const job = await start();
    await end(job);
    service.clock.advance(seconds);
    expect((await record(job, [decision()])).status).toBe(200);
    service.clock.advance(1);
    const late = await record(job, [decision()]);
    expect([late.status, late.body['code']]).toEqual([409, 'run_state']);
    expect(await rowsOf(job)).toBe(1);
  });

  it('by a revocation leaves it too, for the token that was checked', async () => {
    const job = await start();
    await service.client().tokens.revoke(job.tokenId, { reason: 'leaked' });
    expect((await record(job, [decision({ code: 'revoked' })])).status).toBe(200);
  });
});

describe('who may record and read them', () => {
  it('a runner with exec:check, and the token that asked; no other token', async () => {
    const asker = (await service.seedToken({ scopes: ['exec:check'] })).token;
    const other = (await service.seedToken({ scopes: ['exec:check'] })).token;
    const stranger = (await service.seedToken()).token;
    const { token } = await service.seedToken({ workflow: 'flow' });
    const { run_id } = await service.client(asker).execChecks.check({ workflow: 'flow', token });
    const job = { ...(await start()), runId: run_id ?? '' };
    for (const may of [token, asker, other]) {
      expect((await record(job, [decision()], { token: may })).status).toBe(200);
      expect((await send(service, 'GET', path(job), { token: may })).status).toBe(200);
    }
    expect((await record(job, [decision()], { token: stranger })).status).toBe(404);
    expect((await send(service, 'GET', path(job), { token: stranger })).status).toBe(404);
  });

  it('nobody of another workspace, whose runs may even have the same ids of decisions', async () => {
    const job = await start();
    const one = decision();
    const { printed } = await service.makeWorkspace('decisions-elsewhere');
    expect((await record(job, [one], { token: printed })).status).toBe(404);
    const client = service.client(printed);
    await client.workflows.put('flow', { allowed_scopes: ['repo:*'] });
    const { token } = await client.tokens.mint({ workflow: 'flow', scopes: ['repo:read'], expires_in_days: 7 });
    const { run_id } = await service.client(token).execChecks.check({ workflow: 'flow' });
    expect((await service.client(token).runs.recordToolDecisions(run_id ?? '', [one])).recorded).toBe(1);
    expect((await record(job, [one])).body).toEqual({ recorded: 1 });
  });

  it('no run takes a decision that another one has', async () => {
    const [mine, other] = [await start(), await start()];
    const one = decision();
    await record(mine, [one]);
    expect((await record(other, [one, decision()])).body).toEqual({ recorded: 1 });
    expect((await list(mine)).map(({ id }) => id)).toEqual([one.id]);
  });

  it('no check that let nothing begin has any', async () => {
    const job = await start();
    const denied = await service.client(job.token).execChecks.check({ workflow: 'other' });
    const runId = denied.check_id.replace('chk_', 'run_');
    expect((await record({ ...job, runId }, [decision()])).status).toBe(404);
    expect((await record({ ...job, runId: job.checkId }, [decision()])).status).toBe(404);
  });
});

describe('how many there may be', () => {
  it('is 100,000 for a run, however many batches come at once; what is on record may be sent again', async () => {
    const job = await start();
    const kept = [decision(), decision()];
    await record(job, kept);
    await load(job, 99_898, service.clock.now());
    const batches = Array.from({ length: 8 }, () => Array.from({ length: 20 }, () => decision()));
    const answers = await Promise.all(batches.map((batch) => record(job, batch)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 200, 200, 200, 409, 409, 409]);
    expect(await rowsOf(job)).toBe(100_000);
    const full = await record(job, [decision()]);
    expect([full.status, full.body['code']]).toEqual([409, 'decisions_full']);
    expect((await record(job, kept)).body).toEqual({ recorded: 2 });
  });

  it('is bounded by time: what is older than 90 days is deleted, in steps', async () => {
    const job = await start();
    const now = service.clock.now();
    await load(job, 25_000, addSeconds(addDays(now, -90), -1));
    await load(job, 10, addDays(now, -90));
    await record(job, [decision()]);
    await keepHouse(service.db.sql, now);
    expect(await rowsOf(job)).toBe(11);
  });
});
