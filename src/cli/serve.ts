import cluster from 'node:cluster';
import { type Config, readConfig } from '../config.js';
import { type Host, openHost } from '../host.js';
import { createLog, type Log } from '../http/log.js';
import { type Keys, loadKeys } from '../keys.js';
import type { RunningServer } from '../server.js';
import { VERSION } from '../version.js';
import { print, say } from './output.js';
import { keepEmbedded } from './serve-embedded.js';

/** Runs the service until SIGTERM or SIGINT: then it stops accepting, finishes what is in flight and exits 0. */
export async function runServe(flags: { json?: true }): Promise<number> {
  const asked = cluster.isWorker ? undefined : stopAsked();
  const config = readConfig(process.env);
  const log = createLog(config.logLevel, process.stderr);
  if (asked === undefined) return (await import('./serve-worker.js')).runWorker(config, log);
  const keys = await loadKeys(config);
  // The rest of the program is read while PostgreSQL starts, and while it is asked about its schema.
  const host = await openHost(config, 'serve', () => {
    void import('./serve-prepare.js');
    void importListen(config);
  });
  try {
    const { prepareDatabase } = await import('./serve-prepare.js');
    const prepared = prepareDatabase(config, host, keys);
    // It is awaited below, and may fail before.
    prepared.catch(() => undefined);
    const listen = await importListen(config);
    // Another node may be migrating for a while: who is asked to stop does not wait for that.
    const reasonEarly = await Promise.race([asked, prepared.then(() => undefined)]);
    if (reasonEarly !== undefined) return 0;
    const server = await listen(config, host, keys, log);
    announce(server.url, await prepared, flags);
    const kept = keepEmbedded(host, config, log, asked);
    const reason = await Promise.race([asked, kept]);
    log.info({ reason }, 'stopping');
    await server.stop();
    await kept;
    return reason === 'database lost' ? 69 : 0;
  } finally {
    await host.close();
  }
}

type Listen = (config: Config, host: Host, keys: Keys, log: Log) => Promise<RunningServer>;

// Of a process that only keeps workers nobody asks anything: it does without the service.
async function importListen({ workers }: Config): Promise<Listen> {
  if (workers === 1) return (await import('../server.js')).startServer;
  const { startWorkers } = await import('./serve-workers.js');
  return (config, host, _keys, log) => startWorkers(config, host, log);
}

function stopAsked(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    process.on('SIGTERM', resolve);
    process.on('SIGINT', resolve);
    // With workers it means a rolling restart. It never means to stop.
    process.on('SIGHUP', () => undefined);
  });
}

function announce(url: string, tokenFile: string | null, flags: { json?: true }): void {
  if (flags.json) {
    print(JSON.stringify({ event: 'listening', url, pid: process.pid, token_file: tokenFile }));
    return;
  }
  say(`Countersign ${VERSION} listens on ${url}`);
  if (tokenFile) say(`Sign in:        countersign auth login --with-token < ${tokenFile}`);
  else say('Sign in:        countersign auth login --with-token (a lost token: countersign member recover EMAIL)');
  say(`The interface:  ${url}/docs`);
  say('Stop:           Ctrl-C');
}
