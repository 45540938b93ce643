import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { Config } from '../config.js';
import type { Host } from '../host.js';
import { ListenError, listen } from '../http/listen.js';
import type { Log } from '../http/log.js';
import type { RunningServer } from '../server.js';
import { primaryFigures } from './serve-figures.js';
import { SOCKET_VARIABLE } from './serve-worker.js';

const listening = z.object({ event: z.literal('listening'), url: z.string() });
const failed = z.object({ event: z.literal('failed'), cannotListen: z.boolean(), message: z.string() });

const PAUSE_MS = 1_000;
const STOP_MS = 15_000;

/** Starts the workers, which share the port, and keeps their number: one that ends is started again. SIGHUP renews them
 *  one after the other: each old one drains when a new one listens. */
export async function startWorkers(config: Config, host: Host, log: Log): Promise<RunningServer> {
  const [, entry = ''] = process.argv;
  cluster.setupPrimary({ exec: entry, args: ['serve', '--json'] });
  // Those that are to be replaced when they end.
  const crew = new Set<Worker>();
  const followFigures = primaryFigures(log);
  let url = '';
  let isStopping = false;
  const environment = {
    PORT: String(config.port === 0 ? await freePort(config) : config.port),
    ...(host.embedded ? { [SOCKET_VARIABLE]: host.embedded.socketPath } : {}),
  };

  async function start(): Promise<void> {
    const worker = cluster.fork(environment);
    try {
      url = await untilListening(worker);
    } catch (error) {
      await stopWorker(worker);
      throw error;
    }
    followFigures(worker);
    crew.add(worker);
    worker.once('exit', (code, signal) => {
      if (!crew.delete(worker) || isStopping) return;
      log.error({ worker: worker.process.pid, code, signal }, 'a worker ended; starting another');
      void replace();
    });
  }

  async function replace(): Promise<void> {
    while (!isStopping) {
      try {
        return await start();
      } catch (error) {
        if (!isStopping) log.error({ err: error }, 'a worker did not start; trying again');
        await delay(PAUSE_MS);
      }
    }
  }

  async function renewAll(): Promise<void> {
    for (const worker of [...crew]) {
      if (isStopping || !crew.delete(worker)) continue;
      try {
        await start();
      } catch (error) {
        if (!isStopping) log.error({ err: error }, 'a new worker did not start; the old ones go on');
        if (worker.isDead()) void replace();
        else crew.add(worker);
        return;
      }
      await stopWorker(worker);
    }
    log.info('the workers are renewed');
  }

  async function stop(): Promise<void> {
    isStopping = true;
    await Promise.all(liveWorkers().map(stopWorker));
  }

  try {
    await Promise.all(Array.from({ length: config.workers }, start));
  } catch (error) {
    await stop();
    throw error;
  }
  let renewing = Promise.resolve();
  process.on('SIGHUP', () => {
    renewing = renewing.then(renewAll);
  });
  return { url, stop };
}

function liveWorkers(): Worker[] {
  return Object.values(cluster.workers ?? {}).flatMap((worker) => (worker?.isDead() === false ? [worker] : []));
}

// Picked once, so that a worker that comes when all others are gone still listens where the clients look.
async function freePort(config: Config): Promise<number> {
  const server = createServer();
  const { port } = await listen(server, config);
  server.close();
  await once(server, 'close');
  return port;
}

async function untilListening(worker: Worker): Promise<string> {
  return new Promise((resolve, reject) => {
    worker.on('message', (message: unknown) => {
      const up = listening.safeParse(message);
      if (up.success) resolve(up.data.url);
      const down = failed.safeParse(message);
      if (down.success)
        reject(down.data.cannotListen ? new ListenError(down.data.message) : new Error(down.data.message));
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
