import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

// Below what systems hand out themselves (Linux from 32768, others from 49152): what is asked for any port, and every
// connection that is made meanwhile, gets another one.
const FIRST = 20_000;
const END = 32_000;

/** A port of 127.0.0.1 that nobody listens on, for who cannot ask for any port, or gives one up for a while. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST, END);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
