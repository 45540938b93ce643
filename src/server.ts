import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { getRequestListener } from '@hono/node-server';
import type { Config } from './config.js';
import type { DatabaseWays } from './host.js';
import { createDrain } from './http/drain.js';
import { listen } from './http/listen.js';
import type { Log } from './http/log.js';
import type { ShareFigures } from './http/metrics.js';
import { answerUnreadable, LISTENER_OPTIONS } from './http/unreadable.js';
import type { Keys } from './keys.js';
import { createService } from './service.js';
import { openJournal } from './store/journal.js';

/** A service that listens. */
export interface RunningServer {
  /** Where this machine reaches it. */
  readonly url: string;
  /** Stops accepting, finishes what is in flight (10 s at most), closes the database connections. */
  stop(): Promise<void>;
}

/** How much the old heap may grow, in percent of what lives in it, before V8 collects it whole. About 25 MB live; by itself V8
 *  would do it every few seconds under load, and that is what the slowest hundredth of all answers waited for. */
const HEAP_GROWTH = 300;

const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
const KEEP_ALIVE_TIMEOUT_MS = 65_000;

/** Listens on the configured port and serves over the database. Throws `ListenError`. */
export async function startServer(
  config: Config,
  database: DatabaseWays,
  keys: Keys,
  log: Log,
  shareFigures?: ShareFigures,
): Promise<RunningServer> {
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWTH}`);
  let url = '';
  const service = await createService({
    options: database.options,
    direct: database.direct,
    keys,
    journal:
      config.revocationJournal === undefined ? undefined : openJournal(config.revocationJournal, keys.peppers[0]),
    issuer: () => config.issuer ?? url,
    trustedProxies: config.trustedProxies,
    allowedPrivateNetworks: config.allowedPrivateNetworks,
    githubKeysUrl: config.githubKeysUrl,
    gitlabToken: config.gitlabToken,
    mail: config.mail && { settings: config.mail },
    log,
    now: () => new Date(),
    oidc: config.oidc,
    shareFigures,
  });
  const others = getRequestListener(service.app.fetch, LISTENER_OPTIONS);
  const server = createServer((request, response) => {
    if (!service.direct(request, response)) void others(request, response);
  });
  server.on('clientError', answerUnreadable);
  const drain = createDrain(server);
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.keepAliveTimeout = KEEP_ALIVE_TIMEOUT_MS;
  try {
    url = urlOf(await listen(server, config));
  } catch (error) {
    await service.close();
    throw error;
  }
  server.on('error', (error) => log.error({ err: error }, 'a connection could not be accepted'));
  return {
    url,
    stop: async () => {
      service.drain();
      await drain();
      await service.close();
    },
  };
}

/** A wildcard address is reached over loopback. */
function urlOf({ address, family, port }: AddressInfo): string {
  if (address === '0.0.0.0' || address === '::') return `http://127.0.0.1:${port}`;
  return family === 'IPv6' ? `http://[${address}]:${port}` : `http://${address}:${port}`;
}
