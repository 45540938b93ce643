import { createServer, type RequestListener } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { listen } from '../../src/http/listen.js';
import { createLog } from '../../src/http/log.js';
import type { Keys } from '../../src/keys.js';
import { createService, type Service, type ServiceOptions } from '../../src/service.js';
import type { ConnectionOptions } from '../../src/store/connect.js';
import type { Node } from './node.js';

export interface InsideOptions {
  readonly name: string;
  readonly database: ConnectionOptions;
  readonly keys: Keys;
  /** The service's own lookup, or a wrong one. */
  readonly openLookup?: NonNullable<ServiceOptions['openLookup']>;
  /** Puts something in front of the service. */
  readonly wrap?: (answer: RequestListener, service: Service) => RequestListener;
}

/** A service in this process, on a port of its own. */
export async function startInsideNode({ name, database, keys, openLookup, wrap }: InsideOptions): Promise<Node> {
  let url = '';
  const service = await createService({
    options: database,
    direct: database,
    keys,
    issuer: () => url,
    trustedProxies: [],
    log: createLog('silent', process.stderr),
    now: () => new Date(),
    ...(openLookup === undefined ? {} : { openLookup }),
  });
  const others = getRequestListener(service.app.fetch);
  const answer: RequestListener = (request, response) => {
    if (!service.direct(request, response)) void others(request, response);
  };
  const server = createServer(wrap === undefined ? answer : wrap(answer, service));
  const { port } = await listen(server, { host: '127.0.0.1', port: 0 });
  url = `http://127.0.0.1:${port}`;
  return {
    name,
    url,
    stop: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
      await service.close();
    },
  };
}
