import { readConfig } from '../config.js';
import { openHost } from '../host.js';
import { migrateDatabase } from '../store/migrate.js';
import { printJson, say } from './output.js';

/** Brings the database up to this release. Several at once are safe: one applies, the others find nothing to do. */
export async function runMigrate(flags: { json?: true }): Promise<number> {
  const host = await openHost(readConfig(process.env), 'visit');
  try {
    const applied = await migrateDatabase(host.direct, new Date());
    if (flags.json) printJson({ applied });
    else say(applied.length === 0 ? 'The database is up to date.' : `Applied ${applied.join(', ')}.`);
    return 0;
  } finally {
    await host.close();
  }
}
