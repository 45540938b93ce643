import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { nextInterval } from '../../src/cli/device-login.js';
import { type DeviceAuthorization, ProblemError, UnreachableError } from '../../src/sdk/index.js';
import { removeTemporaryDirectories, temporaryDirectory } from './command-line.js';
import { commandLineHere } from './in-process.js';
import { ADA, looseToken, meResource } from './resources.js';
import { type Answer, problem, scriptedService } from './scripted-service.js';

const service = scriptedService();
afterAll(removeTemporaryDirectories);

const DEVICE_CODE = looseToken().token;
const PAGE = 'https://countersign.example/console/device';
const BEGUN: DeviceAuthorization = {
  device_code: DEVICE_CODE,
  user_code: 'WDJBM-JHTKX',
  verification_uri: PAGE,
  verification_uri_complete: `${PAGE}#WDJBM-JHTKX`,
  expires_in: 600,
  interval: 0,
};

const refusal = (error: string): Answer => ({ status: 400, body: { error, error_description: `it says ${error}` } });

/** A service that answers the polls one after the other, the last one again and again. */
function answers(token: string, ...polls: Answer[]) {
  let asked = 0;
  service.follow(({ route, headers }) => {
    if (route === 'POST /oauth2/device_authorization') return { status: 200, body: BEGUN };
    if (route === 'POST /oauth2/revoke') return { status: 200 };
    if (route === 'GET /v1/me') {
      const isRight = headers.authorization === `Bearer ${token}`;
      return isRight ? { status: 200, body: meResource() } : problem(401, 'unauthenticated', 'the token is not valid');
    }
    asked += 1;
    return polls[Math.min(asked, polls.length) - 1] ?? refusal('authorization_pending');
  });
}

const given = (token: string): Answer => ({
  status: 200,
  body: { access_token: token, token_type: 'Bearer', expires_in: 43_200, scope: 'workspace:admin' },
});

function user() {
  const home = temporaryDirectory();
  const here = commandLineHere(home);
  const run = (args: readonly string[], input = '') => here(args, { env: { COUNTERSIGN_URL: service.url }, input });
  const file = join(home, 'config', 'countersign', 'login.json');
  return { run, stored: async () => JSON.parse(await readFile(file, 'utf8')) };
}

const sent = (route: string) => service.received.filter((one) => one.route === route);

describe('auth login', () => {
  test('shows a code and where to type it, waits through a lost answer, and stores what it gets', async () => {
    const { token } = looseToken();
    answers(token, refusal('authorization_pending'), 'lost', given(token));
    const { run, stored } = user();
    const outcome = await run(['auth', 'login']);
    expect(outcome).toMatchObject({ code: 0, stdout: '', stderr: expect.stringContaining('WDJBM-JHTKX') });
    expect(outcome.stderr).toContain(PAGE);
    expect(outcome.stderr).toContain(ADA.email);
    expect(outcome.stderr).toContain(meResource().token.expires_at);
    expect(outcome.stderr).not.toMatch(/cst_|█/);
    expect((await stored()).logins[service.url]).toEqual({ token, via: 'device', workspace: 'acme' });
    const [begun] = sent('POST /oauth2/device_authorization');
    expect(Object.fromEntries(new URLSearchParams(begun?.body))).toEqual({
      client_id: 'countersign-cli',
      client_name: expect.any(String),
    });
    expect(sent('POST /oauth2/token')).toHaveLength(3);
    expect(await run(['auth', 'status'])).toMatchObject({ code: 0, stdout: expect.stringContaining('expires') });
  });

  test('tells a program line by line, and never the device code or the token', async () => {
    const { token } = looseToken();
    answers(token, given(token));
    const { code, stdout, stderr } = await user().run(['auth', 'login', '--json']);
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const { device_code: _, ...shown } = BEGUN;
    expect([code, stderr]).toEqual([0, '']);
    expect(lines).toEqual([
      { event: 'waiting', url: service.url, ...shown },
      expect.objectContaining({ event: 'signed_in', url: service.url, email: ADA.email, workspace: 'acme' }),
    ]);
    expect(stdout).not.toContain('cst_');
  });

  test.for([
    ['access_denied', 77],
    ['expired_token', 1],
    ['invalid_grant', 1],
  ] as const)('ends with %s, exit %d, and stores nothing', async ([error, code]) => {
    answers('none', refusal(error));
    const { run, stored } = user();
    const outcome = await run(['auth', 'login']);
    expect(outcome).toMatchObject({ code, stderr: expect.stringContaining(`it says ${error}`) });
    expect(outcome.stderr).toContain('Start anew');
    await expect(stored()).rejects.toThrow('ENOENT');
  });

  test('says what to do where nobody can sign in on the pages', async () => {
    for (const answer of [refusal('access_denied'), problem(404, 'not-found', 'nothing is here')]) {
      service.follow(() => answer);
      const outcome = await user().run(['auth', 'login']);
      expect(outcome.stderr).toContain('auth login --with-token');
      expect(outcome.stderr).toContain('member recover');
    }
  });

  test('shows what a service says of itself as plain text', async () => {
    const { token } = looseToken();
    answers(token, given(token));
    const hostile = { ...BEGUN, user_code: 'A\u001b[2J', verification_uri: 'https://x/\u202e' };
    service.follow(({ route }) =>
      route === 'POST /oauth2/device_authorization' ? { status: 200, body: hostile } : refusal('access_denied'),
    );
    expect((await user().run(['auth', 'login'])).stderr).not.toMatch(/\u001b\[2J|\u202e/);
  });
});

describe('the interval', () => {
  const refused = (kind: string, status = 400, retryAfterSeconds?: number) =>
    new ProblemError({ kind, status, detail: kind, retryAfterSeconds });

  test('stays while nobody has decided, and grows by five seconds with slow_down', () => {
    expect(nextInterval(refused('authorization_pending'), 5)).toBe(5);
    expect(nextInterval(refused('slow_down'), 5)).toBe(10);
    expect(nextInterval(refused('slow_down'), 10)).toBe(15);
  });

  test('doubles while the service is out of reach, up to a minute, and is never less than it asks for', () => {
    expect(nextInterval(new UnreachableError('gone'), 5)).toBe(10);
    expect(nextInterval(new UnreachableError('gone'), 40)).toBe(60);
    expect(nextInterval(refused('temporarily_unavailable', 429, 90), 5)).toBe(90);
  });

  test('ends with anything else', () => {
    expect(() => nextInterval(refused('access_denied'), 5)).toThrow('Start anew');
    expect(() => nextInterval(new TypeError('what?'), 5)).toThrow('what?');
  });
});

describe('auth logout', () => {
  async function signedIn() {
    const { token } = looseToken();
    answers(token, given(token));
    const { run } = user();
    await run(['auth', 'login']);
    return { run, token };
  }

  test('revokes a token that was made for the login', async () => {
    const { run, token } = await signedIn();
    const outcome = await run(['auth', 'logout', '--json']);
    const said = { url: service.url, was_signed_in: true, is_revoked: true };
    expect(outcome).toMatchObject({ code: 0, stdout: `${JSON.stringify(said)}\n` });
    expect(sent('POST /oauth2/revoke').map(({ body }) => body)).toEqual([`token=${token}`]);
    expect(await run(['auth', 'token'])).toMatchObject({ code: 77 });
  });

  test('keeps it with --keep', async () => {
    const { run } = await signedIn();
    const outcome = await run(['auth', 'logout', '--keep']);
    expect(outcome).toMatchObject({ code: 0, stderr: expect.stringContaining('stays valid') });
    expect(sent('POST /oauth2/revoke')).toEqual([]);
  });

  test('says so when it could not be revoked, and forgets the login all the same', async () => {
    const { run } = await signedIn();
    service.follow(() => 'lost');
    const outcome = await run(['auth', 'logout']);
    expect(outcome).toMatchObject({ code: 69, stderr: expect.stringContaining('could not be revoked') });
    expect(await run(['auth', 'token'])).toMatchObject({ code: 77 });
  });

  test('leaves a token alone that was brought', async () => {
    const { token } = looseToken();
    answers(token);
    const { run } = user();
    await run(['auth', 'login', '--with-token'], token);
    expect(await run(['auth', 'logout'])).toMatchObject({ code: 0 });
    expect(sent('POST /oauth2/revoke')).toEqual([]);
  });
});
