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
  const configured = configuredDatabase(config);
  if (configured !== undefined) {
    return {
      ...configured,
      embedded: undefined,
      adopt: () => undefined,
      close: async () => undefined,
    };
  }
  const embedded = await openEmbedded({ dataDir: config.dataDir, purpose, onStarting });
  let current = embedded;
  return {
    ...databaseAt(embedded.socketPath),
    embedded,
    adopt: (again) => {
      current = again;
    },
    close: () => current.stop(),
  };
}

/** The ways to a database. */
export type DatabaseWays = Pick<Host, 'options' | 'direct'>;

/** The database of `DATABASE_URL`; `undefined` when none is named. */
export function configuredDatabase(config: Config): DatabaseWays | undefined {
  const { databaseUrl, databaseDirectUrl, databasePrepare: usesPrepared } = config;
  if (databaseUrl === undefined) return undefined;
  return {
    options: { url: databaseUrl, usesPrepared },
    direct: { url: databaseDirectUrl ?? databaseUrl, usesPrepared },
  };
}

/** The embedded database behind a socket. */
export function databaseAt(socketPath: string): DatabaseWays {
  const options = { socketPath, usesPrepared: true };
  return { options, direct: options };
}
