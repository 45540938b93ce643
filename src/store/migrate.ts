import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { drizzle } from 'drizzle-orm/postgres-js';
import { migrate } from 'drizzle-orm/postgres-js/migrator';
import { z } from 'zod';
import { ensurePartitions } from './checks.js';
import { type ConnectionOptions, connect, findPrimary, type Sql } from './connect.js';

const FOLDER = fileURLToPath(new URL('../../migrations', import.meta.url));
// Any number does that nobody else uses as an advisory lock in this database.
const MIGRATION_LOCK = 4_837_201_183;

const journal = z.object({ entries: z.array(z.object({ when: z.int(), tag: z.string() })) });

/** Brings the schema up to this release, and makes the partitions of now. Several at once are safe: they queue for an
 *  advisory lock, which is held by the session and so needs a connection that no transaction-mode pooler shares. Gives
 *  the names of the migrations that this call applied. */
export async function migrateDatabase(direct: ConnectionOptions, now: Date): Promise<string[]> {
  await findPrimary(direct);
  const sql = connect(direct, { max: 1 });
  try {
    await sql`select pg_advisory_lock(${MIGRATION_LOCK})`;
    const pending = await pendingMigrations(sql);
    await migrate(drizzle({ client: sql }), { migrationsFolder: FOLDER });
    await ensurePartitions(sql, now);
    return pending;
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/** The migrations of this release that the database has not seen, by their file names. A database that is ahead has
 *  none: this release runs on the schema of the next. */
export async function pendingMigrations(sql: Sql): Promise<string[]> {
  const { entries } = journal.parse(JSON.parse(await readFile(`${FOLDER}/meta/_journal.json`, 'utf8')));
  const [table] = await sql`select to_regclass('drizzle.__drizzle_migrations') is not null as exists`;
  if (table?.['exists'] !== true) return entries.map((entry) => entry.tag);
  const [last] = await sql`select coalesce(max(created_at), 0)::text as at from drizzle.__drizzle_migrations`;
  return entries.filter((entry) => entry.when > Number(last?.['at'])).map((entry) => entry.tag);
}
