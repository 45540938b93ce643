import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../setup/free-port.js';
import type { Identity } from '../setup/identity.js';
import type { ListeningService } from '../setup/listening.js';
import { buildkite } from './buildkite.js';
import { gitHubActions, runWorkflowStep } from './github-actions.js';
import { gitLabCi } from './gitlab-ci.js';
import type { Platform } from './job.js';
import { kubernetes } from './kubernetes.js';
import { makePlace, recipe, start } from './place.js';
import { systemd } from './systemd.js';
import { expectNoFederatedTrace, type FederatedPlatform, federate, makeFederatedJob, openWorld } from './world.js';

// The recipes without a stored secret, each run as its platform runs it, against the platform's own claims.
const PLATFORMS: readonly (readonly [name: FederatedPlatform, platform: Platform])[] = [
  ['github_actions', gitHubActions],
  ['gitlab_ci', gitLabCi('bash')],
  ['buildkite', buildkite],
  ['kubernetes', kubernetes],
  ['generic', systemd],
];
const FOREIGN: Readonly<Record<FederatedPlatform, Record<string, unknown>>> = {
  github_actions: { repository_id: '4321' },
  gitlab_ci: { project_id: '4321' },
  buildkite: { organization_slug: 'acme-evil' },
  kubernetes: { sub: 'system:serviceaccount:agents:other' },
  generic: { sub: 'spiffe://acme.example/build-10' },
};
const HIDDEN = /ID_TOKEN|ACTIONS_\w+TOKEN|BUILDKITE_AGENT_(ACCESS|JOB_API)|COUNTERSIGN_TOKEN|CREDENTIALS|CI_JOB_TOKEN/;

let service: ListeningService;
let identities: Readonly<Record<FederatedPlatform, Identity>>;

beforeAll(async () => {
  service = await openWorld();
  identities = await federate(service);
});
afterAll(() => service.close());

test('the rules that the recipes tell to make are taken as they stand there', async () => {
  const own = await openWorld();
  const place = makePlace({ hasGuard: true });
  const files = ['github-actions/agent.yml', 'gitlab-ci/agent.yml', 'buildkite/pipeline.yml'];
  const others = ['kubernetes/agent-job.yaml', 'systemd/federated.conf'];
  const commands = [...files, ...others].map((path) => {
    const [, command = ''] = /^# {3}(countersign trust-rule set (?:.*\\\n# +)*.*)$/m.exec(recipe(path)) ?? [];
    return command.replace(/\\\n# +/g, '');
  });
  const env = { ...place.env, COUNTERSIGN_URL: own.url, COUNTERSIGN_TOKEN: own.owner.printed };
  for (const command of commands) {
    const { code, stderr } = await start(place, ['sh', '-c', `exec ${command}`], env).ended;
    expect({ command, code, stderr }).toMatchObject({ code: 0 });
  }
  const { data } = await own.client().trustRules.list();
  expect(data.map(({ name }) => name)).toEqual(['api-review', 'build-1', 'nightly']);
  await own.close();
});

describe.concurrent.each(PLATFORMS)('%s', (name, platform) => {
  const job = (over?: Parameters<typeof makeFederatedJob>[3]) =>
    makeFederatedJob(service, name, identities[name], over);

  test('a job that a rule trusts runs, and sees neither token nor what gives others', async () => {
    const { request, place, recorded } = await job({ env: { REVIEW_CODE: '5' } });
    const end = await platform.run(request);
    expect(end.log).toContain('reviewed by');
    expect(end.code).toBe(5);
    const check = await recorded();
    expect(check).toMatchObject({ decision: 'allow', exit_code: 5, scopes: ['codex:exec'] });
    expect(check?.context).toMatchObject(platform.context(request));
    expect(place.ran()).not.toMatch(HIDDEN);
    for (const token of identities[name].given) expect(place.commandLines()).not.toContain(token);
    expect(place.commandLines()).not.toMatch(/cst_\w{22}_/);
    expectNoFederatedTrace(request, end.log, identities[name]);
    // Narrowed to what the job says that it does, and for no longer than the rule gives.
    const token = await service.client().tokens.show(check?.token_id ?? '');
    expect(token.scopes).toEqual(['codex:exec']);
    expect(Date.parse(token.expires_at) - Date.parse(token.created_at)).toBeLessThanOrEqual(60_000);
  });

  test('a job that no rule trusts exits 77, and nothing of it runs', async () => {
    const { request, place } = await job({ claims: FOREIGN[name] });
    const end = await platform.run(request);
    expect(end.log).toContain('refused (invalid_grant)');
    expect(end.code).toBe(77);
    expect(place.ran()).toBeUndefined();
    expectNoFederatedTrace(request, end.log, identities[name]);
  });

  test('a job whose service is out of reach exits 69, and nothing of it runs', async () => {
    const { request, place } = await job({ url: `http://127.0.0.1:${await freePort()}` });
    const end = await platform.run(request);
    expect(end.code).toBe(69);
    expect(place.ran()).toBeUndefined();
    expectNoFederatedTrace(request, end.log, identities[name]);
  });
});

describe.concurrent('the action for GitHub', () => {
  const job = (over?: Parameters<typeof makeFederatedJob>[3]) =>
    makeFederatedJob(service, 'github_actions', identities.github_actions, over);
  const run = './review.sh';

  test('tells why it was refused, and needs no masks', async () => {
    const { request } = await job({ claims: FOREIGN.github_actions });
    const { outputs, masks } = await runWorkflowStep(request, { run });
    expect(outputs).toEqual({ verdict: 'refused', 'check-id': '', 'exit-code': '', reasons: 'invalid_grant' });
    expect(masks).toEqual([]);
  });

  test('asks for the audience and the rule that it is given', async () => {
    const { request, place } = await job();
    const rule = `${service.owner.workspace.slug}/github_actions`;
    expect(await runWorkflowStep(request, { run, audience: 'https://other.example', rule })).toMatchObject({
      code: 77,
    });
    expect(place.ran()).toBeUndefined();
    expect(await runWorkflowStep(request, { run, rule })).toMatchObject({ code: 0 });
    expect(await runWorkflowStep(request, { run, rule: `${rule}-x` })).toMatchObject({ code: 77 });
  });

  test.each([
    ['a token beside it', { token: 'cst_x' }, 'one of them is too much'],
    ['another word than true or false', { federated: 'yes' }, 'federated wants to be true or false'],
    ['neither', { federated: 'false' }, 'or the job wants `federated: true`'],
  ])('runs nothing with %s: 2', async (_title, over, said) => {
    const { request, place } = await job();
    const { code, log } = await runWorkflowStep(request, { run, ...over });
    expect(code).toBe(2);
    expect(log).toContain(said);
    expect(place.ran()).toBeUndefined();
  });

  test('runs nothing without the permission: 2', async () => {
    const { request, place } = await job({
      env: { ACTIONS_ID_TOKEN_REQUEST_URL: '', ACTIONS_ID_TOKEN_REQUEST_TOKEN: '' },
    });
    const { code, log } = await runWorkflowStep(request, { run });
    expect(code).toBe(2);
    expect(log).toContain('id-token: write');
    expect(place.ran()).toBeUndefined();
  });
});
