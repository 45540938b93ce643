import { setTimeout as delay } from 'node:timers/promises';
import { type ConnectionOptions, connect } from '../../src/store/connect.js';

const PAUSE_MS = 50;

/** Ends the connections that listen for changes, all the time until `progress` is 1. */
export async function cutNotifications(database: ConnectionOptions, progress: () => number): Promise<void> {
  const sql = connect(database, { max: 1 });
  try {
    while (progress() < 1) {
      await sql`select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and query ilike 'listen %'`;
      await delay(PAUSE_MS);
    }
  } finally {
    await sql.end({ timeout: 5 });
  }
}
