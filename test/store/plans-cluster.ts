import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from '../../src/store/connect.js';
import { migrateDatabase } from '../../src/store/migrate.js';
import type { TestDatabase } from '../setup/database.js';
import { urlOf } from '../setup/server.js';
import { startTemporaryPostgres } from '../setup/temporary-postgres.js';

/** A migrated PostgreSQL of a test's own that can write down the plan of every statement as it ran. */
export interface PlanCluster {
  readonly database: TestDatabase;
  /** Sets something for the connections that are made from now on. */
  set(name: string, value: string): Promise<void>;
  /** What PostgreSQL has written so far. */
  log(): Promise<string>;
  close(): Promise<void>;
}

// Rows and buffers as counted, no times: reading the clock for each row would be most of the work.
const EXPLAINED = {
  session_preload_libraries: 'auto_explain',
  'auto_explain.log_min_duration': '-1',
  'auto_explain.log_analyze': 'on',
  'auto_explain.log_timing': 'off',
  'auto_explain.log_buffers': 'on',
  'auto_explain.log_nested_statements': 'on',
  'auto_explain.log_parameter_max_length': '0',
  'auto_explain.log_format': 'json',
};
// What makes a million rows quick to load. Statistics are gathered when they are there, not when somebody comes by.
const LOADED = {
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_wal_size: '8GB',
  shared_buffers: '256MB',
  maintenance_work_mem: '256MB',
  autovacuum: 'off',
};

/** Starts it. Close it in `afterAll`. */
export async function startPlanCluster(): Promise<PlanCluster> {
  const { dataDir, options, close } = await startTemporaryPostgres('plans', { ...LOADED, ...EXPLAINED });
  try {
    await migrateDatabase(options, new Date());
  } catch (error) {
    await close();
    throw error;
  }
  return {
    database: { options, url: urlOf(options), drop: async () => undefined },
    set: async (name, value) => {
      const sql = connect(options, { max: 1 });
      await sql.unsafe(`alter database postgres set ${name} = '${value}'`);
      await sql.end();
    },
    log: () => readFile(join(dataDir, 'postgres.log'), 'utf8'),
    close,
  };
}
