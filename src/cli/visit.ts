import type { Config } from '../config.js';
import { type Host, openHost } from '../host.js';
import { type Keys, loadKeys } from '../keys.js';
import { type Database, openDatabase } from '../store/database.js';
import { openJournal } from '../store/journal.js';
import { migrateDatabase } from '../store/migrate.js';
import { createSecrets, type Secrets } from '../store/secret.js';

/** What a command on the host works with. */
export interface Visit {
  readonly host: Host;
  readonly database: Database;
  readonly keys: Keys;
  readonly secrets: Secrets;
}

/** Opens the migrated database for one act, and closes what it opened. */
export async function visit<T>(config: Config, act: (visit: Visit) => Promise<T>): Promise<T> {
  const keys = await loadKeys(config);
  const host = await openHost(config, 'visit');
  try {
    await migrateDatabase(host.direct, new Date());
    const journal =
      config.revocationJournal === undefined ? undefined : openJournal(config.revocationJournal, keys.peppers[0]);
    const database = openDatabase(host.options, journal);
    try {
      return await act({ host, database, keys, secrets: createSecrets(keys.peppers) });
    } finally {
      await database.close();
      await journal?.close();
    }
  } finally {
    await host.close();
  }
}
