import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Stage } from './stage.js';

/** Listens on a port of 127.0.0.1 until the stage ends. Gives the base URL. */
export async function listenOnLoopback(
  stage: Stage,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  stage.atEnd(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('listening gave no port');
  return `http://127.0.0.1:${address.port}`;
}
