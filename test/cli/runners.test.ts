import { chmodSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { newId, printId } from '../../src/rules/format.js';
import type { Enrolment, EnrolmentSummary, Runner } from '../../src/sdk/index.js';
import { removeTemporaryDirectories, temporaryDirectory } from './command-line.js';
import { commandLineHere } from './in-process.js';
import { ADA, looseToken, mintedResource } from './resources.js';
import { type Answer, problem, type Received, scriptedService } from './scripted-service.js';

const service = scriptedService();
const admin = looseToken().token;
afterAll(removeTemporaryDirectories);

const NOW = new Date('2026-03-02T09:00:00Z');
const SOON = new Date(Date.now() + 600_000).toISOString();
const RUNNER: Runner = {
  id: printId('rnr', newId('rnr', NOW)),
  name: 'build-1',
  labels: ['linux'],
  status: 'active',
  thumbprint: 'tHuMbPrInT',
  created_at: NOW.toISOString(),
  approved_by: { id: ADA.id, email: ADA.email, name: ADA.name },
  last_seen_at: null,
  token_id: looseToken().id,
  token_expires_at: '2026-05-31T09:00:00.000Z',
};
const ENROLMENT: Enrolment = {
  id: printId('enr', newId('enr', NOW)),
  user_code: 'WDJBM-JHTKX',
  verification_uri: 'http://127.0.0.1/runners/approve',
  expires_at: SOON,
  interval_seconds: 0,
  thumbprint: 'tHuMbPrInT',
};
const ASKING: EnrolmentSummary = {
  id: ENROLMENT.id,
  name: 'build-1',
  labels: ['linux'],
  ip: '192.0.2.7',
  thumbprint: 'tHuMbPrInT',
  created_at: NOW.toISOString(),
  expires_at: SOON,
};
const PENDING: Answer = { status: 202, body: { status: 'pending', interval_seconds: 0 } };

/** A host with a state directory of its own. */
function host() {
  const state = temporaryDirectory();
  const here = commandLineHere(temporaryDirectory());
  const run = (args: readonly string[], env: Record<string, string> = {}) =>
    here(args, { env: { COUNTERSIGN_URL: service.url, XDG_STATE_HOME: state, ...env } });
  const directory = join(state, 'countersign', 'runners');
  const file = () => join(directory, readdirSync(directory)[0] ?? '');
  return { run, file, stored: () => readFileSync(file(), 'utf8') };
}

/** A service that approves when it is asked for the third time, and gives this token. */
function approvesLate(token: string) {
  let asked = 0;
  service.follow(({ route }) => {
    if (route === 'POST /v1/runner-enrolments') return { status: 201, body: ENROLMENT };
    if (route === 'DELETE /v1/runners/self') return { status: 204 };
    if (route === 'GET /v1/runners/self') return { status: 200, body: RUNNER };
    asked += 1;
    if (asked === 2) return 'lost';
    if (asked < 3) return PENDING;
    return { status: 200, body: { runner: RUNNER, token, token_id: RUNNER.token_id, expires_at: SOON } };
  });
}

const claims = (sent: Received | undefined) =>
  JSON.parse(Buffer.from(String(sent?.headers['dpop']).split('.')[1] ?? '', 'base64url').toString());

describe('runner join', () => {
  test('keeps a key for this user alone, shows the code, and waits through a lost answer until it is approved', async () => {
    const { token } = looseToken();
    const { run, file, stored } = host();
    approvesLate(token);
    const outcome = await run(['runner', 'join', '--name', 'build-1', '--label', 'linux', 'gpu']);
    expect(outcome).toMatchObject({ code: 0, stdout: '' });
    expect(outcome.stderr).toContain('countersign runner approve WDJBM-JHTKX');
    expect(outcome.stderr).toContain('tHuMbPrInT');
    expect(outcome.stderr).not.toContain('█');
    expect(statSync(file()).mode & 0o777).toBe(0o600);
    expect(JSON.parse(stored())).toMatchObject({ url: service.url, runner: { id: RUNNER.id, name: 'build-1', token } });
    expect(outcome.stderr).not.toContain('cst_');
    const [enrolled, ...asked] = service.received;
    expect(JSON.parse(enrolled?.body ?? '')).toEqual({ name: 'build-1', labels: ['linux', 'gpu'] });
    expect(claims(enrolled)).toMatchObject({ htm: 'POST', htu: `${service.url}/v1/runner-enrolments` });
    expect(asked).toHaveLength(3);
    for (const one of service.received) expect(one.headers.authorization).toBeUndefined();
  });

  test('tells a program line by line', async () => {
    const { token } = looseToken();
    const { run, file } = host();
    approvesLate(token);
    const { code, stdout, stderr } = await run(['runner', 'join', '--json']);
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect([code, stderr]).toEqual([0, '']);
    expect(lines).toEqual([
      { event: 'waiting', ...ENROLMENT },
      { event: 'joined', runner: RUNNER, expires_at: SOON, file: file() },
    ]);
    expect(stdout).not.toContain(token);
  });

  test('ends when it is denied, with the key kept for another try, and joins once', async () => {
    const { run, stored } = host();
    const denied = problem(409, 'conflict', 'the enrolment was denied', { code: 'enrolment_state' });
    service.follow(({ route }) => (route.endsWith('/redeem') ? denied : { status: 201, body: ENROLMENT }));
    const outcome = await run(['runner', 'join', '--name', 'build-1']);
    expect(outcome).toMatchObject({ code: 1, stderr: expect.stringContaining('the enrolment was denied') });
    const { key } = JSON.parse(stored());
    approvesLate(looseToken().token);
    expect(await run(['runner', 'join', '--name', 'build-1'])).toMatchObject({ code: 0 });
    expect(JSON.parse(stored()).key).toEqual(key);
    expect(await run(['runner', 'join'])).toMatchObject({ code: 2, stderr: expect.stringContaining('already') });
  });

  test('uses no file that others can read', async () => {
    const { run, file } = host();
    approvesLate(looseToken().token);
    await run(['runner', 'join', '--name', 'build-1']);
    chmodSync(file(), 0o640);
    for (const args of [
      ['runner', 'status'],
      ['runner', 'join'],
      ['exec', '--workflow', 'w', '--', 'true'],
    ]) {
      const outcome = await run(args, { COUNTERSIGN_TOKEN: looseToken().token });
      expect(outcome).toMatchObject({ code: 2, stderr: expect.stringContaining('open to others') });
    }
  });
});

describe('on a host', () => {
  test('status asks as the runner, with a proof that names its token', async () => {
    const { run } = host();
    service.follow(() => problem(401, 'unauthenticated', 'the token is not valid'));
    expect(await run(['runner', 'status'])).toMatchObject({ code: 1, stderr: expect.stringContaining('runner join') });
    const { token } = looseToken();
    approvesLate(token);
    await run(['runner', 'join', '--name', 'build-1']);
    const status = await run(['runner', 'status']);
    expect(status).toMatchObject({ code: 0, stdout: expect.stringContaining('build-1') });
    const asked = service.received.at(-1);
    expect(asked?.headers.authorization).toBe(`DPoP ${token}`);
    expect(claims(asked).ath).toMatch(/^[\w-]{43}$/);
    service.follow(() => problem(401, 'unauthenticated', 'the token is not valid'));
    const refused = await run(['runner', 'status', '--json']);
    expect(refused.code).toBe(1);
    expect(JSON.parse(refused.stdout)).toMatchObject({ is_joined: true, is_trusted: false });
  });

  test('rotate keeps the new token before anything uses it', async () => {
    const { run, stored } = host();
    approvesLate(looseToken().token);
    await run(['runner', 'join', '--name', 'build-1']);
    const successor = mintedResource({ expires_at: '2026-09-01T00:00:00.000Z' });
    service.follow(() => ({ status: 201, body: successor }));
    const rotated = await run(['runner', 'rotate', '--expires-in-days', '30', '--json']);
    expect(rotated.code).toBe(0);
    expect(rotated.stdout).not.toContain(successor.token);
    expect(service.received.map(({ route }) => route)).toEqual(['POST /v1/tokens/self/rotate']);
    expect(JSON.parse(stored()).runner).toMatchObject({ token: successor.token, expires_at: successor.expires_at });
  });

  test('leave removes the runner, and the key when the service knows it no more', async () => {
    for (const answer of [{ status: 204 }, problem(401, 'unauthenticated', 'the token is not valid')]) {
      const { run, file } = host();
      approvesLate(looseToken().token);
      await run(['runner', 'join', '--name', 'build-1']);
      const path = file();
      service.follow(() => answer);
      expect(await run(['runner', 'leave'])).toMatchObject({ code: 0 });
      expect(() => statSync(path)).toThrow();
    }
  });

  test('leave keeps everything while the service is out of reach', async () => {
    const { run, file } = host();
    approvesLate(looseToken().token);
    await run(['runner', 'join', '--name', 'build-1']);
    service.follow(() => 'lost');
    expect(await run(['runner', 'leave'])).toMatchObject({ code: 69 });
    expect(statSync(file()).isFile()).toBe(true);
  });
});

describe('who may approve', () => {
  const run = (args: readonly string[]) =>
    commandLineHere(temporaryDirectory())(args, { env: { COUNTERSIGN_URL: service.url, COUNTERSIGN_TOKEN: admin } });
  const routes = () => service.received.map(({ route }) => route);

  test('sees what is approved before it is', async () => {
    service.follow(({ route }) =>
      route.endsWith('/lookup') ? { status: 200, body: ASKING } : { status: 201, body: RUNNER },
    );
    const outcome = await run([
      'runner',
      'approve',
      'wdjbmjhtkx',
      '--label',
      'gpu',
      '--expires-in-days',
      '30',
      '--yes',
    ]);
    expect(outcome).toMatchObject({ code: 0, stdout: '' });
    for (const said of ['build-1', 'gpu', '192.0.2.7', 'tHuMbPrInT']) expect(outcome.stderr).toContain(said);
    expect(routes()).toEqual(['POST /v1/runner-enrolments/lookup', 'POST /v1/runner-enrolments/approve']);
    expect(JSON.parse(service.received[1]?.body ?? '')).toEqual({
      user_code: 'wdjbmjhtkx',
      labels: ['gpu'],
      expires_in_days: 30,
    });
  });

  test('approves nothing unasked, where there is nobody to ask', async () => {
    service.follow(() => ({ status: 200, body: ASKING }));
    const outcome = await run(['runner', 'approve', 'WDJBM-JHTKX']);
    expect(outcome).toMatchObject({ code: 2, stderr: expect.stringContaining(ASKING.thumbprint) });
    expect(routes()).toEqual(['POST /v1/runner-enrolments/lookup']);
    expect(await run(['runner', 'approve', 'WDJBM-JHTKX', '--yes', '--expires-in-days', '8'])).toMatchObject({
      code: 2,
    });
  });

  test('learns that a code is none', async () => {
    const errors = [{ pointer: '#/user_code', detail: 'is not a code that waits' }];
    service.follow(() => problem(422, 'invalid', 'the request is not valid', { errors }));
    const outcome = await run(['runner', 'deny', 'XXXXX-XXXXX']);
    expect(outcome).toMatchObject({ code: 2, stderr: expect.stringContaining('is not a code that waits') });
    expect(routes()).toEqual(['POST /v1/runner-enrolments/lookup']);
  });

  test('lists, shows, changes, suspends, reactivates and removes by name or id', async () => {
    service.follow(({ route }) => {
      if (route === 'GET /v1/runners') return { status: 200, body: { data: [RUNNER], next_cursor: null } };
      return route.startsWith('DELETE') ? { status: 204 } : { status: 200, body: RUNNER };
    });
    expect((await run(['runner', 'list'])).stdout).toBe(
      `${RUNNER.id}\tbuild-1\tlinux\tactive\t\t2026-05-31T09:00:00.000Z\n`,
    );
    expect((await run(['runner', 'show', 'build-1'])).stdout).toContain('thumbprint\ttHuMbPrInT\n');
    for (const verb of ['suspend', 'reactivate', 'remove']) {
      expect(await run(['runner', verb, RUNNER.id])).toMatchObject({ code: 0, stdout: '' });
    }
    expect((await run(['runner', 'set', RUNNER.id, '--label', 'gpu', '--json'])).code).toBe(0);
    expect(await run(['runner', 'show', 'nobody'])).toMatchObject({ code: 1 });
    expect(routes()).toEqual([
      'GET /v1/runners',
      'GET /v1/runners',
      `GET /v1/runners/${RUNNER.id}`,
      `POST /v1/runners/${RUNNER.id}/suspend`,
      `POST /v1/runners/${RUNNER.id}/reactivate`,
      `DELETE /v1/runners/${RUNNER.id}`,
      `PATCH /v1/runners/${RUNNER.id}`,
      'GET /v1/runners',
    ]);
  });
});
