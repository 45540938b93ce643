import { randomBytes } from 'node:crypto';
import type { TestProject } from 'vitest/node';
import { connect } from '../../src/store/connect.js';
import { migrateDatabase } from '../../src/store/migrate.js';
import { keepTemporaryFilesInMemory } from './memory-directory.js';
import { onDatabase, type TestServer } from './server.js';
import { startTemporaryPostgres } from './temporary-postgres.js';

declare module 'vitest' {
  export interface ProvidedContext {
    testServer: TestServer;
  }
}

/** Gives the run a PostgreSQL and a migrated template in it: the server of `TEST_DATABASE_URL`, else an embedded one.
 *  Afterwards nothing of it is left. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const removeFiles = keepTemporaryFilesInMemory();
  const url = process.env['TEST_DATABASE_URL'];
  const opened =
    url === undefined
      ? await startTemporaryPostgres('test', { max_connections: '300' })
      : { options: { url, usesPrepared: true }, close: async () => {} };
  const prefix = `countersign_test_${randomBytes(4).toString('hex')}_`;
  const server: TestServer = { admin: opened.options, prefix, template: `${prefix}template` };
  const teardown = async () => {
    await dropDatabases(server).finally(opened.close).finally(removeFiles);
  };
  try {
    await makeTemplate(server);
  } catch (error) {
    await teardown();
    throw error;
  }
  project.provide('testServer', server);
  return teardown;
}

async function makeTemplate(server: TestServer): Promise<void> {
  const sql = connect(server.admin, { max: 1 });
  try {
    await sql`create database ${sql(server.template)}`;
    await migrateDatabase(onDatabase(server.admin, server.template), new Date());
    await sql`alter database ${sql(server.template)} with allow_connections false`;
  } finally {
    await sql.end({ timeout: 5 });
  }
}

async function dropDatabases(server: TestServer): Promise<void> {
  const sql = connect(server.admin, { max: 1 });
  try {
    const rows = await sql<{ datname: string }[]>`
      select datname from pg_database where starts_with(datname, ${server.prefix})`;
    for (const { datname } of rows) await sql`drop database if exists ${sql(datname)} with (force)`;
  } finally {
    await sql.end({ timeout: 5 });
  }
}
