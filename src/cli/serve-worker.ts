import cluster from 'node:cluster';
import { once } from 'node:events';
import type { Config } from '../config.js';
import { configuredDatabase, type DatabaseWays, databaseAt } from '../host.js';
import { ListenError } from '../http/listen.js';
import type { Log } from '../http/log.js';
import { loadKeys } from '../keys.js';
import { startServer } from '../server.js';
import { workerFigures } from './serve-figures.js';

/** Where a worker finds the embedded PostgreSQL that its primary keeps. Not for people to set. */
export const SOCKET_VARIABLE = 'COUNTERSIGN_WORKER_SOCKET';

/** What a worker does: serves until it is asked to stop, or until its primary is gone. */
export async function runWorker(config: Config, log: Log): Promise<number> {
  const asked = new Promise<void>((resolve) => {
    process.on('SIGTERM', () => resolve());
    // Ctrl-C and a closed terminal reach the whole group of processes; the primary then decides.
    process.on('SIGINT', () => undefined);
    process.on('SIGHUP', () => undefined);
  });
  const figures = workerFigures();
  try {
    const server = await startServer(config, databaseOf(config), await loadKeys(config), log, figures.share);
    process.send?.({ event: 'listening', url: server.url });
    await asked;
    await server.stop();
    await figures.leave();
    await leave();
    return 0;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    process.send?.({ event: 'failed', cannotListen: error instanceof ListenError, message });
    await leave();
    return 1;
  }
}

// The primary hands connections over: one that is on its way when this worker stops accepting goes to another worker
// only if this one still says so. Its farewell is answered after all of them.
async function leave(): Promise<void> {
  if (!process.connected) return;
  const left = once(process, 'disconnect');
  cluster.worker?.disconnect();
  await left;
}

function databaseOf(config: Config): DatabaseWays {
  const socketPath = process.env[SOCKET_VARIABLE];
  const database = socketPath === undefined ? configuredDatabase(config) : databaseAt(socketPath);
  if (database === undefined) throw new Error('a worker without its primary');
  return database;
}
