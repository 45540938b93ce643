import type { AddressInfo, Server } from 'node:net';

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** The address cannot be listened on. The message is one line for a person. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
}

/** Listens on an address; a port of 0 picks a free one. Throws {@link ListenError}. */
export function listen(server: Server, { host, port }: ListenAddress): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      const why =
        'code' in error && error.code === 'EADDRINUSE' ? 'it is in use: set PORT, or stop what uses it' : error.message;
      reject(new ListenError(`cannot listen on ${host}:${port}: ${why}`, { cause: error }));
    });
    server.listen(port, host, () => {
      const address = server.address();
      if (address === null || typeof address === 'string') reject(new ListenError('listening gave no port'));
      else resolve(address);
    });
  });
}
