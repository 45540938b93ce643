import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { findBinaries } from './embedded-binaries.js';
import { claimServer } from './embedded-claim.js';
import { ensureCluster } from './embedded-cluster.js';
import { prepareDataDir, unless, whyNot } from './embedded-directory.js';
import { EmbeddedError } from './embedded-error.js';
import { startPostmaster } from './embedded-postmaster.js';
import { findAccount } from './embedded-privileges.js';
import { clearStale, findRunning, type RunningServer, stopRunning } from './embedded-running.js';

export { prepareDataDir } from './embedded-directory.js';

/** The PostgreSQL in the data directory, in use by this process. */
export interface EmbeddedPostgres {
  /** The whole path of its socket. */
  readonly socketPath: string;
  /** Whether one was found running: for a serve what a killed one left, for a visit the one it joined. */
  readonly wasRunning: boolean;
  /** Resolves when it ends, or goes to another serve, without this process having asked for it. Never for a visit that
   *  joined. */
  readonly exited: Promise<void>;
  /** Stops it; a visit leaves it running when somebody else uses it. */
  stop(): Promise<void>;
}

export interface EmbeddedOptions {
  readonly dataDir: string;
  /** A `serve` has the data directory alone. A `visit` joins a running server or starts one for a short command. */
  readonly purpose: 'serve' | 'visit';
  readonly settings?: Readonly<Record<string, string>>;
  /** Called when a server was started and is not ready yet. */
  readonly onStarting?: (() => void) | undefined;
}

const PATIENCE_MS = 60_000;
const VISITORS_LEAVE_MS = 10_000;
const POLL_MS = 20;

/** Starts the PostgreSQL of the data directory, or joins the one that runs. Throws {@link EmbeddedError} when the
 *  directory is in use by another serve or cannot be used. */
export async function openEmbedded(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const dataDir = await prepareDataDir(options.dataDir);
  const deadline = Date.now() + PATIENCE_MS;
  let wasRunning = false;
  while (Date.now() < deadline) {
    const running = await findRunning(clusterOf(dataDir));
    wasRunning ||= running !== undefined;
    const attempt = running ? meet(dataDir, options, running) : start(dataDir, options);
    const opened = await attempt.catch((error: unknown) => {
      throw asEmbeddedError(dataDir, error);
    });
    if (opened) return { ...opened, wasRunning };
    await delay(POLL_MS);
  }
  throw new EmbeddedError(
    `the PostgreSQL of ${dataDir} neither answers nor ends: see ${join(dataDir, 'postgres.log')}`,
  );
}

/** Whether a data directory holds a database. Looks, and makes nothing. */
export async function isClusterMade(dataDir: string): Promise<boolean> {
  return (await stat(join(clusterOf(dataDir), 'PG_VERSION')).catch(unless('ENOENT'))) !== undefined;
}

type Opened = Omit<EmbeddedPostgres, 'wasRunning'>;

// Both give `undefined` when other processes changed what is there meanwhile: then it is looked at again.
async function start(dataDir: string, options: EmbeddedOptions): Promise<Opened | undefined> {
  const cluster = clusterOf(dataDir);
  const binaries = await findBinaries(join(dataDir, 'lib'));
  const account = await findAccount(existsSync(cluster) ? cluster : dataDir, binaries);
  await ensureCluster(cluster, binaries, account);
  await clearStale(cluster);
  const postmaster = await startPostmaster({
    cluster,
    binaries,
    account,
    settings: options.settings ?? {},
    onStarting: options.onStarting,
  });
  if (postmaster === undefined) return undefined;
  const claim = await claimServer(postmaster.socketPath, options.purpose);
  if (typeof claim === 'string') {
    await postmaster.stop();
    if (claim === 'taken') throw inUse(dataDir);
    return undefined;
  }
  const exited = Promise.race([postmaster.exited, claim.lost]);
  void postmaster.exited.then(claim.release);
  return {
    socketPath: postmaster.socketPath,
    exited,
    stop: async () => {
      claim.expectEnd();
      if (options.purpose === 'visit' && (await claim.isLast()) === false) postmaster.leave();
      else await postmaster.stop();
      await claim.release();
    },
  };
}

async function meet(dataDir: string, options: EmbeddedOptions, running: RunningServer): Promise<Opened | undefined> {
  if (!running.isReady) return undefined;
  const cluster = clusterOf(dataDir);
  const claim = await claimServer(running.socketPath, options.purpose);
  if (claim === 'taken') throw inUse(dataDir);
  if (claim === 'away') return undefined;
  claim.expectEnd();
  if (options.purpose === 'serve') {
    // Left by a serve that was killed, or started by a visit. A serve runs a server of its own, which ends with it.
    await claim.waitForOthers(VISITORS_LEAVE_MS);
    await stopRunning(cluster, running).finally(claim.release);
    return undefined;
  }
  return {
    socketPath: running.socketPath,
    exited: new Promise(() => undefined),
    stop: async () => {
      if ((await claim.isLast()) === true) await stopRunning(cluster, running);
      await claim.release();
    },
  };
}

function clusterOf(dataDir: string): string {
  return join(dataDir, 'postgres');
}

function inUse(dataDir: string): EmbeddedError {
  return new EmbeddedError(`the data directory ${dataDir} is in use by another countersign serve`);
}

function asEmbeddedError(dataDir: string, error: unknown): unknown {
  const isOfSystem = error instanceof Error && 'syscall' in error;
  if (!isOfSystem) return error;
  return new EmbeddedError(`the data directory ${dataDir} cannot be used: ${whyNot(error)}`, { cause: error });
}
