import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConnectionOptions } from '../../src/store/connect.js';
import { openEmbedded } from '../../src/store/embedded.js';

/** An embedded PostgreSQL in a temporary directory, which keeps nothing for later. */
export interface TemporaryPostgres {
  readonly dataDir: string;
  readonly options: ConnectionOptions & { readonly socketPath: string };
  /** Stops it and removes the directory. */
  close(): Promise<void>;
}

// What is lost with the machine is not missed.
const UNSAFE = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' };

/** Starts it, with settings of its own. `name` is in the directory's. */
export async function startTemporaryPostgres(
  name: string,
  settings: Readonly<Record<string, string>>,
): Promise<TemporaryPostgres> {
  const dataDir = await mkdtemp(join(tmpdir(), `countersign-${name}-`));
  const removeDataDir = () => rmSync(dataDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  // Also when the run is cut short: PostgreSQL itself ends with this process.
  process.once('exit', removeDataDir);
  try {
    const server = await openEmbedded({ dataDir, purpose: 'serve', settings: { ...UNSAFE, ...settings } });
    return {
      dataDir,
      options: { socketPath: server.socketPath, usesPrepared: true },
      close: async () => {
        await server.stop();
        removeDataDir();
        process.off('exit', removeDataDir);
      },
    };
  } catch (error) {
    removeDataDir();
    throw error;
  }
}
