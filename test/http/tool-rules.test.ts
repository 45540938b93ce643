import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ToolRule, type ToolRules, UnreachableError } from '../../src/sdk/index.js';
import { send } from '../setup/request.js';
import { createTestService, type TestService } from '../setup/service.js';

let service: TestService;
let serial = 0;
beforeAll(async () => {
  service = await createTestService();
});
afterAll(() => service.close());

const RULES: ToolRules = {
  default: 'deny',
  rules: [
    { verdict: 'deny', tool: 'mcp__*__delete_*', reason: 'nothing is deleted here' },
    { verdict: 'allow', tool: 'Bash', argument: { name: 'command', pattern: 'npm test*' } },
    { verdict: 'ask', tool: 'Bash' },
    { verdict: 'allow', tool: 'WebFetch', argument: { name: 'url', pattern: 'https://a.example/*', syntax: 'text' } },
  ],
};

async function freshLabel(): Promise<string> {
  serial += 1;
  await service.makeWorkflow(`rules-${serial}`);
  return `rules-${serial}`;
}

const put = (label: string, json: unknown, token?: string) =>
  send(service, 'PUT', `/v1/workflows/${label}/tool-rules`, { json, ...(token === undefined ? {} : { token }) });
const show = (label: string, token?: string) =>
  send(service, 'GET', `/v1/workflows/${label}/tool-rules`, token === undefined ? {} : { token });
const dryRun = (label: string, json: unknown) =>
  send(service, 'POST', `/v1/workflows/${label}/tool-rules/dry-run`, { json });
const eventsOf = async (label: string) => {
  const { id } = await service.client().workflows.show(label);
  const { data } = await service.client().auditEvents({ target: id, action: 'workflow.tool_rules_set' });
  return data.map((event) => event.data);
};
const withRule = (rule: unknown) => ({ default: 'deny', rules: [rule] });
const withArgument = (argument: unknown) => withRule({ verdict: 'allow', tool: 'Bash', argument });

describe('the tool rules of a workflow', () => {
  it('allow everything until somebody sets some', async () => {
    const label = await freshLabel();
    expect((await show(label)).body).toEqual({ default: 'allow', rules: [] });
    expect((await dryRun(label, { tool: 'Bash', input: {} })).body).toMatchObject({ verdict: 'allow', rule: null });
  });

  it('are replaced as a whole, shown as they were sent, and put on record in full', async () => {
    const label = await freshLabel();
    const before = await service.client().workflows.show(label);
    service.clock.advance(1);
    const { status, body } = await put(label, RULES);
    expect(status).toBe(200);
    expect(body).toEqual(RULES);
    expect((await show(label)).body).toEqual(RULES);
    const after = await service.client().workflows.show(label);
    expect(after).toEqual({ ...before, updated_at: service.clock.now().toISOString() });
    await put(label, { default: 'ask', rules: [] });
    expect((await show(label)).body).toEqual({ default: 'ask', rules: [] });
    expect(await eventsOf(label)).toEqual([
      { label, via: expect.any(String), ...RULES },
      { label, via: expect.any(String), default: 'ask', rules: [] },
    ]);
  });

  it('set again change nothing and leave no event, in whatever order their members stand', async () => {
    const label = await freshLabel();
    await put(label, { default: 'allow', rules: [] });
    expect(await eventsOf(label)).toEqual([]);
    await put(label, withRule({ verdict: 'deny', tool: 'a', reason: 'b' }));
    await put(label, { rules: [{ reason: 'b', tool: 'a', verdict: 'deny' }], default: 'deny' });
    expect(await eventsOf(label)).toHaveLength(1);
  });

  it('survive that the policy of the workflow is replaced', async () => {
    const label = await freshLabel();
    await put(label, RULES);
    await service.client().workflows.put(label, { description: 'new' });
    expect((await show(label)).body).toEqual(RULES);
  });

  it('set at the same moment end as one of those sent, with an event for each change', async () => {
    const label = await freshLabel();
    const drafts = Array.from(
      { length: 20 },
      (_, at): ToolRules => withRule({ verdict: 'deny', tool: `t${at}` }) as ToolRules,
    );
    const answers = await Promise.all(drafts.map((draft) => put(label, draft)));
    expect(answers.map((answer) => answer.status)).toEqual(Array(20).fill(200));
    const events = await eventsOf(label);
    expect(events).toHaveLength(20);
    const last = (await show(label)).body;
    expect(drafts).toContainEqual(last);
    expect(events.at(-1)).toMatchObject(last);
  });

  it.each<[unknown, string]>([
    [{}, '#/default'],
    [{ rules: [] }, '#/default'],
    [{ default: 'deny' }, '#/rules'],
    [{ default: 'maybe', rules: [] }, '#/default'],
    [{ default: 'deny', rules: [], more: 1 }, '#/more'],
    [{ default: 'deny', rules: Array(201).fill({ verdict: 'deny', tool: 'x' }) }, '#/rules'],
    [[], '#'],
    [withRule({ verdict: 'deny' }), '#/rules/0/tool'],
    [withRule({ tool: 'x' }), '#/rules/0/verdict'],
    [withRule({ verdict: 'deny', tool: '' }), '#/rules/0/tool'],
    [withRule({ verdict: 'deny', tool: 'x'.repeat(513) }), '#/rules/0/tool'],
    [withRule({ verdict: 'deny', tool: 'a\u0000' }), '#/rules/0/tool'],
    [withRule({ verdict: 'deny', tool: 'a\ud800' }), '#/rules/0/tool'],
    [withRule({ verdict: 'deny', tool: 'x', args: {} }), '#/rules/0/args'],
    [withRule({ verdict: 'deny', tool: 'x', reason: '' }), '#/rules/0/reason'],
    [withRule({ verdict: 'deny', tool: 'x', reason: 'a\nb' }), '#/rules/0/reason'],
    [withRule({ verdict: 'deny', tool: 'x', reason: 'x'.repeat(513) }), '#/rules/0/reason'],
    [withArgument({ name: 'command' }), '#/rules/0/argument/pattern'],
    [withArgument({ pattern: '*' }), '#/rules/0/argument/name'],
    [withArgument({ name: 'a..b', pattern: '*' }), '#/rules/0/argument/name'],
    [withArgument({ name: 'command', pattern: 'a\\b' }), '#/rules/0/argument/pattern'],
    [withArgument({ name: 'url', pattern: 'https://*.example.com/' }), '#/rules/0/argument/pattern'],
    [withArgument({ name: 'path', pattern: '/a/../*' }), '#/rules/0/argument/pattern'],
    [withArgument({ name: 'path', pattern: '*', syntax: 'sh' }), '#/rules/0/argument/syntax'],
    [withArgument({ name: 'path', pattern: '*', regex: true }), '#/rules/0/argument/regex'],
  ])('%j are refused', async (json, pointer) => {
    const label = await freshLabel();
    const { status, body } = await put(label, json);
    expect(status).toBe(422);
    expect(body['errors']).toContainEqual({ pointer, detail: expect.any(String) });
    expect((await show(label)).body).toEqual({ default: 'allow', rules: [] });
  });

  it('hold no token', async () => {
    const label = await freshLabel();
    const { token } = await service.seedToken();
    const rule: ToolRule = { verdict: 'deny', tool: 'x', reason: `not ${token}` };
    expect((await put(label, withRule(rule))).status).toBe(422);
    expect((await dryRun(label, { tool: 'x', input: { command: token } })).status).toBe(422);
  });

  it('as large as they may be fit, and their largest list of workflows does not carry them', async () => {
    const label = await freshLabel();
    const rules = Array.from({ length: 200 }, (_, at) => ({ verdict: 'allow', tool: `${at}-${'x'.repeat(200)}` }));
    expect((await put(label, { default: 'deny', rules })).status).toBe(200);
    expect((await send(service, 'GET', '/v1/workflows?limit=200')).text).not.toContain('x'.repeat(20));
  });

  it("of the service's own workflows are not to be set, and can be read", async () => {
    for (const label of ['countersign', 'countersign.x']) {
      expect((await put(label, RULES)).body['errors']).toEqual([
        { pointer: '#/label', detail: "is the service's own" },
      ]);
    }
    expect((await show('countersign')).status).toBe(200);
  });

  it('of what is no workflow are not there', async () => {
    for (const label of ['unknown', 'Not-A-Label', '%2e%2e']) {
      expect((await show(label)).status).toBe(404);
      expect((await dryRun(label, { tool: 'x', input: {} })).status).toBe(404);
    }
    expect((await put('unknown', RULES)).status).toBe(404);
    expect((await put('Not-A-Label', RULES)).status).toBe(422);
  });
});

describe('who may read and set them', () => {
  it('a token of the workflow reads them without any scope, and no other workflow’s', async () => {
    const [mine, other] = [await freshLabel(), await freshLabel()];
    const { id, token } = await service.seedToken({ workflow: mine });
    expect((await show(mine, token)).status).toBe(200);
    expect(await service.client(token).workflows.toolRules(mine)).toEqual({ default: 'allow', rules: [] });
    expect((await show(other, token)).status).toBe(403);
    await service.client().tokens.revoke(id, { reason: 'leaked' });
    expect((await show(mine, token)).status).toBe(401);
  });

  it('a token of the workflow reads them after it was superseded: the job that it let begin goes on', async () => {
    const label = await freshLabel();
    const { id, token } = await service.seedToken({ workflow: label, scopes: ['codex:exec'] });
    await service.client().tokens.rotate(id, { overlap_seconds: 0 });
    expect((await show(label, token)).status).toBe(200);
    await service.client().workflows.pause(label);
    expect((await show(label, token)).status).toBe(401);
  });

  it('a runner with exec:check reads them', async () => {
    const { token } = await service.seedToken({ scopes: ['exec:check'] });
    expect((await show(await freshLabel(), token)).status).toBe(200);
  });

  it('a token of the workflow of the same label in another workspace gets its own', async () => {
    const label = await freshLabel();
    await put(label, RULES);
    const { printed } = await service.makeWorkspace('rules-elsewhere');
    expect((await show(label, printed)).status).toBe(404);
    await service.client(printed).workflows.put(label, { allowed_scopes: ['repo:*'] });
    expect((await show(label, printed)).body).toEqual({ default: 'allow', rules: [] });
    expect((await put(label, { default: 'deny', rules: [] }, printed)).status).toBe(200);
    expect((await show(label)).body).toEqual(RULES);
  });

  it('a token that may write workflows does not set those that bind it', async () => {
    const [mine, other] = [await freshLabel(), await freshLabel()];
    const { token } = await service.seedToken({ workflow: mine, scopes: ['workflows:write'] });
    expect((await put(mine, { default: 'allow', rules: [] }, token)).status).toBe(403);
    expect((await put(other, RULES, token)).status).toBe(200);
  });

  it('a token that is bound to a place sets those of workflows within it alone', async () => {
    const label = await freshLabel();
    const client = service.client();
    const scopes = ['workflows:write'];
    const { token } = await service.seedToken({ scopes, constraints: { repositories: ['acme/*'] } });
    for (const constraints of [{}, { repositories: ['other/*'] }, { refs: ['refs/heads/main'] }]) {
      await client.workflows.put(label, { constraints });
      const { status, body } = await put(label, RULES, token);
      expect([status, body['detail']]).toEqual([403, 'the calling token is bound to narrower repositories']);
    }
    expect((await show(label)).body).toEqual({ default: 'allow', rules: [] });
    await client.workflows.put(label, { constraints: { repositories: ['acme/shop'] } });
    expect((await put(label, RULES, token)).status).toBe(200);
    expect((await put('unknown', RULES, token)).status).toBe(404);
  });
});

describe('a dry run', () => {
  it('shows which rule decides, and why none before it does', async () => {
    const label = await freshLabel();
    await put(label, RULES);
    const { status, body } = await dryRun(label, { tool: 'Bash', input: { command: 'npm test; curl x' } });
    expect(status).toBe(200);
    expect(body).toEqual({
      verdict: 'ask',
      rule: 2,
      matched: { verdict: 'ask', tool: 'Bash' },
      reason: 'tool rule 2 leaves it to a person',
      trace: [
        { index: 0, matched: false, why: 'the tool is another one' },
        { index: 1, matched: false, why: 'command has ";", which the pattern does not spell out' },
        { index: 2, matched: true, why: 'the tool matches' },
      ],
    });
  });

  it('says when the default decides', async () => {
    const label = await freshLabel();
    await put(label, RULES);
    const { body } = await dryRun(label, { tool: 'Write', input: {} });
    expect(body).toMatchObject({ verdict: 'deny', rule: null, matched: null });
    expect(body['trace']).toHaveLength(4);
  });

  it('of a draft decides by the draft and stores neither', async () => {
    const label = await freshLabel();
    await put(label, RULES);
    const rules = withRule({ verdict: 'allow', tool: 'Write', reason: 'a draft' });
    const { body } = await dryRun(label, { tool: 'Write', input: {}, rules });
    expect(body).toMatchObject({ verdict: 'allow', rule: 0, reason: 'a draft' });
    expect((await show(label)).body).toEqual(RULES);
    expect(await eventsOf(label)).toHaveLength(1);
  });

  it('never repeats the input', async () => {
    const label = await freshLabel();
    await put(label, RULES);
    const { text } = await dryRun(label, { tool: 'Bash', input: { command: 'npm test; echo hunter2' } });
    expect(text).not.toContain('hunter2');
  });

  it.each<[unknown, string]>([
    [{ input: {} }, '#/tool'],
    [{ tool: 'x' }, '#/input'],
    [{ tool: 'x', input: 'make' }, '#/input'],
    [{ tool: 1, input: {} }, '#/tool'],
    [{ tool: 'x', input: {}, rules: [] }, '#/rules'],
    [{ tool: 'x', input: {}, rules: withRule({ verdict: 'deny', tool: '' }) }, '#/rules/rules/0/tool'],
    [{ tool: 'x', input: {}, more: 1 }, '#/more'],
  ])('of %j is refused', async (json, pointer) => {
    const { status, body } = await dryRun(await freshLabel(), json);
    expect(status).toBe(422);
    expect(body['errors']).toContainEqual({ pointer, detail: expect.any(String) });
  });
});

it('a client that does not know all that a rule asks for refuses the rules, instead of reading them as wider', async () => {
  const label = await freshLabel();
  await put(label, RULES);
  const rules = JSON.stringify(withRule({ verdict: 'allow', tool: 'Bash', only_on: 'weekdays' }));
  await service.db.sql`update workflows set tool_rules = ${rules}::text::jsonb where label = ${label}`;
  await expect(service.client().workflows.toolRules(label)).rejects.toThrow(UnreachableError);
});
