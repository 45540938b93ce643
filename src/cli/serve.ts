import cluster from 'node:cluster';
import { access, writeFile } from 'node:fs/promises';
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
import { runWorker, startWorkers } from './serve-workers.js';

const FIRST_WORKSPACE = { slug: 'default', ownerEmail: 'owner@countersign.local' };

/** Runs the service until SIGTERM or SIGINT: then it stops accepting, finishes what is in flight and exits 0. */
export async function runServe(flags: { json?: true }): Promise<number> {
  const config = readConfig(process.env);
  const log = createLog(config.logLevel, process.stderr);
  if (cluster.isWorker) return runWorker(config, log);
  const asked = stopAsked();
  const keys = await loadKeys(config);
  const host = await openHost(config, 'serve');
  try {
    await migrateDatabase(host.direct, new Date());
    const tokenFile = await firstToken(config, host, keys);
    const server = await listen(config, host, keys, log);
    announce(server.url, tokenFile, flags);
    const lost = keepEmbedded(host, config, log);
    const reason = await Promise.race([asked, lost]);
    log.info({ reason }, 'stopping');
    await server.stop();
    return reason === 'database lost' ? 69 : 0;
  } finally {
    await host.close();
  }
}

function listen(config: Config, host: Host, keys: Keys, log: Log): Promise<RunningServer> {
  return config.workers === 1 ? startServer(config, host, keys, log) : startWorkers(config, host, log);
}

function stopAsked(): Promise<string> {
  return new Promise((resolve) => {
    process.on('SIGTERM', resolve);
    process.on('SIGINT', resolve);
  });
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
      if (signIn) await writeFile(path, `${signIn.printed}\n`, { mode: 0o600 });
    }
  } finally {
    await database.close();
  }
  return access(path).then(
    () => path,
    () => null,
  );
}

function announce(url: string, tokenFile: string | null, flags: { json?: true }): void {
  if (flags.json) {
    print(JSON.stringify({ event: 'listening', url, pid: process.pid, token_file: tokenFile }));
    return;
  }
  say(`Countersign ${VERSION} listens on ${url}`);
  // A login is stored with the service's URL, so the first one has to name it.
  const login = `COUNTERSIGN_URL=${url} countersign auth login --with-token`;
  if (tokenFile) say(`Sign in:        ${login} < ${tokenFile}`);
  else say(`Sign in:        ${login} (a lost token: countersign member recover EMAIL)`);
  say(`The interface:  ${url}/docs`);
  say('Stop:           Ctrl-C');
}
