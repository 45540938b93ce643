import { generateKeyPairSync, sign } from 'node:crypto';
import { createServer } from 'node:http';

/** GitHub's secret scanning, as far as the service sees it: a list of keys on a port of 127.0.0.1, and alerts signed with one. */
export interface Github {
  readonly keysUrl: string;
  /** The headers with which it sends a body. */
  signed(body: string): Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** Starts it. Close it in `afterAll`. */
export async function createGithub(): Promise<Github> {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const list = JSON.stringify({ public_keys: [{ key_identifier: 'current', key, is_current: true }] });
  const server = createServer((_, response) => response.writeHead(200).end(list));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('listening gave no port');
  return {
    keysUrl: `http://127.0.0.1:${address.port}/`,
    signed: (body) => ({
      'content-type': 'application/json',
      'github-public-key-identifier': 'current',
      'github-public-key-signature': sign('sha256', Buffer.from(body), privateKey).toString('base64'),
    }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
