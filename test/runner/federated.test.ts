import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'vitest';
import { type FederatedGuardOptions, runFederatedGuard } from '../../src/runner/federated-guard.js';
import { ID_TOKEN_VARIABLES, idTokenSource, type SourceOptions } from '../../src/runner/id-token-source.js';
import { EXCHANGE_LIES, jwt, PLATFORM_LIES, PLATFORM_REFUSALS } from './exchange-faults.js';
import { ground, Sink, UNLESS_SAID } from './harness.js';
import { json, oauthError, problem, type ScriptedService, TOKEN } from './scripted-service.js';
import { FAULTS, REFUSALS } from './service-faults.js';

const REQUEST_TOKEN = 'the-request-token-of-this-job';
type Variables = Readonly<Record<string, string>>;

/** A guard over a scripted service, on the platform that the variables are of. */
function federated(
  service: ScriptedService,
  variables: Variables,
  { command, ...over }: Partial<FederatedGuardOptions> & Pick<FederatedGuardOptions, 'command'>,
  options: Partial<SourceOptions> = {},
) {
  const env = { PATH: process.env['PATH'], ...variables };
  const source = idTokenSource(env, { platform: undefined, variable: undefined, timeoutSeconds: 5, ...options });
  if (source.platform === undefined) throw new Error(source.fault);
  const stdout = new Sink();
  const stderr = new Sink();
  const exitCode = runFederatedGuard(
    {
      url: service.url,
      source,
      audience: undefined,
      rule: undefined,
      exchangeTimeoutSeconds: 5,
      workflow: 'tests',
      scopes: ['codex:exec'],
      context: {},
      command,
      env,
      hiddenVariables: ID_TOKEN_VARIABLES,
      ...UNLESS_SAID,
      ...over,
    },
    { stdout, stderr },
  );
  return { stdout, stderr, exitCode };
}

/** A token endpoint of GitHub Actions, which gives `jwt('1')`, `jwt('2')` and so on unless it is told otherwise. */
async function gitHub(onTestFinished: TestContext['onTestFinished']) {
  const asked: { url: string; authorization: string | undefined }[] = [];
  const server = createServer((request, response) => {
    asked.push({ url: request.url ?? '', authorization: request.headers.authorization });
    endpoint.answer(response, asked.length);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/idtoken?api-version=2.0`;
  const endpoint = {
    asked,
    answer: (response: ServerResponse, n: number) => json(response, 200, { count: 1, value: jwt(String(n)) }),
    variables: {
      GITHUB_ACTIONS: 'true',
      ACTIONS_ID_TOKEN_REQUEST_URL: url,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: REQUEST_TOKEN,
    },
  };
  return endpoint;
}

/** A directory of the `PATH` with a Buildkite agent that is a script. */
function buildkiteAgent(directory: string, script: string): Variables {
  const path = join(directory, 'buildkite-agent');
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  const access = 'the-access-token-of-the-agent';
  return { BUILDKITE: 'true', BUILDKITE_AGENT_ACCESS_TOKEN: access, PATH: `${directory}:${process.env['PATH']}` };
}

const exchanges = (service: ScriptedService) => service.calls.filter(({ path }) => path === '/oauth2/token');
const checks = (service: ScriptedService) => service.calls.filter(({ path }) => path === '/v1/exec/checks');
const NOTHING = /^countersign: nothing was started: .+\n$/;

describe.concurrent('an exchange with a fault: nothing starts', () => {
  test.for(FAULTS)('the exchange, $title: 69', async ({ answer }, { expect, onTestFinished }) => {
    const { service, elsewhere, trace } = await ground(onTestFinished);
    const { variables } = await gitHub(onTestFinished);
    service.exchange = (response) => answer(response, elsewhere.url);
    const short = { audience: 'https://a.example', exchangeTimeoutSeconds: 0.4 };
    const run = federated(service, variables, { command: ['touch', trace], ...short });
    expect({ code: await run.exitCode, hasStarted: existsSync(trace) }).toEqual({ code: 69, hasStarted: false });
    expect(run.stderr.text).toMatch(NOTHING);
    // One token is good once: each try has its own.
    const tokens = exchanges(service).map(({ body }) => Object(body).subject_token);
    expect(tokens).toEqual([jwt('1'), jwt('2'), jwt('3')]);
    expect([...elsewhere.calls, ...checks(service)]).toEqual([]);
  });

  test.for(FAULTS)('the platform, $title: 69', async ({ answer }, { expect, onTestFinished }) => {
    const { service, elsewhere, trace } = await ground(onTestFinished);
    const platform = await gitHub(onTestFinished);
    platform.answer = (response) => answer(response, elsewhere.url);
    const run = federated(service, platform.variables, { command: ['touch', trace] }, { timeoutSeconds: 0.4 });
    expect({ code: await run.exitCode, hasStarted: existsSync(trace) }).toEqual({ code: 69, hasStarted: false });
    expect(run.stderr.text).toMatch(NOTHING);
    expect(run.stderr.text).not.toContain(REQUEST_TOKEN);
    expect([...elsewhere.calls, ...exchanges(service)]).toEqual([]);
  });

  test.for(EXCHANGE_LIES)('the exchange, %s: 69', async ([, body], { expect, onTestFinished }) => {
    const { service, trace } = await ground(onTestFinished);
    const { variables } = await gitHub(onTestFinished);
    service.exchange = (response) => json(response, 200, body);
    const run = federated(service, variables, { command: ['touch', trace] });
    expect({ code: await run.exitCode, hasStarted: existsSync(trace) }).toEqual({ code: 69, hasStarted: false });
    expect(run.stderr.text).toMatch(NOTHING);
    expect(checks(service)).toEqual([]);
  });

  test.for(PLATFORM_LIES)('the platform, %s: 69', async ([, answer], { expect, onTestFinished }) => {
    const { service, trace } = await ground(onTestFinished);
    const platform = await gitHub(onTestFinished);
    platform.answer = answer;
    const run = federated(service, platform.variables, { command: ['touch', trace] });
    expect({ code: await run.exitCode, hasStarted: existsSync(trace) }).toEqual({ code: 69, hasStarted: false });
    expect(exchanges(service)).toEqual([]);
  });

  test.for(PLATFORM_REFUSALS)('the platform, %i: 69', async (status, { expect, onTestFinished }) => {
    const { service, trace } = await ground(onTestFinished);
    const platform = await gitHub(onTestFinished);
    platform.answer = (response) => json(response, status, { message: `not for ${REQUEST_TOKEN}` });
    const run = federated(service, platform.variables, { command: ['touch', trace] });
    expect({ code: await run.exitCode, hasStarted: existsSync(trace) }).toEqual({ code: 69, hasStarted: false });
    expect(run.stderr.text).toContain(`answered with ${status}`);
    expect(run.stderr.text).not.toContain(REQUEST_TOKEN);
  });

  test.for(REFUSALS)('the exchange, %i: 77', async (status, { expect, onTestFinished }) => {
    const { service, trace } = await ground(onTestFinished);
    const { variables } = await gitHub(onTestFinished);
    service.exchange = (response) => oauthError(response, status, 'invalid_grant', 'no trust rule takes this token');
    const statusFile = `${trace}.json`;
    const run = federated(service, variables, { command: ['touch', trace], statusFile });
    expect({ code: await run.exitCode, hasStarted: existsSync(trace) }).toEqual({ code: 77, hasStarted: false });
    expect(run.stderr.text).toBe('countersign: refused (invalid_grant): no trust rule takes this token\n');
    expect(JSON.parse(readFileSync(statusFile, 'utf8'))).toMatchObject({ verdict: 'refused', guard_exit_code: 77 });
    expect(exchanges(service)).toHaveLength(1);
  });

  test('the exchange, 503 while the keys of the platform cannot be asked for: tried again, then 69', async ({
    expect,
    onTestFinished,
  }) => {
    const { service, trace } = await ground(onTestFinished);
    const { variables } = await gitHub(onTestFinished);
    service.exchange = (response) => {
      response.setHeader('retry-after', '1');
      oauthError(response, 503, 'temporarily_unavailable', 'the keys of the issuer cannot be asked for');
    };
    const run = federated(service, variables, { command: ['touch', trace] });
    expect({ code: await run.exitCode, hasStarted: existsSync(trace) }).toEqual({ code: 69, hasStarted: false });
    expect(run.stderr.text).toContain('the keys of the issuer cannot be asked for');
    expect(exchanges(service)).toHaveLength(3);
  });

  test('a service that gives the token back in its refusal: it is not shown', async ({ expect, onTestFinished }) => {
    const { service, trace } = await ground(onTestFinished);
    const { variables } = await gitHub(onTestFinished);
    service.exchange = (response, call) => {
      const token = Object(call.body).subject_token;
      oauthError(response, 400, `no_${token}`, `I do not know ${token}, for ${REQUEST_TOKEN}\nor ${TOKEN}`);
    };
    const statusFile = `${trace}.json`;
    const { exitCode, stderr } = federated(service, variables, { command: ['true'], statusFile, isJson: true });
    expect(await exitCode).toBe(77);
    for (const text of [stderr.text, readFileSync(statusFile, 'utf8')]) {
      expect(text).toContain('I do not know');
      for (const secret of [jwt('1').split('.')[2], REQUEST_TOKEN, TOKEN.slice(27)]) expect(text).not.toContain(secret);
    }
  });

  test('the service is of before there were exchanges: 77', async ({ expect, onTestFinished }) => {
    const { service, trace } = await ground(onTestFinished);
    const { variables } = await gitHub(onTestFinished);
    service.exchange = (response) => problem(response, 404, 'not-found');
    expect(await federated(service, variables, { command: ['touch', trace] }).exitCode).toBe(77);
    expect(existsSync(trace)).toBe(false);
  });
});

describe.concurrent('an exchange whose answer is lost', () => {
  test('is made again with a fresh token of the platform, and the command runs', async (context) => {
    const { expect, onTestFinished } = context;
    const { service, checkId } = await ground(onTestFinished);
    const { variables } = await gitHub(onTestFinished);
    const exchange = service.exchange;
    service.exchange = (response, call) =>
      Object(call.body).subject_token === jwt('1') ? void response.destroy() : exchange(response, call);
    const run = federated(service, variables, { command: ['sh', '-c', 'echo $COUNTERSIGN_CHECK_ID'] });
    expect(await run.exitCode).toBe(0);
    expect(run.stdout.text).toBe(`${checkId}\n`);
    expect(exchanges(service)).toHaveLength(2);
  });

  test('is no refusal where the platform has one token only: 69', async ({ expect, onTestFinished }) => {
    const { service, trace } = await ground(onTestFinished);
    service.exchange = (response) =>
      exchanges(service).length === 1
        ? void response.destroy()
        : oauthError(response, 400, 'invalid_grant', 'the token was exchanged already');
    const run = federated(
      service,
      { GITLAB_CI: 'true', COUNTERSIGN_ID_TOKEN: jwt('job') },
      { command: ['touch', trace] },
    );
    expect({ code: await run.exitCode, hasStarted: existsSync(trace) }).toEqual({ code: 69, hasStarted: false });
    expect(run.stderr.text).toMatch(/lost the connection .+ run the job again\n$/);
  });
});

describe.concurrent('the token of each platform', () => {
  test('GitHub Actions is asked for one for the service, with the request token in a header', async (context) => {
    const { expect, onTestFinished } = context;
    const { service } = await ground(onTestFinished);
    const { asked, variables } = await gitHub(onTestFinished);
    const run = federated(service, variables, { command: ['true'], rule: 'acme/api-main' });
    expect(await run.exitCode).toBe(0);
    const audience = encodeURIComponent(service.url);
    expect(asked).toEqual([
      { url: `/idtoken?api-version=2.0&audience=${audience}`, authorization: `Bearer ${REQUEST_TOKEN}` },
    ]);
    const [exchange] = exchanges(service);
    expect(exchange?.headers.authorization).toBeUndefined();
    expect(exchange?.body).toEqual({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: jwt('1'),
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      audience: 'acme/api-main',
      scope: 'codex:exec',
    });
    expect(checks(service)[0]?.headers.authorization).toBe(`Bearer ${TOKEN}`);
  });

  test('GitHub Actions tells the environment of a job in its token, and a flag says something else', async (context) => {
    const { expect, onTestFinished } = context;
    const { service } = await ground(onTestFinished);
    const platform = await gitHub(onTestFinished);
    platform.answer = (response) => json(response, 200, { value: jwt('job', { environment: 'production' }) });
    for (const said of [{}, { environment: 'staging' }]) {
      const run = federated(service, platform.variables, { command: ['true'], context: said });
      expect(await run.exitCode).toBe(0);
    }
    const environments = checks(service).map(({ body }) => Object(body).context.environment);
    expect(environments).toEqual(['production', 'staging']);
  });

  test('the Buildkite agent is called with the audience as an argument of its own', async (context) => {
    const { expect, onTestFinished } = context;
    const { service, directory } = await ground(onTestFinished);
    const script = `printf '%s\\n' "$@" >'${directory}/args'; env >'${directory}/env'; echo '${jwt('job')}'`;
    const variables = { ...buildkiteAgent(directory, script), COUNTERSIGN_TOKEN: '' };
    const run = federated(service, variables, { command: ['true'], audience: '--help; touch pwned' });
    expect(await run.exitCode).toBe(0);
    expect(readFileSync(join(directory, 'args'), 'utf8')).toBe(
      'oidc\nrequest-token\n--audience\n--help; touch pwned\n',
    );
    expect(readFileSync(join(directory, 'env'), 'utf8')).toContain('BUILDKITE_AGENT_ACCESS_TOKEN=');
    expect(exchanges(service)[0]?.body).toMatchObject({ subject_token: jwt('job') });
  });

  test.for([
    ['exits with an error', 'echo "no access for $BUILDKITE_AGENT_ACCESS_TOKEN" >&2; exit 1', 'it exited with 1'],
    ['hangs', 'exec sleep 1000', 'no token within 0.4 s'],
    ['gives nothing', 'true', 'is empty'],
    ['gives an error page', 'echo "<html>"', 'is no JSON Web Token'],
    ['has no end', 'exec cat /dev/zero', 'more than a token'],
    ['is killed', 'kill -9 $$', 'gave no token'],
  ] as const)('a Buildkite agent that %s: 69, nothing starts', async ([, script, said], context) => {
    const { expect, onTestFinished } = context;
    const { service, directory, trace } = await ground(onTestFinished);
    const variables = buildkiteAgent(directory, script);
    const run = federated(service, variables, { command: ['touch', trace] }, { timeoutSeconds: 0.4 });
    expect({ code: await run.exitCode, hasStarted: existsSync(trace) }).toEqual({ code: 69, hasStarted: false });
    expect(run.stderr.text).toContain(said);
    expect(run.stderr.text).not.toContain('the-access-token');
    expect(exchanges(service)).toEqual([]);
  });

  test('an agent by a relative entry of the PATH, which a checkout may bring, is none', async (context) => {
    const { expect, onTestFinished } = context;
    const { service, directory, trace } = await ground(onTestFinished);
    const variables = { ...buildkiteAgent(directory, `touch '${directory}/ran'`), PATH: `.:bin:` };
    const run = federated(service, variables, { command: ['/usr/bin/touch', trace], audience: 'https://a.example' });
    expect(await run.exitCode).toBe(69);
    expect(run.stderr.text).toContain('there is no buildkite-agent on the PATH');
    expect([existsSync(trace), existsSync(join(directory, 'ran'))]).toEqual([false, false]);
  });

  test('a service account of Kubernetes has its token in a file, which is read anew each time', async (context) => {
    const { expect, onTestFinished } = context;
    const { service, directory } = await ground(onTestFinished);
    const file = join(directory, 'token');
    writeFileSync(file, `${jwt('1')}\n`);
    const exchange = service.exchange;
    service.exchange = (response, call) => {
      if (exchanges(service).length > 1) return exchange(response, call);
      // As the kubelet does it, between two tries.
      writeFileSync(file, `${jwt('2')}\n`);
      problem(response, 503, 'unavailable');
    };
    const options = { platform: 'kubernetes' } as const;
    const run = federated(service, { COUNTERSIGN_ID_TOKEN_FILE: file }, { command: ['true'] }, options);
    expect(await run.exitCode).toBe(0);
    expect(exchanges(service).map(({ body }) => Object(body).subject_token)).toEqual([jwt('1'), jwt('2')]);
  });

  test.for([
    ['is not there', undefined, 'cannot be read (ENOENT)'],
    ['is empty', '', 'is empty'],
    ['is huge', 'x'.repeat(1_000_000), 'holds more than a token'],
    ['holds something else', '{"token":"x"}', 'is no JSON Web Token'],
  ] as const)('a file that %s: 69, nothing starts', async ([, content, said], { expect, onTestFinished }) => {
    const { service, directory, trace } = await ground(onTestFinished);
    const file = join(directory, 'token');
    if (content !== undefined) writeFileSync(file, content);
    const run = federated(service, { COUNTERSIGN_ID_TOKEN_FILE: file }, { command: ['touch', trace] });
    expect({ code: await run.exitCode, hasStarted: existsSync(trace) }).toEqual({ code: 69, hasStarted: false });
    expect(run.stderr.text).toContain(said);
  });
});

describe.concurrent('for whom the token of the platform is', () => {
  test('a service that calls itself something else gets none: 69', async ({ expect, onTestFinished }) => {
    const { service, trace } = await ground(onTestFinished);
    const { asked, variables } = await gitHub(onTestFinished);
    for (const issuer of ['sts.amazonaws.com', 'https://countersign.example', `${service.url}.evil.example`]) {
      service.metadata = (response) => json(response, 200, { issuer });
      const run = federated(service, variables, { command: ['touch', trace] });
      expect(await run.exitCode).toBe(69);
      expect(run.stderr.text).toContain(`calls itself ${issuer}`);
    }
    expect([...asked, ...exchanges(service)]).toEqual([]);
    expect(existsSync(trace)).toBe(false);
  });

  test('a service that tells nothing of itself gets none: 69', async ({ expect, onTestFinished }) => {
    const { service, trace } = await ground(onTestFinished);
    const { asked, variables } = await gitHub(onTestFinished);
    service.metadata = (response) => json(response, 200, {});
    expect(await federated(service, variables, { command: ['touch', trace] }).exitCode).toBe(69);
    expect(asked).toEqual([]);
  });

  test('is said with --audience, and then nobody is asked', async ({ expect, onTestFinished }) => {
    const { service } = await ground(onTestFinished);
    const { asked, variables } = await gitHub(onTestFinished);
    service.metadata = (response) => problem(response, 404, 'not-found');
    const run = federated(service, variables, { command: ['true'], audience: 'https://public.example/a b' });
    expect(await run.exitCode).toBe(0);
    expect(asked[0]?.url).toContain('&audience=https%3A%2F%2Fpublic.example%2Fa%20b');
  });
});

describe.concurrent('what the command sees', () => {
  const everything = Object.fromEntries(ID_TOKEN_VARIABLES.map((name) => [name, `the value of ${name}`]));

  test('is none of what gives tokens of the platform', async ({ expect, onTestFinished }) => {
    const { service } = await ground(onTestFinished);
    const { variables } = await gitHub(onTestFinished);
    const env = { ...everything, ...variables, PATH: process.env['PATH'], KEPT: 'kept' };
    const run = federated(service, variables, { command: ['env'], env });
    expect(await run.exitCode).toBe(0);
    expect(run.stdout.text).toContain('KEPT=kept\n');
    expect(run.stdout.text).toContain('GITHUB_ACTIONS=true\n');
    for (const name of ID_TOKEN_VARIABLES) expect(run.stdout.text).not.toContain(name);
    expect(run.stdout.text).not.toContain(TOKEN.slice(27));
  });

  test('is all of it when it is to keep it, and masked in what it says', async ({ expect, onTestFinished }) => {
    const { service, directory } = await ground(onTestFinished);
    const { variables } = await gitHub(onTestFinished);
    const file = join(directory, 'token');
    writeFileSync(file, jwt('1'));
    const script = 'env; cat "$0"; base64 -w0 "$0"; printf "%s" "$HANDED" | base64 -w0';
    const run = federated(service, variables, {
      command: ['sh', '-c', script, file],
      hiddenVariables: [],
      passTokenAs: 'HANDED',
    });
    expect(await run.exitCode).toBe(0);
    expect(run.stdout.text).toContain('ACTIONS_ID_TOKEN_REQUEST_TOKEN=***\n');
    expect(run.stdout.text).toMatch(/HANDED=cst_\w{22}_\*\*\*\n/);
    for (const secret of [REQUEST_TOKEN, TOKEN.slice(27), jwt('1').split('.')[2] ?? '']) {
      expect(run.stdout.text).not.toContain(secret);
      expect(run.stdout.text).not.toContain(Buffer.from(secret.slice(3, 60)).toString('base64').slice(0, 50));
    }
  });

  test('a token of the platform among its arguments is not on record', async ({ expect, onTestFinished }) => {
    const { service } = await ground(onTestFinished);
    const variables = { GITLAB_CI: 'true', COUNTERSIGN_ID_TOKEN: jwt('job') };
    const run = federated(service, variables, { command: ['true', 'a'.repeat(3900), jwt('job')] });
    expect(await run.exitCode).toBe(0);
    const { command } = Object(Object(checks(service)[0]?.body).context);
    expect(command).toMatch(/^true a+ ey[\w-]+\.[\w-]+\.\*\*\*$/);
  });
});
