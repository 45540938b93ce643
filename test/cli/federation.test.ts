import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { jwt } from '../runner/exchange-faults.js';
import { exchanged, TOKEN } from '../runner/scripted-service.js';
import { makeIdentity } from '../setup/identity.js';
import { createListeningService } from '../setup/listening.js';
import { commandLineHere } from './in-process.js';
import { type Answer, problem, scriptedService } from './scripted-service.js';

const service = scriptedService();
const home = mkdtempSync(join(tmpdir(), 'countersign-federation-'));
const run = commandLineHere(home);
const trace = join(home, 'trace');
afterAll(() => rmSync(home, { recursive: true }));

const given: Answer = { status: 200, body: exchanged() };
beforeEach(() =>
  service.follow(({ route }) => (route === 'POST /oauth2/token' ? given : problem(404, 'not-found', ''))),
);

const ID_TOKEN = jwt('job');
const gitLab = () => ({ COUNTERSIGN_URL: service.url, GITLAB_CI: 'true', COUNTERSIGN_ID_TOKEN: ID_TOKEN });
const forms = () => service.received.map(({ body }) => Object.fromEntries(new URLSearchParams(body)));

describe('auth exchange', () => {
  test('prints the token and nothing else, without a login', async () => {
    const { code, stdout, stderr } = await run(['auth', 'exchange', '--rule', 'acme/api'], { env: gitLab() });
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: `${TOKEN}\n`, stderr: '' });
    expect(forms()).toMatchObject([{ subject_token: ID_TOKEN, audience: 'acme/api' }]);
    expect(service.received[0]?.headers.authorization).toBeUndefined();
  });

  test('prints the whole answer with --json', async () => {
    const args = ['auth', 'exchange', '--scope', 'codex:exec', 'repo:read', '--json'];
    const { stdout } = await run(args, { env: gitLab() });
    expect(JSON.parse(stdout)).toEqual({ url: service.url, platform: 'gitlab_ci', ...exchanged() });
    expect(forms()).toMatchObject([{ scope: 'codex:exec repo:read' }]);
  });

  test('reads a token from standard input, once', async () => {
    service.follow(() => problem(503, 'unavailable', 'the database is away'));
    const env = { COUNTERSIGN_URL: service.url };
    const { code, stderr } = await run(['auth', 'exchange', '--platform', 'generic'], { env, input: `${ID_TOKEN}\n` });
    expect({ code, stderr }).toEqual({ code: 69, stderr: 'error: the database is away\n' });
    expect(forms().map(({ subject_token }) => subject_token)).toEqual([ID_TOKEN, ID_TOKEN, ID_TOKEN]);
  });

  test('takes the variable that is named, and the file', async () => {
    const file = join(home, 'token');
    writeFileSync(file, jwt('file'));
    const variable = { COUNTERSIGN_URL: service.url, GITLAB_CI: 'true', REVIEW_TOKEN: jwt('variable') };
    await run(['auth', 'exchange', '--id-token-variable', 'REVIEW_TOKEN'], { env: variable });
    await run(['auth', 'exchange'], { env: { COUNTERSIGN_URL: service.url, COUNTERSIGN_ID_TOKEN_FILE: file } });
    expect(forms().map(({ subject_token }) => subject_token)).toEqual([jwt('variable'), jwt('file')]);
  });

  test("exits 77 with the service's words, and 69 when nobody is there", async () => {
    service.follow(() => ({
      status: 400,
      body: { error: 'invalid_grant', error_description: 'no trust rule takes this token' },
    }));
    const refused = await run(['auth', 'exchange'], { env: gitLab() });
    expect(refused).toEqual({ code: 77, stdout: '', stderr: 'error: no trust rule takes this token\n' });
    const asJson = await run(['auth', 'exchange', '--json'], { env: gitLab() });
    expect(JSON.parse(asJson.stderr)).toMatchObject({ error: { kind: 'invalid_grant' } });
    service.follow(() => 'lost');
    const { code, stdout, stderr } = await run(['auth', 'exchange'], { env: gitLab() });
    expect({ code, stdout }).toEqual({ code: 69, stdout: '' });
    expect(stderr).not.toContain(ID_TOKEN);
  });
});

test('auth exchange gets a token of the service that is good for what the rule says, once', async () => {
  const real = await createListeningService();
  try {
    await real.makeWorkflow('codex-review', { allowed_scopes: ['codex:*'] });
    const identity = await makeIdentity('https://ci.acme.example');
    await real.client().trustRules.put('api', {
      issuer: identity.issuer,
      claims: { sub: 'api' },
      workflow: 'codex-review',
      scopes: ['codex:exec', 'codex:review'],
      expires_in_seconds: 60,
      jwks: identity.jwks,
    });
    const idToken = await identity.token(real.url, { sub: 'api' }, real.clock.now());
    const env = { COUNTERSIGN_URL: real.url, COUNTERSIGN_ID_TOKEN: idToken };
    const rule = `${real.owner.workspace.slug}/api`;
    const { code, stdout } = await run(['auth', 'exchange', '--rule', rule, '--scope', 'codex:exec'], { env });
    expect(code).toBe(0);
    const token = stdout.trim();
    expect(await real.client(token).introspect(token)).toMatchObject({
      active: true,
      workflow: 'codex-review',
      scope: 'codex:exec',
    });
    expect(await run(['auth', 'exchange'], { env })).toMatchObject({ code: 77, stdout: '' });
    const tooMuch = await identity.token(real.url, { sub: 'api' }, real.clock.now());
    const wide = await run(['auth', 'exchange', '--scope', 'codex:all', '--json'], {
      env: { ...env, COUNTERSIGN_ID_TOKEN: tooMuch },
    });
    expect(wide).toMatchObject({ code: 77, stdout: '' });
    expect(JSON.parse(wide.stderr)).toMatchObject({ error: { kind: 'invalid_scope' } });
  } finally {
    await real.close();
  }
});

describe('what cannot be exchanged is wrong usage: exit code 2, nobody is asked', () => {
  const here = () => ({ COUNTERSIGN_URL: service.url });
  const gitHub = (url: string) => ({
    ...here(),
    GITHUB_ACTIONS: 'true',
    ACTIONS_ID_TOKEN_REQUEST_URL: url,
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'the-request-token',
  });
  test.each<[title: string, env: () => Record<string, string>, flags: string[], said: string]>([
    ['no platform', here, [], 'no platform that is known'],
    ['an unknown platform', gitLab, ['--platform', 'jenkins'], '--platform wants one of github_actions, gitlab_ci'],
    ['GitHub Actions without the permission', () => ({ ...here(), GITHUB_ACTIONS: 'true' }), [], 'id-token: write'],
    ['a request URL of plain http', () => gitHub('http://pipelines.example/token'), [], 'is not an https URL'],
    ['a request URL with a password', () => gitHub('https://a:b@pipelines.example/token'), [], 'is not an https URL'],
    [
      'a request URL that looks like this machine',
      () => gitHub('http://127.0.0.1.evil.example/'),
      [],
      'not an https URL',
    ],
    ['a request URL that is none', () => gitHub('file:///etc/passwd'), [], 'is not an https URL'],
    ['GitLab CI without an id token', () => ({ ...here(), GITLAB_CI: 'true' }), [], 'id_tokens'],
    ['a variable and a file', () => ({ ...gitLab(), COUNTERSIGN_ID_TOKEN_FILE: '/x' }), [], 'are both set: keep one'],
    ['a rule without its workspace', gitLab, ['--rule', 'api'], '--rule wants WORKSPACE/RULE'],
    [
      'an audience that cannot be asked for',
      gitLab,
      ['--audience', 'https://a.example'],
      '--audience is for platforms',
    ],
    [
      'an audience of two lines',
      () => gitHub('https://a.example'),
      ['--audience', 'a\nb'],
      '--audience wants one word',
    ],
    ['a variable that has no name', gitLab, ['--id-token-variable', 'A=B'], '--id-token-variable wants the name'],
  ])('%s', async (_title, env, flags, said) => {
    for (const [words, end] of [
      [['auth', 'exchange'], []],
      [
        ['exec', '--federated', '--workflow', 'tests'],
        ['--', 'touch', trace],
      ],
    ] as const) {
      if (words[0] === 'auth' && said.startsWith('no platform')) continue;
      const { code, stdout, stderr } = await run([...words, ...flags, ...end], { env: env() });
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toContain(said);
      expect(stderr).not.toContain('the-request-token');
    }
    expect(service.received).toEqual([]);
    expect(existsSync(trace)).toBe(false);
  });

  test.each(['COUNTERSIGN_TOKEN', 'COUNTERSIGN_TOKEN_FILE'])('%s beside --federated', async (name) => {
    const env = { ...gitLab(), [name]: TOKEN };
    const { code, stderr } = await run(['exec', '--federated', '--workflow', 'tests', '--', 'touch', trace], { env });
    expect(code).toBe(2);
    expect(stderr).toContain(`${name} is set`);
    expect(stderr).not.toContain(TOKEN);
  });

  test.each([['--rule', 'acme/api'], ['--platform', 'buildkite'], ['--audience', 'x'], ['--keep-platform-token']])(
    '%s without --federated',
    async (...flags) => {
      const env = { COUNTERSIGN_URL: service.url, COUNTERSIGN_TOKEN: TOKEN };
      const { code, stderr } = await run(['exec', ...flags, '--workflow', 'tests', '--', 'touch', trace], { env });
      expect({ code, stderr }).toEqual({ code: 2, stderr: `error: ${flags[0]} goes with --federated\n` });
      expect(existsSync(trace)).toBe(false);
    },
  );
});
