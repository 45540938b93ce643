import type { Config } from './config.js';
import { type Keys, loadKeys } from './keys.js';
import type { ConnectionOptions } from './store/connect.js';
import { type Database, openDatabase } from './store/database.js';
import { type EmbeddedPostgres, openEmbedded } from './store/embedded.js';
import { migrateDatabase } from './store/migrate.js';
import { createSecrets, type Secrets } from './store/secret.js';

/** The database that the configuration names, the embedded one running. */
export interface Host {
  readonly options: ConnectionOptions;
  /** Without a transaction-mode pooler in between. */
  readonly direct: ConnectionOptions;
  readonly embedded: EmbeddedPostgres | undefined;
  /** Takes the embedded server that was started in the place of the first one. */
  adopt(embedded: EmbeddedPostgres): void;
  close(): Promise<void>;
}

/** Reaches the database, starting the embedded one if there is no other. A `serve` has the data directory alone; a `visit`
 *  joins what runs. */
export async function openHost(config: Config, purpose: 'serve' | 'visit'): Promise<Host> {
  if (config.databaseUrl !== undefined) {
    const usesPrepared = config.databasePrepare;
    return {
      options: { url: config.databaseUrl, usesPrepared },
      direct: { url: config.databaseDirectUrl ?? config.databaseUrl, usesPrepared },
      embedded: undefined,
      adopt: () => undefined,
      close: async () => undefined,
    };
  }
  const embedded = await openEmbedded({ dataDir: config.dataDir, purpose });
  const options = { socketPath: embedded.socketPath, usesPrepared: true };
  let current = embedded;
  return {
    options,
    direct: options,
    embedded,
    adopt: (again) => {
      current = again;
    },
    close: () => current.stop(),
  };
}

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
    const database = openDatabase(host.options);
    try {
      return await act({ host, database, keys, secrets: createSecrets(keys.peppers) });
    } finally {
      await database.close();
    }
  } finally {
    await host.close();
  }
}
