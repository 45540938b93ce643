import type { Config } from './config.js';
import type { ConnectionOptions } from './store/connect.js';
import { type EmbeddedPostgres, openEmbedded } from './store/embedded.js';

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
 *  joins what runs. `onStarting` is called when the embedded one was started and is not ready yet. */
export async function openHost(config: Config, purpose: 'serve' | 'visit', onStarting?: () => void): Promise<Host> {
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
  const embedded = await openEmbedded({ dataDir: config.dataDir, purpose, onStarting });
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
