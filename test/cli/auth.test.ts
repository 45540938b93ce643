import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryDirectory } from './command-line.js';
import { commandLineHere } from './in-process.js';
import { ADA, looseToken, meResource } from './resources.js';
import { problem, scriptedService } from './scripted-service.js';

const service = scriptedService();
const { token } = looseToken();
const answerMe = () =>
  service.follow(({ headers }) =>
    headers.authorization === `Bearer ${token}`
      ? { status: 200, body: meResource() }
      : problem(401, 'unauthenticated', 'the token is not valid'),
  );

function user() {
  const home = temporaryDirectory();
  return { run: commandLineHere(home), directory: join(home, 'config', 'countersign') };
}

describe('auth login --with-token', () => {
  test('tries the token, then stores it for its user alone', async () => {
    answerMe();
    const { run, directory } = user();
    const login = await run(['auth', 'login', '--with-token'], {
      env: { COUNTERSIGN_URL: `${service.url}/` },
      input: `${token}\n`,
    });
    expect(login).toMatchObject({ code: 0, stdout: '', stderr: expect.stringContaining(ADA.email) });
    expect(login.stderr).not.toContain(token);
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    expect((await stat(join(directory, 'login.json'))).mode & 0o777).toBe(0o600);
    expect(await readdir(directory)).toEqual(['login.json']);
    // From now on the login names the service, too.
    expect(await run(['whoami'])).toMatchObject({ code: 0, stdout: expect.stringContaining(ADA.id) });
    expect(await run(['auth', 'token'])).toMatchObject({ code: 0, stdout: `${token}\n` });
    expect(await run(['auth', 'status'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('the stored login'),
    });
  });

  test('stores nothing when the service refuses', async () => {
    answerMe();
    const { run, directory } = user();
    const env = { COUNTERSIGN_URL: service.url };
    const login = await run(['auth', 'login', '--with-token'], { env, input: looseToken().token });
    expect(login).toMatchObject({ code: 77, stdout: '' });
    await expect(stat(directory)).rejects.toThrow('ENOENT');
    expect(await run(['auth', 'status'], { env })).toMatchObject({ code: 1 });
    expect(await run(['whoami'], { env })).toMatchObject({ code: 77 });
  });

  test('refuses an empty input, and what no header can carry without repeating it', async () => {
    const { run } = user();
    expect(await run(['auth', 'login', '--with-token'])).toMatchObject({ code: 2 });
    const two = await run(['auth', 'login', '--with-token'], { input: 'secret\nsecret' });
    expect(two).toMatchObject({ code: 2, stderr: expect.not.stringContaining('secret\n') });
  });

  test('keeps a login for each service; logout forgets one', async () => {
    answerMe();
    const { run, directory } = user();
    const path = `${service.url}/second`;
    for (const url of [path, service.url]) {
      service.follow(() => ({ status: 200, body: meResource() }));
      await run(['auth', 'login', '--with-token'], { env: { COUNTERSIGN_URL: url }, input: token });
    }
    const stored = JSON.parse(await readFile(join(directory, 'login.json'), 'utf8'));
    expect(Object.keys(stored.logins).sort()).toEqual([service.url, path].sort());
    expect(await run(['auth', 'logout', '--json'])).toMatchObject({
      code: 0,
      stdout: `${JSON.stringify({ url: service.url, was_signed_in: true })}\n`,
    });
    expect(await run(['auth', 'token'], { env: { COUNTERSIGN_URL: path } })).toMatchObject({ code: 0 });
    expect(await run(['auth', 'token'], { env: { COUNTERSIGN_URL: service.url } })).toMatchObject({ code: 77 });
    await run(['auth', 'logout'], { env: { COUNTERSIGN_URL: path } });
    expect(await readdir(directory)).toEqual([]);
  });
});

describe('a stored login', () => {
  test('that others can read is not used', async () => {
    answerMe();
    const { run, directory } = user();
    await run(['auth', 'login', '--with-token'], { env: { COUNTERSIGN_URL: service.url }, input: token });
    await chmod(join(directory, 'login.json'), 0o644);
    expect(await run(['whoami'])).toMatchObject({ code: 2, stderr: expect.stringContaining('chmod 600') });
  });

  test('that is damaged is named', async () => {
    answerMe();
    const { run, directory } = user();
    await run(['auth', 'login', '--with-token'], { env: { COUNTERSIGN_URL: service.url }, input: token });
    await writeFile(join(directory, 'login.json'), '{"logins"');
    expect(await run(['whoami'])).toMatchObject({ code: 2, stderr: expect.stringContaining('damaged') });
  });

  test('yields to the environment', async () => {
    const { run } = user();
    const other = looseToken().token;
    answerMe();
    await run(['auth', 'login', '--with-token'], { env: { COUNTERSIGN_URL: service.url }, input: token });
    const outcome = await run(['whoami'], { env: { COUNTERSIGN_TOKEN: other } });
    expect(outcome).toMatchObject({ code: 77 });
    expect(service.received.at(-1)?.headers.authorization).toBe(`Bearer ${other}`);
  });
});

describe('the environment', () => {
  test('gives a token by a file', async () => {
    answerMe();
    const home = temporaryDirectory();
    const file = join(home, 'owner.token');
    await writeFile(file, `${token}\n`);
    const env = { COUNTERSIGN_URL: service.url, COUNTERSIGN_TOKEN_FILE: file };
    expect(await commandLineHere(home)(['whoami'], { env })).toMatchObject({ code: 0 });
  });

  test.for([
    [{ COUNTERSIGN_TOKEN: 'a', COUNTERSIGN_TOKEN_FILE: 'b' }, /COUNTERSIGN_TOKEN and COUNTERSIGN_TOKEN_FILE/],
    [{ COUNTERSIGN_TOKEN: '' }, /COUNTERSIGN_TOKEN is empty/],
    [{ COUNTERSIGN_TOKEN: 'two words' }, /COUNTERSIGN_TOKEN does not hold a token/],
    [{ COUNTERSIGN_TOKEN_FILE: '/absent' }, /COUNTERSIGN_TOKEN_FILE names \/absent/],
    [{ COUNTERSIGN_URL: 'ftp://x', COUNTERSIGN_TOKEN: 'a' }, /COUNTERSIGN_URL is not/],
    [{ COUNTERSIGN_URL: 'https://ada:pw@x', COUNTERSIGN_TOKEN: 'a' }, /must not hold a user name/],
    [{ COUNTERSIGN_URL: 'http://countersign.example', COUNTERSIGN_TOKEN: 'a' }, /use https/],
    [{ COUNTERSIGN_URL: 'http://127.0.0.1.example', COUNTERSIGN_TOKEN: 'a' }, /use https/],
  ] as const)('that cannot be meant is a usage error: %j', async ([env, said]) => {
    const outcome = await user().run(['whoami'], { env });
    expect(outcome).toMatchObject({ code: 2, stdout: '' });
    expect(outcome.stderr).toMatch(said);
    expect(outcome.stderr).not.toContain('pw');
  });

  test('without a token, and without a login, is not signed in', async () => {
    const { run } = user();
    expect(await run(['whoami'])).toMatchObject({ code: 77, stderr: expect.stringContaining('auth login') });
    expect(await run(['auth', 'status', '--json'])).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('"is_signed_in":false'),
    });
  });
});

describe('a refusal becomes an exit code', () => {
  const env = () => ({ COUNTERSIGN_URL: service.url, COUNTERSIGN_TOKEN: token });

  test.for([
    [401, 77],
    [403, 77],
    [404, 1],
    [409, 1],
    [400, 2],
    [422, 2],
    [429, 69],
    [500, 69],
    [503, 69],
  ] as const)('%i: %i', async ([status, code]) => {
    service.follow(() => problem(status, 'a-kind', 'a detail'));
    const { run } = user();
    const person = await run(['token', 'show', 'self'], { env: env() });
    expect(person).toMatchObject({ code, stdout: '', stderr: expect.stringContaining('error: a detail') });
    const program = await run(['token', 'show', 'self', '--json'], { env: env() });
    expect(program).toMatchObject({ code, stdout: '' });
    expect(JSON.parse(program.stderr)).toEqual({
      error: { kind: 'a-kind', detail: 'a detail', status, request_id: 'req-1' },
    });
  });

  test('faults of a request are named one by one', async () => {
    const errors = [{ pointer: '#/scopes/0', detail: 'must be a scope' }];
    service.follow(() => problem(422, 'invalid', 'the request is not valid', { errors }));
    const { run } = user();
    const person = await run(['token', 'show', 'self'], { env: env() });
    expect(person.stderr).toBe('error: the request is not valid\n  #/scopes/0 must be a scope\n');
    const program = await run(['token', 'show', 'self', '--json'], { env: env() });
    expect(JSON.parse(program.stderr)).toMatchObject({ error: { errors } });
  });

  test('out of reach: 69, with the URL', async () => {
    service.follow(() => 'lost');
    const outcome = await user().run(['whoami'], { env: env() });
    expect(outcome).toMatchObject({ code: 69, stderr: expect.stringContaining(service.url) });
    expect(outcome.stderr).not.toContain(token);
  });

  test('what the service says cannot reach into the terminal, nor show a token', async () => {
    service.follow(() => problem(409, 'conflict', `\u001b[2Jbad ${token}`));
    const outcome = await user().run(['token', 'show', 'self'], { env: env() });
    expect(outcome).toMatchObject({ code: 1, stderr: 'error: \\x1b[2Jbad [token]\n' });
  });
});
