import { randomBytes } from 'node:crypto';
import { chmod, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { generateSigningKey } from '../../src/http/jwt.js';
import { connect, type Sql } from '../../src/store/connect.js';
import { createTestDatabase, type TestDatabase } from '../setup/database.js';
import { temporaryDirectory } from './command-line.js';
import { type Serving, seedDataDir, spawnServe, startServe, untilNothingIsLeft } from './serving.js';

let copyDataDir: () => Promise<string>;
let database: TestDatabase;
let keys: { COUNTERSIGN_PEPPER: string; COUNTERSIGN_SIGNING_KEYS: string };

beforeAll(async () => {
  copyDataDir = await seedDataDir();
  database = await createTestDatabase();
  keys = {
    COUNTERSIGN_PEPPER: `p1:${randomBytes(32).toString('base64')}`,
    COUNTERSIGN_SIGNING_KEYS: JSON.stringify({ keys: [await generateSigningKey()] }),
  };
});

afterAll(() => database?.drop());

/** Starts a serve that is to fail, and gives its exit code and the one line it says why in. */
async function failureOf(env: Record<string, string>): Promise<{ code: number | null; line: string }> {
  const starting = spawnServe(env);
  const { code } = await starting.ended;
  expect(starting.stdout()).toBe('');
  expect(starting.stderr()).toMatch(/^\{"error":.*\}\n$/);
  return { code, line: JSON.parse(starting.stderr()).error.detail };
}

describe('the first start', () => {
  let serving: Serving;
  const dataDir = join(temporaryDirectory(), 'data');

  beforeAll(async () => {
    serving = await startServe({ COUNTERSIGN_DATA_DIR: dataDir });
  });

  test('says where it listens, in one line of JSON', async () => {
    const said = JSON.parse(serving.stdout());
    expect(Object.keys(said)).toEqual(['event', 'url', 'pid', 'token_file']);
    expect(said).toEqual({
      event: 'listening',
      url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      pid: serving.pid,
      token_file: join(dataDir, 'owner.token'),
    });
  });

  test("writes the owner's token to a file that nobody else can read, and the token works", async () => {
    expect((await stat(join(dataDir, 'owner.token'))).mode & 0o777).toBe(0o600);
    expect(await (await serving.owner()).me()).toMatchObject({ role: 'owner' });
  });

  test('keeps a data directory that is closed to others and to repositories', async () => {
    expect((await stat(dataDir)).mode & 0o777).toBe(0o700);
    expect(await readFile(join(dataDir, '.gitignore'), 'utf8')).toBe('*\n');
    for (const name of ['pepper', 'signing-keys.json'])
      expect((await stat(join(dataDir, name))).mode & 0o777).toBe(0o600);
  });

  test('is ready', async () => {
    const ready = await fetch(`${serving.url}/readyz`);
    expect([ready.status, await ready.json()]).toEqual([200, { status: 'ok', database: 'ok', migrations: 'current' }]);
  });

  test('has the data directory alone', async () => {
    const { code, line } = await failureOf({ COUNTERSIGN_DATA_DIR: dataDir });
    expect([code, line]).toEqual([69, `the data directory ${dataDir} is in use by another countersign serve`]);
    expect((await fetch(`${serving.url}/readyz`)).status).toBe(200);
  });

  test('stops with 0, and the next start has its data and names the file of the token again', async () => {
    await (await serving.owner()).workflows.put('nightly', { allowed_scopes: ['repo:*'] });
    expect(await serving.stop()).toEqual({ code: 0, signal: null });
    await untilNothingIsLeft(serving, dataDir);
    const again = await startServe({ COUNTERSIGN_DATA_DIR: dataDir });
    expect(again.tokenFile).toBe(serving.tokenFile);
    expect(await (await again.owner()).workflows.show('nightly')).toMatchObject({ label: 'nightly' });
    expect(await again.stop('SIGINT')).toEqual({ code: 0, signal: null });
    await untilNothingIsLeft(again, dataDir);
  });
});

describe('what stops a start, in one line', () => {
  test('a port that is in use', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((listening) => other.once('listening', listening));
    const { port } = other.address() as AddressInfo;
    const dataDir = await copyDataDir();
    const { code, line } = await failureOf({ COUNTERSIGN_DATA_DIR: dataDir, PORT: String(port) });
    other.close();
    expect(code).toBe(69);
    expect(line).toBe(`cannot listen on 127.0.0.1:${port}: it is in use: set PORT, or stop what uses it`);
  });

  test('an address of another machine', async () => {
    const COUNTERSIGN_ISSUER = 'https://countersign.example';
    const dataDir = await copyDataDir();
    const failure = await failureOf({ COUNTERSIGN_DATA_DIR: dataDir, COUNTERSIGN_ISSUER, HOST: '192.0.2.1' });
    expect(failure).toMatchObject({ code: 69, line: expect.stringContaining('cannot listen on 192.0.2.1') });
  });

  test.each([
    ['PORT', { PORT: 'eighty' }, /^PORT is "eighty": it accepts a whole number from 0 to 65535$/],
    ['COUNTERSIGN_WORKERS', { COUNTERSIGN_WORKERS: '0' }, /^COUNTERSIGN_WORKERS is "0": it accepts a whole number/],
    ['LOG_LEVEL', { LOG_LEVEL: 'loud' }, /^LOG_LEVEL is "loud": it accepts one of/],
    [
      'COUNTERSIGN_ISSUER',
      { COUNTERSIGN_ISSUER: 'http://a.example' },
      /^COUNTERSIGN_ISSUER is .*: it accepts an https/,
    ],
    ['HOST', { HOST: '192.0.2.1' }, /^COUNTERSIGN_ISSUER is not set: with HOST 192\.0\.2\.1/],
    [
      'DATABASE_URL',
      { DATABASE_URL: 'mysql://u:hidden@h/d' },
      /^DATABASE_URL is a value that is not shown: it accepts/,
    ],
    ['COUNTERSIGN_PEPPER', { COUNTERSIGN_PEPPER: 'p:hidden' }, /^COUNTERSIGN_PEPPER is a value that is not shown/],
    ['COUNTERSIGN_SIGNING_KEYS', { COUNTERSIGN_SIGNING_KEYS: '{"hidden":1}' }, /^COUNTERSIGN_SIGNING_KEYS is a value/],
    ['COUNTERSIGN_PEPPER_FILE', { COUNTERSIGN_PEPPER_FILE: '/no/such' }, /^COUNTERSIGN_PEPPER_FILE names "\/no\/such"/],
    ['DATABASE_URL alone', { DATABASE_URL: 'postgres://u:hidden@h/d' }, /^COUNTERSIGN_PEPPER is not set: it is needed/],
  ])('a bad %s', async (_name, env, expected) => {
    const { code, line } = await failureOf({ COUNTERSIGN_DATA_DIR: join(temporaryDirectory(), 'data'), ...env });
    expect(code).toBe(2);
    expect(line).toMatch(expected);
    expect(line).not.toMatch(/hidden|\n/);
  });

  test('a signing key that is none, and nothing of it is shown', async () => {
    const key = await generateSigningKey();
    const other = await generateSigningKey();
    const COUNTERSIGN_SIGNING_KEYS = JSON.stringify({ keys: [{ ...key, d: other.d }] });
    const { code, line } = await failureOf({ ...keys, DATABASE_URL: database.url, COUNTERSIGN_SIGNING_KEYS });
    expect(code).toBe(2);
    expect(line).toMatch(/^COUNTERSIGN_SIGNING_KEYS is a value that is not shown: it accepts a private JWK set/);
    expect(line).not.toContain(other.d);
  });

  test('a damaged key in the data directory', async () => {
    const dataDir = await copyDataDir();
    await writeFile(join(dataDir, 'pepper'), 'half');
    const { code, line } = await failureOf({ COUNTERSIGN_DATA_DIR: dataDir });
    expect([code, line]).toEqual([2, expect.stringContaining(`${join(dataDir, 'pepper')} is damaged`)]);
  });

  test('a database that is out of reach', async () => {
    const failure = await failureOf({ ...keys, DATABASE_URL: 'postgres://u:hidden@127.0.0.1:1/countersign' });
    expect(failure).toMatchObject({
      code: 69,
      line: expect.stringMatching(/^the database is out of reach: .*REFUSED/),
    });
    expect(failure.line).not.toContain('hidden');
  });

  test('a database or a role that does not exist', async () => {
    const { url } = database;
    const none = await failureOf({ ...keys, DATABASE_URL: url.replace(/\/[^/]*$/, '/no_such') });
    expect(none).toMatchObject({ code: 69, line: expect.stringContaining('database "no_such" does not exist') });
    const stranger = await failureOf({ ...keys, DATABASE_URL: url.replace(/\/\/[^@]*@/, '//stranger:hidden@') });
    expect(stranger).toMatchObject({ code: 69, line: expect.stringContaining('the database refuses the connection') });
    expect(stranger.line).not.toContain('hidden');
  });
});

describe('on a database of one’s own', () => {
  test('migrates, and has no token file', async () => {
    await onDatabase((sql) => sql`drop schema drizzle cascade`);
    await onDatabase((sql) => sql`drop schema public cascade`);
    await onDatabase((sql) => sql`create schema public`);
    const serving = await startServe({ ...keys, DATABASE_URL: database.url });
    expect(serving.tokenFile).toBeNull();
    expect(await (await fetch(`${serving.url}/readyz`)).json()).toMatchObject({ migrations: 'current' });
    expect(await serving.stop()).toEqual({ code: 0, signal: null });
    await untilNothingIsLeft(serving);
  });

  test('that is ahead of this release, starts and is ready', async () => {
    await onDatabase(
      (sql) => sql`
        insert into drizzle.__drizzle_migrations (hash, created_at)
        select 'of the next release', max(created_at) + 1000 from drizzle.__drizzle_migrations`,
    );
    const serving = await startServe({ ...keys, DATABASE_URL: database.url });
    expect((await fetch(`${serving.url}/readyz`)).status).toBe(200);
    expect(await serving.stop()).toEqual({ code: 0, signal: null });
  });

  async function onDatabase(act: (sql: Sql) => PromiseLike<unknown>): Promise<void> {
    const sql = connect(database.options, { max: 1 });
    await act(sql);
    await sql.end({ timeout: 5 });
  }
});

describe("the owner's token", () => {
  test('is written anew, closed to others, where an older file was open to them', async () => {
    const dataDir = await copyDataDir();
    await rm(join(dataDir, 'postgres'), { recursive: true });
    await chmod(join(dataDir, 'owner.token'), 0o644);
    const serving = await startServe({ COUNTERSIGN_DATA_DIR: dataDir });
    expect((await stat(join(dataDir, 'owner.token'))).mode & 0o777).toBe(0o600);
    expect(await (await serving.owner()).me()).toMatchObject({ role: 'owner' });
    await serving.stop();
  });
});
