import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { z } from 'zod';
import type { Config } from '../config.js';
import type { Host } from '../host.js';
import type { Log } from '../http/log.js';
import { loadKeys } from '../keys.js';
import { type RunningServer, startServer } from '../server.js';

/** Where a worker finds the embedded PostgreSQL that its primary keeps. Not for people to set. */
const SOCKET_VARIABLE = 'COUNTERSIGN_WORKER_SOCKET';

const listening = z.object({ event: z.literal('listening'), url: z.string() });
const failed = z.object({ event: z.literal('failed'), message: z.string() });

const RESTART_MS = 1_000;
const STOP_MS = 12_000;

/** Starts the workers, which share the port, and keeps their number: one that ends is started again. */
export async function startWorkers(config: Config, host: Host, log: Log): Promise<RunningServer> {
  const [, entry = ''] = process.argv;
  cluster.setupPrimary({ exec: entry, args: ['serve', '--json'] });
  const environment = host.embedded ? { [SOCKET_VARIABLE]: host.embedded.socketPath } : {};
  let isStopping = false;

  function keep(worker: Worker): void {
    worker.once('exit', (code, signal) => {
      if (isStopping) return;
      log.error({ worker: worker.process.pid, code, signal }, 'a worker ended; starting another');
      setTimeout(() => {
        if (!isStopping) keep(cluster.fork(environment));
      }, RESTART_MS);
    });
  }

  async function stop(): Promise<void> {
    isStopping = true;
    await Promise.all(Object.values(cluster.workers ?? {}).flatMap((worker) => (worker ? [stopWorker(worker)] : [])));
  }

  const started = Array.from({ length: config.workers }, () => cluster.fork(environment));
  try {
    const [url = ''] = await Promise.all(started.map(untilListening));
    for (const worker of started) keep(worker);
    return { url, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What a worker does: serves until it is asked to stop, or until its primary is gone. */
export async function runWorker(config: Config, log: Log): Promise<number> {
  const asked = new Promise<void>((resolve) => {
    process.on('SIGTERM', () => resolve());
    // Ctrl-C reaches the whole group of processes; the primary then asks.
    process.on('SIGINT', () => undefined);
    process.on('disconnect', () => resolve());
  });
  try {
    const server = await startServer(config, workerHost(config), await loadKeys(config), log);
    process.send?.({ event: 'listening', url: server.url });
    await asked;
    await server.stop();
    return 0;
  } catch (error) {
    process.send?.({ event: 'failed', message: error instanceof Error ? error.message : String(error) });
    return 1;
  }
}

function workerHost(config: Config): Pick<Host, 'options' | 'direct'> {
  const socketPath = process.env[SOCKET_VARIABLE];
  if (socketPath !== undefined) {
    const options = { socketPath, usesPrepared: true };
    return { options, direct: options };
  }
  const usesPrepared = config.databasePrepare;
  const url = config.databaseUrl ?? '';
  return { options: { url, usesPrepared }, direct: { url: config.databaseDirectUrl ?? url, usesPrepared } };
}

async function untilListening(worker: Worker): Promise<string> {
  return new Promise((resolve, reject) => {
    worker.on('message', (message: unknown) => {
      const up = listening.safeParse(message);
      if (up.success) resolve(up.data.url);
      const down = failed.safeParse(message);
      if (down.success) reject(new Error(down.data.message));
    });
    worker.once('exit', () => reject(new Error('a worker ended before it listened')));
  });
}

async function stopWorker(worker: Worker): Promise<void> {
  if (worker.isDead()) return;
  const exited = once(worker, 'exit');
  worker.process.kill('SIGTERM');
  const late = setTimeout(() => worker.process.kill('SIGKILL'), STOP_MS);
  await exited;
  clearTimeout(late);
}
