import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../config.js';
import type { Host } from '../host.js';
import type { Log } from '../http/log.js';
import { type EmbeddedPostgres, openEmbedded } from '../store/embedded.js';

const TRIES = 5;
const PAUSE_MS = 1_000;

/** Starts the embedded PostgreSQL again when it ends unasked, until the service is asked to stop. Gives `database lost`
 *  when it does not come back, or comes back where the pools do not look for it. With a database of one's own there is
 *  nothing to keep. */
export async function keepEmbedded<Asked>(
  host: Host,
  config: Config,
  log: Log,
  asked: Promise<Asked>,
): Promise<Asked | 'database lost'> {
  let { embedded } = host;
  if (embedded === undefined) return asked;
  const { socketPath } = embedded;
  for (;;) {
    const reason = await Promise.race([asked, embedded.exited]);
    if (reason !== undefined) return reason;
    log.error('the embedded PostgreSQL ended; starting it again');
    const again = await reopen(config, log, asked);
    if (again?.socketPath !== socketPath) {
      await again?.stop();
      return 'database lost';
    }
    embedded = again;
    host.adopt(again);
    log.info('the embedded PostgreSQL runs again');
  }
}

async function reopen(config: Config, log: Log, asked: Promise<unknown>): Promise<EmbeddedPostgres | undefined> {
  for (let attempt = 1; attempt <= TRIES; attempt += 1) {
    try {
      return await openEmbedded({ dataDir: config.dataDir, purpose: 'serve' });
    } catch (error) {
      log.error({ err: error }, 'the embedded PostgreSQL did not start');
      await Promise.race([asked, delay(PAUSE_MS)]);
    }
  }
  return undefined;
}
