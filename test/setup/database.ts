import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { inject } from 'vitest';
import { type ConnectionOptions, connect, type Sql, sqlState } from '../../src/store/connect.js';
import { onDatabase, urlOf } from './server.js';

/** A migrated database of one's own. */
export interface TestDatabase {
  readonly options: ConnectionOptions;
  /** The same as a `DATABASE_URL`, for a service that runs as a process of its own. */
  readonly url: string;
  /** Removes it, whoever is still connected. */
  drop(): Promise<void>;
}

const OBJECT_IN_USE = '55006';
const TRIES = 20;
const PAUSE_MS = 50;

/** Clones the run's template. What is not dropped goes with the run. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const server = inject('testServer');
  const name = `${server.prefix}${randomBytes(6).toString('hex')}`;
  await asAdmin((sql) => clone(sql, name, server.template));
  const options = onDatabase(server.admin, name);
  return {
    options,
    url: urlOf(options),
    drop: () =>
      asAdmin(async (sql) => {
        await sql`drop database if exists ${sql(name)} with (force)`;
      }),
  };
}

// A template cannot be cloned while somebody is in it: autovacuum, for a moment.
async function clone(sql: Sql, name: string, template: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await sql`create database ${sql(name)} template ${sql(template)}`;
      return;
    } catch (error) {
      if (attempt === TRIES || sqlState(error) !== OBJECT_IN_USE) throw error;
      await delay(PAUSE_MS);
    }
  }
}

async function asAdmin(act: (sql: Sql) => Promise<void>): Promise<void> {
  const sql = connect(inject('testServer').admin, { max: 1 });
  try {
    await act(sql);
  } finally {
    await sql.end({ timeout: 5 });
  }
}
