import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { generateSigningKey } from '../../src/http/jwt.js';
import { connect, type Sql } from '../../src/store/connect.js';
import { createTestDatabase, type TestDatabase } from '../setup/database.js';
import { commandLine, temporaryDirectory } from './command-line.js';

const run = commandLine(temporaryDirectory());
let database: TestDatabase;
let env: Record<string, string>;
let names: string[];

beforeAll(async () => {
  database = await createTestDatabase();
  env = {
    DATABASE_URL: database.url,
    COUNTERSIGN_PEPPER: `p1:${randomBytes(32).toString('base64')}`,
    COUNTERSIGN_SIGNING_KEYS: JSON.stringify({ keys: [await generateSigningKey()] }),
  };
  const journal = fileURLToPath(new URL('../../migrations/meta/_journal.json', import.meta.url));
  names = JSON.parse(await readFile(journal, 'utf8')).entries.map((entry: { tag: string }) => entry.tag);
});

afterAll(() => database?.drop());

async function onDatabase<T>(act: (sql: Sql) => PromiseLike<T>): Promise<T> {
  const sql = connect(database.options, { max: 1 });
  try {
    return await act(sql);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

describe('migrate', () => {
  beforeEach(async () => {
    await onDatabase((sql) => sql`drop schema if exists drizzle cascade`);
    await onDatabase((sql) => sql`drop schema public cascade`);
    await onDatabase((sql) => sql`create schema public`);
  });

  test('several at once are safe: one applies, and all are well', async () => {
    const outcomes = await Promise.all([1, 2, 3, 4].map(() => run(['migrate', '--json'], { env })));
    expect(outcomes.map((outcome) => [outcome.code, outcome.stderr])).toEqual(outcomes.map(() => [0, '']));
    const applied = outcomes.map((outcome) => JSON.parse(outcome.stdout).applied);
    expect(applied.filter((list) => list.length > 0)).toEqual([names]);
    const [row] = await onDatabase((sql) => sql`select count(*)::int as n from drizzle.__drizzle_migrations`);
    expect(row).toEqual({ n: names.length });
  });

  test('says what it applied, and then that there is nothing to do', async () => {
    const first = await run(['migrate'], { env });
    expect(first).toEqual({ code: 0, stdout: '', stderr: `Applied ${names.join(', ')}.\n` });
    expect(await run(['migrate'], { env })).toEqual({ code: 0, stdout: '', stderr: 'The database is up to date.\n' });
    expect((await run(['migrate', '--json'], { env })).stdout).toBe('{"applied":[]}\n');
  });

  test('has nothing to do on a database that is ahead of this release', async () => {
    await run(['migrate'], { env });
    await onDatabase(
      (sql) => sql`
        insert into drizzle.__drizzle_migrations (hash, created_at)
        select 'of the next release', max(created_at) + 1000 from drizzle.__drizzle_migrations`,
    );
    expect((await run(['migrate', '--json'], { env })).stdout).toBe('{"applied":[]}\n');
  });

  test('that fails in the middle leaves nothing half done', async () => {
    // The last table of the first migration is there already.
    await onDatabase((sql) => sql`create table workspaces (id int)`);
    const failed = await run(['migrate'], { env });
    expect(failed.code).toBe(1);
    expect(failed.stderr).toBe('error: the database says: relation "workspaces" already exists\n');
    const rows = await onDatabase((sql) => sql`select tablename from pg_tables where schemaname = 'public'`);
    expect(rows).toEqual([{ tablename: 'workspaces' }]);
  });

  test('makes an embedded database too', async () => {
    const COUNTERSIGN_DATA_DIR = join(temporaryDirectory(), 'data');
    const made = await run(['migrate', '--json'], { env: { COUNTERSIGN_DATA_DIR } });
    expect(JSON.parse(made.stdout)).toEqual({ applied: names });
  });

  test('out of reach is 69, in one line', async () => {
    const away = await run(['migrate'], { env: { ...env, DATABASE_URL: 'postgres://u:hidden@127.0.0.1:1/d' } });
    expect(away).toMatchObject({
      code: 69,
      stdout: '',
      stderr: expect.stringMatching(/^error: the database is .*\n$/),
    });
    expect(away.stderr).not.toContain('hidden');
  });
});
