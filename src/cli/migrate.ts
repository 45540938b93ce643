import { readConfig } from '../config.js';
import { openHost } from '../host.js';
import { connect } from '../store/connect.js';
import { migrateDatabase, pendingMigrations } from '../store/migrate.js';
import { printJson, say } from './output.js';

/** Brings the database up to this release. Several at once are safe. */
export async function runMigrate(flags: { json?: true }): Promise<number> {
  const host = await openHost(readConfig(process.env), 'visit');
  try {
    const sql = connect(host.direct, { max: 1 });
    const pending = await pendingMigrations(sql).finally(() => sql.end({ timeout: 5 }));
    await migrateDatabase(host.direct, new Date());
    if (flags.json) printJson({ applied: pending });
    else say(pending.length === 0 ? 'The database is up to date.' : `Applied ${pending.join(', ')}.`);
    return 0;
  } finally {
    await host.close();
  }
}
