import { connect, createServer, type Socket } from 'node:net';
import { StepFailed } from './step-failed.js';

/** A way to the service that hands every request on and loses every answer. */
export interface BadNetwork {
  readonly url: string;
  /** How many answers were lost. */
  readonly lost: number;
  close(): Promise<void>;
}

/** Stands between a client and the service. When the first byte of an answer comes back, the connection breaks. */
export async function loseAnswers(serviceUrl: string): Promise<BadNetwork> {
  const { hostname, port } = new URL(serviceUrl);
  const sockets = new Set<Socket>();
  let lost = 0;
  const server = createServer((client) => {
    const service = connect(Number(port), hostname);
    for (const socket of [client, service]) {
      sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    }
    client.pipe(service);
    service.once('data', () => {
      lost += 1;
      client.destroy();
      service.destroy();
    });
    client.on('close', () => service.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new StepFailed('there is no port to listen on');
  return {
    url: `http://127.0.0.1:${address.port}`,
    get lost() {
      return lost;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
