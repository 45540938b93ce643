import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../config.js';
import type { Host } from '../host.js';
import type { Log } from '../http/log.js';
import { openEmbedded } from '../store/embedded.js';

const TRIES = 5;
const PAUSE_MS = 1_000;

/** Starts the embedded PostgreSQL again when it ends unasked. Resolves when it does not come back, or comes back where
 *  the pools do not look for it; with a database of one's own, never. */
export async function keepEmbedded(host: Host, config: Config, log: Log): Promise<'database lost'> {
  let { embedded } = host;
  if (embedded === undefined) return new Promise(() => undefined);
  const { socketPath } = embedded;
  for (;;) {
    await embedded.exited;
    log.error('the embedded PostgreSQL ended; starting it again');
    const again = await reopen(config, log);
    if (again?.socketPath !== socketPath) {
      await again?.stop();
      return 'database lost';
    }
    embedded = again;
    host.adopt(again);
  }
}

async function reopen(config: Config, log: Log) {
  for (let attempt = 1; attempt <= TRIES; attempt += 1) {
    try {
      return await openEmbedded({ dataDir: config.dataDir, purpose: 'serve' });
    } catch (error) {
      log.error({ err: error }, 'the embedded PostgreSQL did not start');
      await delay(PAUSE_MS);
    }
  }
  return undefined;
}
