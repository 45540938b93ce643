import { randomBytes } from 'node:crypto';
import { readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { generateSigningKey } from '../../src/http/jwt.js';
import { connect } from '../../src/store/connect.js';
import { createTestDatabase, type TestDatabase } from '../setup/database.js';
import { createMailServer } from '../setup/mail-server.js';
import { CLIENT_ID, CLIENT_SECRET, startOidcProvider } from '../setup/oidc-provider.js';
import { commandLine, temporaryDirectory } from './command-line.js';
import { seedDataDir, startServe, untilNothingIsLeft } from './serving.js';

const ALL = ['configuration', 'keys', 'journal', 'database', 'migrations', 'clock', 'notifications', 'containment'];
const run = commandLine(temporaryDirectory());
let copyDataDir: () => Promise<string>;
let database: TestDatabase;
let env: Record<string, string>;

beforeAll(async () => {
  copyDataDir = await seedDataDir();
  database = await createTestDatabase();
  env = {
    DATABASE_URL: database.url,
    COUNTERSIGN_PEPPER: `p1:${randomBytes(32).toString('base64')}`,
    COUNTERSIGN_SIGNING_KEYS: JSON.stringify({ keys: [await generateSigningKey()] }),
  };
});

afterAll(() => database?.drop());

interface Check {
  readonly check: string;
  readonly ok: boolean;
  readonly detail: string;
}

async function examine(given: Record<string, string>) {
  const { code, stdout, stderr } = await run(['doctor', '--json'], { env: given });
  expect(stderr).toBe('');
  const body: { ok: boolean; checks: Check[] } = JSON.parse(stdout);
  return { code, ...body, failed: body.checks.filter((one) => !one.ok), names: body.checks.map((one) => one.check) };
}

describe('doctor', () => {
  test('finds all well beside a serve, a line each, and leaves it alone', async () => {
    const dataDir = await copyDataDir();
    const serving = await startServe({ COUNTERSIGN_DATA_DIR: dataDir });
    expect(await examine({ COUNTERSIGN_DATA_DIR: dataDir })).toMatchObject({
      code: 0,
      ok: true,
      failed: [],
      names: ALL,
    });
    const shown = await run(['doctor'], { env: { COUNTERSIGN_DATA_DIR: dataDir } });
    const lines = shown.stdout.trimEnd().split('\n');
    expect(lines.map((line) => line.split(/ +/).slice(0, 2))).toEqual(ALL.map((name) => ['ok', name]));
    expect((await fetch(`${serving.url}/readyz`)).status).toBe(200);
    await serving.stop();
    await untilNothingIsLeft(serving, dataDir);
  });

  test('finds all well in a data directory that nothing runs on, and leaves nothing running', async () => {
    const dataDir = await copyDataDir();
    expect(await examine({ COUNTERSIGN_DATA_DIR: dataDir })).toMatchObject({ code: 0, names: ALL });
    await untilNothingIsLeft({ pid: -1 }, dataDir);
  });

  test('finds all well on a database of one’s own', async () => {
    expect(await examine(env)).toMatchObject({ code: 0, ok: true, names: ALL });
  });

  test('says what is not made yet, and makes nothing', async () => {
    const dataDir = join(temporaryDirectory(), 'data');
    expect(await examine({ COUNTERSIGN_DATA_DIR: dataDir })).toMatchObject({
      code: 0,
      checks: [
        { check: 'configuration', ok: true },
        { check: 'keys', ok: true, detail: 'not made yet: serve makes it' },
        { check: 'journal', ok: true, detail: 'not made yet: serve makes it' },
        { check: 'database', ok: true, detail: 'not made yet: serve makes it' },
        { check: 'containment', ok: true },
      ],
    });
    await expect(stat(dataDir)).rejects.toThrow('ENOENT');
  });

  test('misses the keys of a database that is there, and makes none', async () => {
    const dataDir = await copyDataDir();
    await rm(join(dataDir, 'pepper'));
    const { code, failed } = await examine({ COUNTERSIGN_DATA_DIR: dataDir });
    expect(code).toBe(1);
    expect(failed).toMatchObject([{ check: 'keys', detail: expect.stringContaining('restore them') }]);
    expect(await readdir(dataDir)).not.toContain('pepper');
  });

  test('names a damaged key and shows nothing of it', async () => {
    const dataDir = await copyDataDir();
    await writeFile(join(dataDir, 'signing-keys.json'), '{"keys":["hidden"]}');
    const { code, failed } = await examine({ COUNTERSIGN_DATA_DIR: dataDir });
    expect(code).toBe(1);
    expect(failed).toMatchObject([{ check: 'keys', detail: expect.stringContaining('signing-keys.json is damaged') }]);
    expect(JSON.stringify(failed)).not.toContain('hidden');
  });

  test('names a bad variable, and looks no further', async () => {
    const { code, checks } = await examine({ PORT: 'eighty' });
    expect(code).toBe(1);
    expect(checks).toMatchObject([
      { check: 'configuration', ok: false, detail: expect.stringMatching(/^PORT is/) },
      { check: 'containment', ok: true },
    ]);
  });

  test('says that the database is out of reach, once and without its password', async () => {
    const { code, failed, names } = await examine({ ...env, DATABASE_URL: 'postgres://u:hidden@127.0.0.1:1/d' });
    expect([code, names]).toEqual([1, ['configuration', 'keys', 'journal', 'database', 'containment']]);
    expect(failed).toMatchObject([
      { check: 'database', detail: expect.stringMatching(/^the database is out of reach: ./) },
    ]);
    expect(JSON.stringify(failed)).not.toContain('hidden');
  });

  test('says that the direct way to the database is closed', async () => {
    const { code, failed } = await examine({ ...env, DATABASE_DIRECT_URL: 'postgres://u:hidden@127.0.0.1:1/d' });
    expect(code).toBe(1);
    expect(failed).toMatchObject([{ check: 'notifications', detail: expect.stringContaining('out of reach') }]);
  });

  test('names the migrations that are pending, and applies none', async () => {
    const sql = connect(database.options, { max: 1 });
    await sql`delete from drizzle.__drizzle_migrations`;
    const { code, failed } = await examine(env);
    expect(code).toBe(1);
    expect(failed).toMatchObject([
      { check: 'migrations', detail: expect.stringMatching(/^0001_service.* not applied: run countersign migrate$/) },
    ]);
    expect(await sql`select 1 from drizzle.__drizzle_migrations`).toHaveLength(0);
    await sql.end({ timeout: 5 });
  });

  test('looks at the mail server where there is one, and tells why it takes nothing, without its password', async () => {
    const post = await createMailServer();
    const mail = { ...env, COUNTERSIGN_MAIL_FROM: 'tokens@acme.example' };
    const { port } = post.settings;
    const { checks } = await examine({ ...mail, COUNTERSIGN_SMTP_URL: `smtp://127.0.0.1:${port}` });
    expect(checks[1]).toEqual({
      check: 'mail',
      ok: true,
      detail: `127.0.0.1:${port} takes mails from tokens@acme.example`,
    });
    const { code, failed } = await examine({ ...mail, COUNTERSIGN_SMTP_URL: `smtp://us:hidden@127.0.0.1:${port}` });
    expect([code, failed[0]]).toMatchObject([
      1,
      { check: 'mail', detail: expect.stringContaining(`127.0.0.1:${port} does not take mails: `) },
    ]);
    expect(JSON.stringify(failed)).not.toContain('hidden');
    expect(post.received).toEqual([]);
    await post.close();
  });

  test('looks at the OpenID provider where there is one, and tells why it is none', async () => {
    const oidc = (issuer: string) => ({
      ...env,
      COUNTERSIGN_OIDC_ISSUER: issuer,
      COUNTERSIGN_OIDC_CLIENT_ID: CLIENT_ID,
      COUNTERSIGN_OIDC_CLIENT_SECRET: CLIENT_SECRET,
    });
    const provider = await startOidcProvider({ pages: 'http://localhost:8787', people: {} });
    try {
      const { checks } = await examine(oidc(provider.issuer));
      expect(checks).toContainEqual({
        check: 'provider',
        ok: true,
        detail: `${provider.issuer} answers, with 1 key(s)`,
      });
    } finally {
      await provider.stop();
    }
    const { code, failed } = await examine(oidc(provider.issuer));
    expect(code).toBe(1);
    const found = failed.find(({ check }) => check === 'provider');
    expect(found?.detail).toMatch(/^http:\/\/127.* does not answer as an OpenID provider: ./);
    expect(JSON.stringify(failed)).not.toContain(CLIENT_SECRET);
  });
});
