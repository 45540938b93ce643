import cluster from 'node:cluster';
import { access, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Config, readConfig } from '../config.js';
import { type Host, openHost } from '../host.js';
import { createLog, type Log } from '../http/log.js';
import { type Keys, loadKeys } from '../keys.js';
import { type RunningServer, startServer } from '../server.js';
import { openDatabase } from '../store/database.js';
import { migrateDatabase } from '../store/migrate.js';
import { createSecrets } from '../store/secret.js';
import { createWorkspace, listWorkspaces } from '../store/workspaces.js';
import { VERSION } from '../version.js';
import { print, say } from './output.js';
import { keepEmbedded } from './serve-embedded.js';
import { runWorker } from './serve-worker.js';
import { startWorkers } from './serve-workers.js';

const FIRST_WORKSPACE = { slug: 'default', ownerEmail: 'owner@countersign.local' };

/** Runs the service until SIGTERM or SIGINT: then it stops accepting, finishes what is in flight and exits 0. */
export async function runServe(flags: { json?: true }): Promise<number> {
  const asked = cluster.isWorker ? undefined : stopAsked();
  const config = readConfig(process.env);
  const log = createLog(config.logLevel, process.stderr);
  if (asked === undefined) return runWorker(config, log);
  const keys = await loadKeys(config);
  const host = await openHost(config, 'serve');
  try {
    const prepared = prepare(config, host, keys);
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

function listen(config: Config, host: Host, keys: Keys, log: Log): Promise<RunningServer> {
  return config.workers === 1 ? startServer(config, host, keys, log) : startWorkers(config, host, log);
}

function stopAsked(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    process.on('SIGTERM', resolve);
    process.on('SIGINT', resolve);
    // With workers it means a rolling restart. It never means to stop.
    process.on('SIGHUP', () => undefined);
  });
}

async function prepare(config: Config, host: Host, keys: Keys): Promise<string | null> {
  await migrateDatabase(host.direct, new Date());
  return firstToken(config, host, keys);
}

/** On an empty embedded database makes the first workspace, and writes its owner's token to a file. Gives the file's
 *  path, if there is one. */
async function firstToken(config: Config, host: Host, keys: Keys): Promise<string | null> {
  if (host.embedded === undefined) return null;
  const path = join(config.dataDir, 'owner.token');
  const database = openDatabase(host.options);
  try {
    if ((await listWorkspaces(database.db)).length === 0) {
      const signIn = await createWorkspace(database.db, createSecrets(keys.peppers), FIRST_WORKSPACE, new Date());
      if (signIn) await writeWhole(path, `${signIn.printed}\n`);
    }
  } finally {
    await database.close();
  }
  return access(path).then(
    () => path,
    () => null,
  );
}

// Whole or not at all, and 0600 also where an older file was open to others.
async function writeWhole(path: string, text: string): Promise<void> {
  const draft = `${path}.new`;
  await writeFile(draft, text, { mode: 0o600, flush: true });
  await rename(draft, path);
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
