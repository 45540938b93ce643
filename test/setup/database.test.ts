import { expect, it } from 'vitest';
import { connect } from '../../src/store/connect.js';
import { pendingMigrations } from '../../src/store/migrate.js';
import { createTestDatabase } from './database.js';

it('gives each test a migrated database of its own', async () => {
  const databases = await Promise.all(Array.from({ length: 4 }, createTestDatabase));
  for (const database of databases) {
    const sql = connect(database.options, { max: 1 });
    expect(await pendingMigrations(sql)).toEqual([]);
    await sql`insert into workspaces (id, slug, created_at) values (gen_random_uuid(), 'acme', now())`;
    await sql.end();
  }
  await Promise.all(databases.map((database) => database.drop()));
});

it('names the database in a URL that another process can use', async () => {
  const database = await createTestDatabase();
  const sql = connect({ url: database.url, usesPrepared: true }, { max: 1 });
  expect(await pendingMigrations(sql)).toEqual([]);
  await sql.end();
  await database.drop();
});
