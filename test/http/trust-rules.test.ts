import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { printId } from '../../src/rules/format.js';
import { everyPage, type TrustRuleRequest } from '../../src/sdk/index.js';
import { send } from '../setup/request.js';
import { createTestService, ISSUER, type TestService } from '../setup/service.js';
import { BUILDKITE_BUILD, GITHUB_PUSH, GITLAB_DEPLOY, KUBERNETES_POD, RULES } from '../setup/trust.js';

let service: TestService;
let serial = 0;
beforeAll(async () => {
  service = await createTestService();
  await service.makeWorkflow('nightly', { allowed_scopes: ['repo:*', 'codex:exec'] });
});
afterAll(() => service.close());

const RULE = RULES.github_actions;
const fresh = () => `rule-${++serial}`;
const rules = () => service.client().trustRules;
const put = (json: unknown, token?: string, name = fresh()) =>
  send(service, 'PUT', `/v1/trust-rules/${name}`, { json, ...(token === undefined ? {} : { token }) });
const faultsOf = async (json: unknown) => {
  const { status, body } = await put(json);
  expect(status).toBe(422);
  return (body['errors'] as { pointer: string; detail: string }[]).map(({ pointer, detail }) => `${pointer} ${detail}`);
};
const eventsOf = async (target: string) => (await service.client().auditEvents({ target })).data;

describe('a trust rule', () => {
  it('is made whole, with the issuer of its preset, the audience of the service, and its events among the claims', async () => {
    const name = fresh();
    const made = await put(RULE, undefined, name);
    expect(made.status).toBe(201);
    expect(made.headers.get('location')).toBe(`/v1/trust-rules/${name}`);
    expect(made.body).toEqual({
      id: expect.stringMatching(/^trl_/),
      name,
      preset: 'github_actions',
      issuer: 'https://token.actions.githubusercontent.com',
      audience: ISSUER,
      claims: { repository_id: ['74'], ref: ['refs/heads/main'], event_name: ['push', 'schedule'] },
      allow_forks: false,
      workflow: 'nightly',
      scopes: ['repo:read'],
      constraints: {},
      expires_in_seconds: 3600,
      jwks: null,
      created_by: { id: printId('mem', service.owner.member.id), email: service.owner.member.email, name: null },
      created_at: service.clock.now().toISOString(),
      updated_at: service.clock.now().toISOString(),
    });
    expect(await rules().show(name)).toEqual(made.body);
  });

  it('that is shown can be set again as it is: nothing changes, and no event tells of it', async () => {
    const name = fresh();
    await rules().put(name, RULE);
    const {
      id,
      created_by: _,
      created_at,
      updated_at,
      name: __,
      jwks: ___,
      preset,
      ...shown
    } = await rules().show(name);
    service.clock.advance(5);
    const again = await rules().put(name, { ...shown, preset: preset ?? undefined });
    expect(again).toMatchObject({ id, created_at, updated_at });
    expect((await eventsOf(id)).map(({ action }) => action)).toEqual(['trust_rule.set']);
  });

  it('is replaced as a whole; who set it last is accountable', async () => {
    const name = fresh();
    const { id } = await rules().put(name, { ...RULE, expires_in_seconds: 900 });
    const admin = await service.makeMember('admin');
    service.clock.advance(5);
    const replaced = await service.client(admin.token).trustRules.put(name, { ...RULE, scopes: ['codex:exec'] });
    expect(replaced).toMatchObject({
      id,
      scopes: ['codex:exec'],
      expires_in_seconds: 3600,
      created_by: { id: admin.id },
    });
    expect(replaced.updated_at).not.toBe(replaced.created_at);
    const events = await eventsOf(id);
    expect(events.map(({ action, actor }) => [action, actor.id])).toEqual([
      ['trust_rule.set', printId('mem', service.owner.member.id)],
      ['trust_rule.set', admin.id],
    ]);
    expect(events[1]?.data).toMatchObject({
      name,
      preset: 'github_actions',
      claims: { repository_id: ['74'], ref: ['refs/heads/main'], event_name: ['push', 'schedule'] },
      workflow: 'nightly',
      scopes: ['codex:exec'],
    });
  });

  it('is removed, once', async () => {
    const name = fresh();
    const { id } = await rules().put(name, RULE);
    await rules().remove(name);
    await expect(rules().show(name)).rejects.toMatchObject({ status: 404 });
    await expect(rules().remove(name)).rejects.toMatchObject({ status: 404 });
    expect((await eventsOf(id)).map(({ action }) => action)).toEqual(['trust_rule.set', 'trust_rule.removed']);
  });

  it('is listed by name, page by page, those of other workspaces left out', async () => {
    const foreign = await service.makeWorkspace('trust-list');
    await service.client(foreign.printed).workflows.put('nightly', { allowed_scopes: ['repo:*'] });
    const client = service.client(foreign.printed);
    for (const name of ['c', 'a-1', 'b', 'a.1']) await client.trustRules.put(name, RULE);
    const names: string[] = [];
    for await (const { name } of everyPage((cursor) => client.trustRules.list({ limit: 2, cursor }))) names.push(name);
    expect(names).toEqual(['a-1', 'a.1', 'b', 'c']);
    await expect(rules().show('a-1')).rejects.toMatchObject({ status: 404 });
    await expect(rules().remove('a-1')).rejects.toMatchObject({ status: 404 });
    expect((await send(service, 'GET', '/v1/trust-rules?cursor=bm9uZQ')).status).toBe(422);
  });
});

describe('who may set one', () => {
  it('nobody gives more than the workflow allows', async () => {
    expect(await faultsOf({ ...RULE, scopes: ['repo:read', 'deploy:run'] })).toEqual([
      '#/scopes/1 the workflow does not allow deploy:run',
    ]);
    await service.makeWorkflow('narrow', { allowed_scopes: ['repo:*'], constraints: { repositories: ['octo/*'] } });
    expect(await faultsOf({ ...RULE, workflow: 'narrow', constraints: { repositories: ['evil/*'] } })).toEqual([
      "#/constraints/repositories reaches beyond the workflow's",
    ]);
    const within = await rules().put(fresh(), { ...RULE, workflow: 'narrow' });
    expect(within.constraints).toEqual({ repositories: ['octo/*'] });
    expect(await faultsOf({ ...RULE, workflow: 'never-was' })).toEqual([
      '#/workflow is not a workflow of this workspace',
    ]);
    expect(await faultsOf({ ...RULE, workflow: 'countersign' })).toEqual(["#/workflow is the service's own"]);
  });

  it('nobody gives more than the calling token may hand on', async () => {
    await service.makeWorkflow('automation', { allowed_scopes: ['workflows:*', 'repo:*'] });
    const { token } = await service.seedToken({
      workflow: 'automation',
      scopes: ['workflows:write', 'workflows:read'],
    });
    expect((await put(RULE, token)).status).toBe(201);
    expect((await put({ ...RULE, scopes: ['members:write'] }, token)).status).toBe(403);
    const job = await service.seedToken({ workflow: 'automation', scopes: ['workflows:write', 'repo:read'] });
    expect((await put({ ...RULE, scopes: ['codex:exec'] }, job.token)).status).toBe(403);
    const placed = await service.seedToken({
      workflow: 'automation',
      scopes: ['workflows:write'],
      constraints: { repositories: ['octo/shop'] },
    });
    expect((await put(RULE, placed.token)).status).toBe(403);
    expect((await put({ ...RULE, constraints: { repositories: ['octo/shop'] } }, placed.token)).status).toBe(201);
  });

  it('no token sets one for its own workflow', async () => {
    await service.makeWorkflow('selfish', { allowed_scopes: ['workflows:*', 'repo:*'] });
    const { token } = await service.seedToken({ workflow: 'selfish', scopes: ['workflows:write'] });
    expect((await put({ ...RULE, workflow: 'selfish' }, token)).status).toBe(403);
  });

  it('a workspace has 100 at the most', async () => {
    const full = await service.makeWorkspace('trust-full');
    const client = service.client(full.printed);
    await client.workflows.put('nightly', { allowed_scopes: ['repo:*'] });
    for (let at = 0; at < 100; at += 1) await client.trustRules.put(`r${at}`, RULE);
    await expect(client.trustRules.put('one-more', RULE)).rejects.toMatchObject({ status: 422 });
    await client.trustRules.put('r99', { ...RULE, expires_in_seconds: 60 });
  });
});

describe('a rule that would trust too much is refused, and told what is missing', () => {
  const REPOSITORY = '#/claims must pin repository_id, or repository_owner_id';
  const PLACE = '#/claims must pin ref, or environment, or job_workflow_ref';
  const EVENT = '#/claims must pin event_name';
  const ORGANIZATION = '#/claims must pin organization_id, or organization_slug';
  const PIPELINE = '#/claims must pin pipeline_id, or pipeline_slug';
  const base = { workflow: 'nightly', scopes: ['repo:read'] };
  const github = { ...base, preset: 'github_actions' };
  const ISSUER_OF_ALL = 'https://token.actions.githubusercontent.com';

  it.each<[string, unknown, string[]]>([
    ['all of GitHub', { ...github, claims: {} }, [REPOSITORY, PLACE, EVENT]],
    ['a repository by its name alone', { ...github, claims: { repository: 'octo/shop' } }, [REPOSITORY, PLACE, EVENT]],
    ['any ref', { ...github, claims: { repository_id: '74', ref: '**' }, events: ['push'] }, [PLACE]],
    [
      'any ref in other words',
      { ...github, claims: { repository_id: '74', ref: 'refs/**' }, events: ['push'] },
      [PLACE],
    ],
    [
      'one good ref and any',
      { ...github, claims: { repository_id: '74', ref: ['refs/heads/a', '*'] }, events: ['push'] },
      [PLACE],
    ],
    [
      'all of GitHub without the preset',
      { ...base, issuer: ISSUER_OF_ALL, claims: { sub: 'repo:octo/shop:pull_request' } },
      [REPOSITORY, PLACE, EVENT],
    ],
    [
      'all of GitHub, spelt otherwise',
      { ...base, issuer: 'https://Token.actions.githubusercontent.com/', claims: { sub: 'a' } },
      [REPOSITORY, PLACE, EVENT],
    ],
    [
      'an enterprise of GitHub',
      { ...base, issuer: `${ISSUER_OF_ALL}/octo`, claims: { sub: 'a' } },
      [REPOSITORY, PLACE, EVENT],
    ],
    [
      'all of gitlab.com',
      { ...base, preset: 'gitlab_ci', claims: {} },
      ['#/claims must pin project_id, or namespace_id', '#/claims must pin ref_protected, or environment'],
    ],
    [
      'unprotected refs',
      { ...base, preset: 'gitlab_ci', claims: { project_id: '20', ref_protected: ['true', 'false'] } },
      ['#/claims must pin ref_protected, or environment'],
    ],
    ['all of Buildkite', { ...base, preset: 'buildkite', claims: { build_branch: 'main' } }, [ORGANIZATION, PIPELINE]],
    [
      'a pipeline of any organization',
      { ...base, issuer: 'https://agent.buildkite.com', claims: { pipeline_slug: 'app' } },
      [ORGANIZATION],
    ],
    [
      'a whole cluster',
      { ...RULES.kubernetes, claims: { 'kubernetes.io/namespace': 'ci' } },
      [
        '#/claims must pin sub, or kubernetes.io/serviceaccount/uid, or kubernetes.io/namespace with kubernetes.io/serviceaccount/name',
      ],
    ],
    [
      'a cluster that is not named',
      { ...base, preset: 'kubernetes', claims: { sub: 'a' } },
      ['#/issuer must be given: each kubernetes has its own'],
    ],
    [
      'an issuer with one claim',
      { ...base, issuer: 'https://id.example', claims: { group: 'ci' } },
      ['#/claims must pin sub, or two claims'],
    ],
    [
      'all of Google',
      { ...base, issuer: 'https://accounts.google.com', claims: { email: 'a@b.example', hd: 'b.example' } },
      ['#/claims must pin sub: everybody can get a token of https://accounts.google.com'],
    ],
    [
      'keys of the setter for GitHub',
      { ...RULE, jwks: { keys: [{ kty: 'OKP', crv: 'Ed25519', kid: 'a', x: 'AAAA' }] } },
      ['#/jwks are fetched from this issuer itself'],
    ],
    [
      'this very service',
      { ...base, issuer: ISSUER, claims: { sub: 'a' } },
      ['#/issuer is this service: its tokens are no proof of a job'],
    ],
    [
      'an issuer over http',
      { ...base, issuer: 'http://id.example', claims: { sub: 'a' } },
      ['#/issuer must be an https:// URL, because its keys are fetched: or say them as jwks'],
    ],
    [
      'the wrong preset',
      { ...RULE, preset: 'gitlab_ci', issuer: ISSUER_OF_ALL },
      ['#/preset must be github_actions: the issuer is'],
    ],
    [
      'a pattern over an id',
      { ...RULE, claims: { repository_id: '7*', ref: 'refs/heads/main' } },
      ['#/claims/repository_id/0 is compared exactly: only ref, ref_path, build_branch, build_tag may be patterns'],
    ],
    ['what is judged anyway', { ...RULE, claims: { ...RULE.claims, aud: 'x' } }, ['#/claims/aud is judged by itself']],
    [
      'events twice',
      { ...RULE, claims: { ...RULE.claims, event_name: 'push' } },
      ['#/events is said twice: claims has event_name too'],
    ],
    [
      'events of no known platform',
      { ...base, issuer: 'https://id.example', claims: { sub: 'a' }, events: ['push'] },
      ['#/events is known of no such issuer: say the claim itself'],
    ],
    [
      'a pull request of anybody',
      { ...RULE, events: ['pull_request_target'] },
      [
        '#/allow_forks pull_request_target lets in what people without write access start: say allow_forks if that is meant',
      ],
    ],
    [
      'a merge request of anybody',
      { ...RULES.gitlab_ci, events: ['push', 'merge_request_event'] },
      [
        '#/allow_forks merge_request_event lets in what people without write access start: say allow_forks if that is meant',
      ],
    ],
    [
      'a branch of a fork',
      { ...RULES.buildkite, claims: { ...RULES.buildkite.claims, build_branch: 'evil:main' } },
      ['#/allow_forks evil:main lets in what people without write access start: say allow_forks if that is meant'],
    ],
    [
      'forks that nothing lets in',
      { ...RULE, allow_forks: true },
      ['#/allow_forks no claim of this rule lets a fork in'],
    ],
  ])('%s', async (_, json, faults) => {
    expect(await faultsOf(json)).toEqual(faults);
  });

  it.each<[string, TrustRuleRequest]>([
    ...Object.entries(RULES),
    ['forks, when that is said', { ...RULE, events: ['pull_request_target'], allow_forks: true }],
    ['pull requests of the repository itself', { ...RULE, events: ['pull_request'] }],
    ['branches by a pattern', { ...RULE, claims: { repository_owner_id: '65', ref: 'refs/heads/release/*' } }],
    ['two claims of an issuer of one’s own', { ...base, issuer: 'https://id.example', claims: { a: '1', 'b/c': '2' } }],
  ])('but not: %s', async (_, rule) => {
    const shown = await rules().put(fresh(), rule);
    expect(shown.allow_forks).toBe(rule.allow_forks ?? false);
  });
});

describe('the keys of an issuer that nobody reaches', () => {
  const rule = (key: Record<string, unknown>) => ({ ...RULES.kubernetes, jwks: { keys: [key] } });
  const KEY = { kty: 'OKP', crv: 'Ed25519', kid: 'a', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' };

  it('are public, and shown as they were given, less what is not used', async () => {
    const { jwks } = await rules().put(
      fresh(),
      rule({ ...KEY, use: 'sig', x5c: ['AAAA'] }) as unknown as TrustRuleRequest,
    );
    expect(jwks).toEqual({ keys: [{ ...KEY, use: 'sig' }] });
  });

  it.each<[string, Record<string, unknown>]>([
    ['a private key', { ...KEY, d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A' }],
    ['a secret', { kty: 'oct', kid: 'a', k: 'AAAA' }],
    ['a key to encrypt with', { ...KEY, use: 'enc' }],
    ['a key that may not verify', { ...KEY, key_ops: ['sign'] }],
    ['a key of another algorithm', { ...KEY, alg: 'ES256' }],
    ['a short RSA key', { kty: 'RSA', kid: 'a', n: 'A'.repeat(171), e: 'AQAB' }],
    ['a key without a name', { ...KEY, kid: '' }],
    ['a key whose name no database can hold', { ...KEY, kid: 'a\u0000' }],
    ['a key that may do what no database can hold', { ...KEY, key_ops: ['verify', '\u0000'] }],
  ])('are none: %s', async (_, key) => {
    const faults = await faultsOf(rule(key));
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatch(/^#\/jwks\/keys\/0/);
  });
});

describe('a dry run', () => {
  const dryRun = async (claims: Record<string, unknown>, rule: TrustRuleRequest = RULE) => {
    const name = fresh();
    await rules().put(name, rule);
    return rules().dryRun(name, { claims });
  };
  const identity = { iss: 'https://token.actions.githubusercontent.com', aud: ISSUER };

  it('says which claim matches, and what would be given there', async () => {
    const answer = await dryRun({ ...identity, ...GITHUB_PUSH });
    expect(answer).toEqual({
      verdict: 'match',
      checks: [
        { claim: 'iss', expected: [identity.iss], found: identity.iss, matched: true },
        { claim: 'aud', expected: [ISSUER], found: ISSUER, matched: true },
        { claim: 'event_name', expected: ['push', 'schedule'], found: 'push', matched: true },
        { claim: 'ref', expected: ['refs/heads/main'], found: 'refs/heads/main', matched: true },
        { claim: 'repository_id', expected: ['74'], found: '74', matched: true },
      ],
      reasons: [],
      grant: {
        workflow: 'nightly',
        scopes: ['repo:read'],
        constraints: { repositories: ['octo/shop'], refs: ['refs/heads/main'] },
        expires_in_seconds: 3600,
      },
    });
  });

  it('says which claim does not, and gives nothing', async () => {
    const answer = await dryRun({ ...identity, ...GITHUB_PUSH, repository_id: '75', event_name: undefined });
    expect(answer).toMatchObject({ verdict: 'no_match', grant: null });
    expect(answer.checks.filter(({ matched }) => !matched)).toEqual([
      { claim: 'event_name', expected: ['push', 'schedule'], found: null, matched: false },
      { claim: 'repository_id', expected: ['74'], found: '75', matched: false },
    ]);
  });

  it('says what else speaks against it', async () => {
    const placed = { ...RULE, constraints: { repositories: ['octo/other'] } };
    expect((await dryRun({ ...identity, ...GITHUB_PUSH }, placed)).reasons).toEqual([
      'the job’s repository, ref or environment lies outside of the constraints',
    ]);
    const generic = { ...RULE, preset: undefined, issuer: 'https://id.example', events: undefined };
    const claims = { ...GITHUB_PUSH, iss: 'https://id.example', aud: ISSUER, event_name: 'pull_request_target' };
    expect((await dryRun(claims, generic)).reasons).toEqual([
      'the job is for a pull request, a merge request or a fork, and the rule does not name that',
    ]);
  });

  const PLATFORMS = {
    github_actions: { iss: identity.iss, ...GITHUB_PUSH },
    gitlab_ci: { iss: 'https://gitlab.com', ...GITLAB_DEPLOY },
    buildkite: { iss: 'https://agent.buildkite.com', ...BUILDKITE_BUILD },
    kubernetes: { iss: RULES.kubernetes.issuer, ...KUBERNETES_POD },
  };
  type Platform = keyof typeof PLATFORMS;
  const dryRunOf = (platform: Platform, claims: Record<string, unknown>, rule: Partial<TrustRuleRequest> = {}) =>
    dryRun({ ...PLATFORMS[platform], aud: [ISSUER], ...claims }, { ...RULES[platform], ...rule });

  it.each<[Platform, Record<string, string[]>]>([
    ['github_actions', { repositories: ['octo/shop'], refs: ['refs/heads/main'] }],
    ['gitlab_ci', { repositories: ['my-group/my-project'], refs: ['refs/heads/main'], environments: ['production'] }],
    ['buildkite', {}],
    ['kubernetes', {}],
  ])('narrows to the place that the claims of %s prove', async (platform, constraints) => {
    expect((await dryRunOf(platform, {})).grant).toMatchObject({ constraints });
  });

  it('of a name with spaces makes no constraint, and refuses it where there is one', async () => {
    const environment = 'Production (EU)';
    const open = await dryRunOf('github_actions', { environment });
    expect(open.grant?.constraints).toEqual({ repositories: ['octo/shop'], refs: ['refs/heads/main'] });
    const bound = { constraints: { environments: ['production'] } };
    expect((await dryRunOf('github_actions', { environment }, bound)).verdict).toBe('no_match');
  });

  it.each<[string, Platform, Record<string, unknown>, Partial<TrustRuleRequest>]>([
    ['an audience among others', 'github_actions', { aud: [ISSUER, 'https://elsewhere.example'] }, {}],
    ['an issuer with a slash', 'github_actions', { iss: `${identity.iss}/` }, {}],
    ['an issuer in capitals', 'github_actions', { iss: identity.iss.toUpperCase() }, {}],
    ['a name that was registered again', 'github_actions', { repository_id: '9000' }, {}],
    ['a list where a text should be', 'github_actions', { repository_id: ['74'] }, {}],
    [
      'a branch beyond the pattern',
      'github_actions',
      { ref: 'refs/heads/a/b' },
      { claims: { repository_id: '74', ref: 'refs/heads/*' } },
    ],
    ['a pull request', 'github_actions', { event_name: 'pull_request', ref: 'refs/pull/7/merge' }, {}],
    ['a pull request of a fork', 'github_actions', { event_name: 'pull_request_target' }, {}],
    ['a merge request', 'gitlab_ci', { pipeline_source: 'merge_request_event' }, {}],
    ['a ref that is not protected', 'gitlab_ci', { ref_protected: 'false' }, {}],
    ['a fork, whose project is another', 'gitlab_ci', { project_id: '21' }, {}],
    ['a branch of a fork', 'buildkite', { build_branch: 'evil:main' }, {}],
    ['another organization', 'buildkite', { organization_id: 'b' }, {}],
    ['another account', 'kubernetes', { sub: 'system:serviceaccount:ci:other' }, {}],
    ['an account that was made again', 'kubernetes', {}, { claims: { 'kubernetes.io/serviceaccount/uid': 'other' } }],
  ])('does not match %s', async (_, platform, claims, rule) => {
    expect((await dryRunOf(platform, claims, rule)).verdict).toBe('no_match');
  });

  it.each<[string, Platform, Record<string, unknown>, Partial<TrustRuleRequest>]>([
    [
      'a pull request that the rule names',
      'github_actions',
      { event_name: 'pull_request' },
      { events: ['pull_request'] },
    ],
    ['a number, by its digits', 'buildkite', {}, { claims: { ...RULES.buildkite.claims, build_number: '1' } }],
    [
      'a branch of a fork that the rule names',
      'buildkite',
      { build_branch: 'you:fix' },
      { claims: { ...RULES.buildkite.claims, build_branch: '*:fix' }, allow_forks: true },
    ],
    [
      'an account by its uid',
      'kubernetes',
      {},
      { claims: { 'kubernetes.io/serviceaccount/uid': KUBERNETES_POD['kubernetes.io'].serviceaccount.uid } },
    ],
  ])('matches %s', async (_, platform, claims, rule) => {
    expect((await dryRunOf(platform, claims, rule)).verdict).toBe('match');
  });

  it('takes no token', async () => {
    const name = fresh();
    await rules().put(name, RULE);
    const { token } = await service.seedToken();
    const json = { claims: { sub: token } };
    expect((await send(service, 'POST', `/v1/trust-rules/${name}/dry-run`, { json })).status).toBe(422);
  });
});
