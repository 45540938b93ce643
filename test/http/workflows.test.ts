import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { send } from '../setup/request.js';
import { createTestService, type TestService } from '../setup/service.js';

let service: TestService;
beforeAll(async () => {
  service = await createTestService();
});
afterAll(() => service.close());

const put = (label: string, json: unknown, token?: string) =>
  send(service, 'PUT', `/v1/workflows/${label}`, { json, ...(token === undefined ? {} : { token }) });
const post = (label: string, verb: string) => send(service, 'POST', `/v1/workflows/${label}/${verb}`);
const eventsOf = async (target: string) =>
  (await service.client().auditEvents({ target, limit: 200 })).data.map((event) => event.action);

describe('PUT', () => {
  it('makes a workflow with the defaults of everything that is left out', async () => {
    const { status, headers, body } = await put('defaults', {});
    expect(status).toBe(201);
    expect(headers.get('location')).toBe('/v1/workflows/defaults');
    const now = service.clock.now().toISOString();
    expect(body).toEqual({
      id: expect.stringMatching(/^wfl_[0-9A-Za-z]{22}$/),
      label: 'defaults',
      description: '',
      allowed_scopes: [],
      allowed_expiry_days: [7, 30, 60, 90],
      constraints: {},
      max_run_seconds: 21_600,
      max_concurrent_runs: null,
      max_concurrent_runs_per_token: null,
      leaver: null,
      reuse_rule: 'alarm',
      rotations: [],
      contacts: [],
      status: 'active',
      paused_at: null,
      created_at: now,
      updated_at: now,
    });
    expect(await service.client().workflows.show('defaults')).toEqual(body);
  });

  it('again with the same policy changes nothing and leaves no event', async () => {
    const policy = {
      allowed_scopes: ['repo:*'],
      constraints: { refs: ['refs/heads/*'] },
      description: 'Zwölf Ünïcödé 🦊',
    };
    const first = await put('same', policy);
    service.clock.advance(5);
    const again = await put('same', policy);
    expect([again.status, again.headers.get('location')]).toEqual([200, null]);
    expect(again.body).toEqual(first.body);
    expect(await eventsOf(String(first.body['id']))).toEqual(['workflow.created']);
  });

  it('replaces the whole policy: what is left out gets its default', async () => {
    await put('whole', {
      description: 'old',
      allowed_scopes: ['repo:read'],
      max_run_seconds: 60,
      allowed_expiry_days: [1],
    });
    const { status, body } = await put('whole', { allowed_scopes: ['repo:write'] });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      description: '',
      allowed_scopes: ['repo:write'],
      allowed_expiry_days: [7, 30, 60, 90],
      max_run_seconds: 21_600,
      max_concurrent_runs: null,
      max_concurrent_runs_per_token: null,
      leaver: null,
      reuse_rule: 'alarm',
    });
    const { data } = await service.client().auditEvents({ target: String(body['id']), action: 'workflow.updated' });
    expect(data.map((event) => event.data)).toEqual([
      {
        label: 'whole',
        via: expect.any(String),
        description: '',
        allowed_scopes: ['repo:write'],
        allowed_expiry_days: [7, 30, 60, 90],
        max_run_seconds: 21_600,
      },
    ]);
  });

  it('keeps contacts, each address once, and puts them on record', async () => {
    const { body } = await put('watched', { contacts: ['Ops@acme.example', 'ops@ACME.example', 'lead@acme.example'] });
    expect(body['contacts']).toEqual(['Ops@acme.example', 'lead@acme.example']);
    await put('watched', {});
    const { data } = await service.client().auditEvents({ target: String(body['id']) });
    expect(data.map((event) => event.data['contacts'])).toEqual([body['contacts'], []]);
  });

  const ROTATION = { name: 'acme/api', into: ['github:acme/api/AGENT_TOKEN'], if_expires_within_days: 7 };

  it('keeps where secrets live, and puts it on record', async () => {
    const rotations = [ROTATION, { into: ['vault:kv/ci/agent#token'], name: 'b', every_days: 30, drain_seconds: 0 }];
    const { body } = await put('placed', { rotations });
    expect(body['rotations']).toEqual(rotations);
    expect((await service.client().workflows.show('placed')).rotations).toEqual(rotations);
    expect((await put('placed', { rotations })).body['updated_at']).toBe(body['updated_at']);
    await put('placed', {});
    const { data } = await service.client().auditEvents({ target: String(body['id']) });
    expect(data.map((event) => event.data['rotations'])).toEqual([rotations, []]);
  });

  it.each([
    [{ ...ROTATION, into: ['file:/etc/cron.d/x'] }, '#/rotations/0/into/0'],
    [{ ...ROTATION, into: ['vault:kv/a#b', 'exec:id'] }, '#/rotations/0/into/1'],
    [{ ...ROTATION, into: ['vault:kv/root:word@host/a#b'] }, '#/rotations/0/into/0'],
    [{ ...ROTATION, into: [] }, '#/rotations/0/into'],
    [{ ...ROTATION, into: Array.from({ length: 6 }, (_, at) => `vault:kv/a#b${at}`) }, '#/rotations/0/into'],
    [{ ...ROTATION, name: '' }, '#/rotations/0/name'],
    [{ ...ROTATION, token: 'tok_x' }, '#/rotations/0/token'],
    [{ ...ROTATION, every_days: 0 }, '#/rotations/0/every_days'],
    [{ into: ROTATION.into }, '#/rotations/0'],
  ])('refuses the rotation %j', async (rotation, pointer) => {
    const { status, body } = await put('misplaced', { rotations: [rotation] });
    expect([status, body['errors']]).toMatchObject([422, [{ pointer }]]);
    expect(JSON.stringify(body)).not.toContain('word');
  });

  it('refuses a place that is in the list twice, and 21 rotations', async () => {
    const twice = [ROTATION, { ...ROTATION, name: 'b', into: ['github:ACME/api/agent_token'] }];
    expect((await put('misplaced', { rotations: twice })).body['errors']).toMatchObject([
      { pointer: '#/rotations/1/into/0' },
    ]);
    const many = Array.from({ length: 21 }, (_, at) => ({ name: `${at}`, into: [`vault:kv/a#b${at}`], every_days: 1 }));
    expect((await put('misplaced', { rotations: many })).body['errors']).toMatchObject([{ pointer: '#/rotations' }]);
  });

  it('lets nobody direct secrets elsewhere who is not an admin of the workspace, or is bound to a place', async () => {
    await put('directed', { rotations: [ROTATION] });
    const writer = await service.seedToken({ scopes: ['workflows:write'] });
    const elsewhere = { rotations: [{ ...ROTATION, into: ['github:evil/api/AGENT_TOKEN'] }] };
    expect(await put('directed', elsewhere, writer.token)).toMatchObject({
      status: 403,
      body: { type: expect.stringContaining('insufficient-scope') },
    });
    expect((await put('directed', { rotations: [{ ...ROTATION, name: 'other' }] }, writer.token)).status).toBe(403);
    const later = { rotations: [{ ...ROTATION, if_expires_within_days: 3 }], description: 'new' };
    expect((await put('directed', later, writer.token)).status).toBe(200);
    expect((await put('directed', {}, writer.token)).status).toBe(200);
    expect((await put('directed', { rotations: [ROTATION] }, writer.token)).status).toBe(403);
    expect((await put('undirected', { rotations: [ROTATION] }, writer.token)).status).toBe(403);
    const bound = await service.seedToken({ scopes: ['workspace:admin'], constraints: { networks: ['127.0.0.0/8'] } });
    const refused = await put('directed', { rotations: [ROTATION] }, bound.token);
    expect([refused.status, (await service.client().workflows.show('directed')).rotations]).toEqual([403, []]);
  });

  it('at the same moment makes one workflow of twenty', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => put('rush', { description: 'one' })));
    expect(answers.map((one) => one.status).sort()).toEqual([...Array(19).fill(200), 201]);
    expect(new Set(answers.map((one) => one.body['id'])).size).toBe(1);
    expect(await eventsOf(String(answers[0]?.body['id']))).toEqual(['workflow.created']);
  });

  it('keeps a paused workflow paused', async () => {
    await put('kept', {});
    await post('kept', 'pause');
    expect((await put('kept', { description: 'new' })).body).toMatchObject({ status: 'paused', description: 'new' });
  });

  it.each([
    [{ allowed_scopes: ['repo'] }, '#/allowed_scopes/0'],
    [{ allowed_scopes: ['repo:read', 'repo:*:write'] }, '#/allowed_scopes/1'],
    [{ allowed_scopes: ['repo:"read"'] }, '#/allowed_scopes/0'],
    [{ allowed_scopes: ['repo:rëad'] }, '#/allowed_scopes/0'],
    [{ allowed_scopes: [`a:${'b'.repeat(200)}`] }, '#/allowed_scopes/0'],
    [{ allowed_scopes: Array.from({ length: 65 }, (_, at) => `a:b${at}`) }, '#/allowed_scopes'],
    [{ allowed_scopes: 'repo:read' }, '#/allowed_scopes'],
    [{ allowed_expiry_days: [] }, '#/allowed_expiry_days'],
    [{ allowed_expiry_days: [0] }, '#/allowed_expiry_days/0'],
    [{ allowed_expiry_days: [367] }, '#/allowed_expiry_days/0'],
    [{ allowed_expiry_days: [1.5] }, '#/allowed_expiry_days/0'],
    [{ allowed_expiry_days: ['7'] }, '#/allowed_expiry_days/0'],
    [{ allowed_expiry_days: [1e300] }, '#/allowed_expiry_days/0'],
    [{ max_run_seconds: 0 }, '#/max_run_seconds'],
    [{ max_run_seconds: -1 }, '#/max_run_seconds'],
    [{ max_run_seconds: 2 ** 31 }, '#/max_run_seconds'],
    [{ description: 'x'.repeat(1001) }, '#/description'],
    [{ description: 'a\u0000b' }, '#/description'],
    [{ description: 'a\ud800b' }, '#/description'],
    [{ description: null }, '#/description'],
    [{ constraints: { repositories: [] } }, '#/constraints/repositories'],
    [{ constraints: { repositories: ['acme'] } }, '#/constraints/repositories/0'],
    [{ constraints: { repositories: ['a/b/c/d'] } }, '#/constraints/repositories/0'],
    [{ constraints: { repositories: ['acme/a**'] } }, '#/constraints/repositories/0'],
    [{ constraints: { repositories: ['acme//a'] } }, '#/constraints/repositories/0'],
    [{ constraints: { refs: ['main'] } }, '#/constraints/refs/0'],
    [{ constraints: { networks: ['10.0.0.1'] } }, '#/constraints/networks/0'],
    [{ constraints: { networks: ['10.0.0.0/33'] } }, '#/constraints/networks/0'],
    [{ constraints: { networks: ['::ffff:10.0.0.0/104'] } }, '#/constraints/networks/0'],
    [{ constraints: { environments: [''] } }, '#/constraints/environments/0'],
    [{ constraints: { planets: ['mars'] } }, '#/constraints/planets'],
    [{ contacts: ['ops'] }, '#/contacts/0'],
    [{ contacts: ['ops@acme.example\nBcc: all@acme.example'] }, '#/contacts/0'],
    [{ contacts: ['ops@acme.example,all@acme.example'] }, '#/contacts/0'],
    [{ contacts: ['Ops <ops@acme.example>'] }, '#/contacts/0'],
    [{ contacts: ['ops@acme.example\u0000'] }, '#/contacts/0'],
    [{ contacts: Array.from({ length: 11 }, (_, at) => `ops${at}@acme.example`) }, '#/contacts'],
    [{ contacts: 'ops@acme.example' }, '#/contacts'],
    [{ status: 'paused' }, '#/status'],
    [{ label: 'other' }, '#/label'],
    [[], '#'],
    [null, '#'],
  ])('refuses %j', async (json, pointer) => {
    const { status, body } = await put('refused', json);
    expect([status, body['type']]).toEqual([422, 'https://countersign.example/problems/invalid']);
    expect((body['errors'] as { pointer: string }[]).map((one) => one.pointer)).toContain(pointer);
    expect((await send(service, 'GET', '/v1/workflows/refused')).status).toBe(404);
  });

  it('refuses a scope that the caller may not hand on, and a place beyond its own', async () => {
    await put('narrow', { allowed_scopes: ['codex:exec', 'workflows:write'] });
    const { token } = await service.seedToken({
      workflow: 'narrow',
      scopes: ['codex:exec', 'workflows:write'],
      constraints: { repositories: ['acme/shop'] },
    });
    for (const policy of [
      { allowed_scopes: ['codex:*'], constraints: { repositories: ['acme/shop'] } },
      { allowed_scopes: ['tokens:mint'], constraints: { repositories: ['acme/shop'] } },
      { allowed_scopes: ['workspace:admin'], constraints: { repositories: ['acme/shop'] } },
      { allowed_scopes: ['codex:exec'], constraints: { repositories: ['acme/*'] } },
      { allowed_scopes: ['codex:exec'] },
    ]) {
      expect([policy, (await put('made-by-job', policy, token)).status]).toEqual([policy, 403]);
    }
    const within = { allowed_scopes: ['codex:exec'], constraints: { repositories: ['acme/shop'] } };
    expect((await put('made-by-job', within, token)).status).toBe(201);
    expect(
      (await put('narrow', { description: 'as wide as before', allowed_scopes: ['codex:exec'] }, token)).status,
    ).toBe(200);
  });
});

const MALFORMED = [
  'Nightly',
  '-a',
  'a-',
  'a.',
  '.a',
  '_a',
  'a b',
  'a'.repeat(65),
  'nightly%2Fx',
  '%2e%2e%2fa',
  'a%00',
  '%00',
  'a%0a',
  'a%0D%0Ax',
  'na%C3%AFve',
  'naïve',
  '%E2%80%8Ba',
  'a%FF',
  'a%',
  'a%zz',
  '%F0%9F%A6%8A',
  'a+b',
  'a;b',
  'a@b',
  'a%25b',
];

describe('a malformed label', () => {
  it.each(MALFORMED)('%s is refused and never normalised', async (label) => {
    expect((await put(label, {})).status).toBe(422);
    expect((await post(label, 'pause')).status).toBe(422);
    expect((await post(label, 'resume')).status).toBe(422);
    expect((await send(service, 'GET', `/v1/workflows/${label}`)).status).toBe(404);
  });

  it('with an encoded letter is the letter (RFC 3986 section 6.2.2.2)', async () => {
    await put('encoded', {});
    expect((await send(service, 'GET', '/v1/workflows/%65ncoded')).body['label']).toBe('encoded');
  });

  it.each(['a', '0', 'a'.repeat(64), 'a.b_c-d', 'x..y', 'countersigned'])('%s is none', async (label) => {
    expect((await put(label, {})).status).toBe(201);
  });
});

describe("the service's own labels", () => {
  it.each(['countersign', 'countersign.console', 'countersign.x.y'])(
    '%s cannot be made, changed or paused',
    async (label) => {
      expect((await put(label, {})).status).toBe(422);
      expect((await post(label, 'pause')).status).toBe(422);
      expect((await post(label, 'resume')).status).toBe(422);
    },
  );

  it('countersign can be read', async () => {
    expect(await service.client().workflows.show('countersign')).toMatchObject({
      allowed_scopes: [],
      status: 'active',
    });
  });
});

describe('a pause', () => {
  it('makes the tokens of the workflow inactive at once, and a resumption active again', async () => {
    await service.makeWorkflow('paused');
    const { id, token } = await service.seedToken({ workflow: 'paused' });
    const other = await service.seedToken();
    const isActive = async (printed: string) => (await service.client().introspect(printed)).active;
    expect(await isActive(token)).toBe(true);

    const paused = await post('paused', 'pause');
    expect(paused.body).toMatchObject({ status: 'paused', paused_at: service.clock.now().toISOString() });
    expect([await isActive(token), await isActive(other.token)]).toEqual([false, true]);
    expect((await service.client().tokens.show(id)).status).toBe('suspended');
    expect((await send(service, 'GET', '/v1/me', { token })).status).toBe(401);
    const mint = { workflow: 'paused', scopes: ['repo:read'], expires_in_days: 7 };
    expect((await send(service, 'POST', '/v1/tokens', { json: mint })).body).toMatchObject({
      status: 409,
      code: 'workflow_not_active',
    });

    const resumed = await post('paused', 'resume');
    expect(resumed.body).toMatchObject({ status: 'active', paused_at: null });
    expect(await isActive(token)).toBe(true);
  });

  it('again changes nothing and leaves no event', async () => {
    const { body } = await put('twice', {});
    for (const verb of ['resume', 'pause', 'pause', 'resume', 'resume']) {
      service.clock.advance(1);
      expect((await post('twice', verb)).status).toBe(200);
    }
    expect(await eventsOf(String(body['id']))).toEqual(['workflow.created', 'workflow.paused', 'workflow.resumed']);
  });

  it('of what does not exist is not found', async () => {
    expect((await post('nowhere', 'pause')).status).toBe(404);
    expect((await post('nowhere', 'resume')).status).toBe(404);
  });
});

describe('workflows of another workspace', () => {
  it('are not found; the same label is another workflow', async () => {
    const other = await service.makeWorkspace('elsewhere');
    const theirs = service.client(other.printed);
    await theirs.workflows.put('theirs', { description: 'theirs' });
    expect((await send(service, 'GET', '/v1/workflows/theirs')).status).toBe(404);
    expect((await post('theirs', 'pause')).status).toBe(404);
    expect((await put('theirs', { description: 'ours' })).status).toBe(201);
    expect(await theirs.workflows.show('theirs')).toMatchObject({ description: 'theirs' });
    const labels = (await theirs.workflows.list()).data.map((one) => one.label);
    expect(labels).toEqual(['countersign', 'theirs']);
  });
});

describe('the list of workflows', () => {
  it('is given in pages by label, each once', async () => {
    const own = service.client((await service.makeWorkspace('pages')).printed);
    const labels = ['a', 'a-b', 'a.b', 'a0', 'aa', 'b', 'countersign'];
    for (const label of labels.toReversed()) if (label !== 'countersign') await own.workflows.put(label, {});
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await own.workflows.list({ limit: 2, cursor });
      seen.push(...page.data.map((one) => one.label));
      cursor = page.next_cursor ?? undefined;
    } while (cursor !== undefined);
    expect(seen).toEqual(labels);
  });
});
