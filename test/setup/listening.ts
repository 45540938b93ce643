import { createServer } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { answerUnreadable, LISTENER_OPTIONS } from '../../src/http/unreadable.js';
import { createTestService, type TestService, type TestServiceOptions } from './service.js';

/** A test service on a port of 127.0.0.1, for clients that are not ours. */
export interface ListeningService extends TestService {
  /** Its base URL, which is its issuer. */
  readonly url: string;
}

/** Starts a service that listens on a free port. Close it in `afterAll` or `afterEach`. */
export async function createListeningService(
  options: Omit<TestServiceOptions, 'issuer'> = {},
): Promise<ListeningService> {
  let url = '';
  const service = await createTestService({ ...options, issuer: () => url });
  const others = getRequestListener(service.service.app.fetch, LISTENER_OPTIONS);
  const server = createServer((request, response) => {
    if (!service.service.direct(request, response)) void others(request, response);
  });
  server.on('clientError', answerUnreadable);
  // Of an idle connection both ends may be about to speak and to close: only the client closes.
  server.keepAliveTimeout = 0;
  url = await new Promise<string>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (address === null || typeof address === 'string') reject(new Error('listening gave no port'));
      else resolve(`http://127.0.0.1:${address.port}`);
    });
  });
  return {
    ...service,
    url,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
      await service.close();
    },
  };
}
