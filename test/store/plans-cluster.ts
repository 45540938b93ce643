import { rmSync } from 'node:fs';
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, connect } from '../../src/store/connect.js';
import { openEmbedded } from '../../src/store/embedded.js';
import { migrateDatabase } from '../../src/store/migrate.js';
import type { TestDatabase } from '../setup/database.js';
import { urlOf } from '../setup/server.js';

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
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_wal_size: '8GB',
  shared_buffers: '256MB',
  maintenance_work_mem: '256MB',
  autovacuum: 'off',
};

/** Starts it. Close it in `afterAll`. */
export async function startPlanCluster(): Promise<PlanCluster> {
  const dataDir = await mkdtemp(join(tmpdir(), 'countersign-plans-'));
  const removeDataDir = () => rmSync(dataDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  process.once('exit', removeDataDir);
  try {
    const server = await openEmbedded({ dataDir, purpose: 'serve', settings: { ...LOADED, ...EXPLAINED } });
    const close = async () => {
      await server.stop();
      removeDataDir();
      process.off('exit', removeDataDir);
    };
    const options: ConnectionOptions = { socketPath: server.socketPath, usesPrepared: true };
    await migrateDatabase(options, new Date());
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
  } catch (error) {
    removeDataDir();
    throw error;
  }
}
