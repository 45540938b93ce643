import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Server as NetServer, type Socket } from 'node:net';

/** How a server ends without cutting anybody off. */
export interface Drain {
  /** Takes note of a request that begins. */
  began(request: IncomingMessage, response: ServerResponse): void;
  /** Stops accepting, and resolves when what is in flight is answered, after 10 s at most. */
  start(): Promise<void>;
}

const DRAIN_MS = 10_000;
// The next request of a client that keeps its connection may be on its way: it is waited for, and answered.
const IDLE_MS = 250;
// A browser opens connections ahead of need. One that brings no request within this time brings none.
const SILENCE_MS = 1_000;

/** Watches over the connections of a server. */
export function createDrain(server: Server): Drain {
  // The last response of each open connection: those that are on their way tell the client to come again elsewhere.
  const connections = new Map<Socket, ServerResponse | undefined>();
  let isDraining = false;

  server.on('connection', (socket: Socket) => {
    connections.set(socket, undefined);
    socket.once('close', () => connections.delete(socket));
  });

  function cutSilent(): void {
    for (const [socket, response] of connections)
      if (response === undefined && socket.bytesRead === 0) socket.destroy();
  }

  return {
    began: (request, response) => {
      connections.set(request.socket, response);
      if (isDraining) response.shouldKeepAlive = false;
    },
    start: async () => {
      isDraining = true;
      // Not the close of the HTTP server: that ends the idle connections at once.
      const closed = new Promise<void>((resolve) => NetServer.prototype.close.call(server, () => resolve()));
      for (const response of connections.values()) if (response) response.shouldKeepAlive = false;
      // Again and again, because a stream whose answer had begun leaves its connection idle.
      const sweep = setInterval(() => server.closeIdleConnections(), IDLE_MS);
      const silence = setInterval(cutSilent, SILENCE_MS);
      const cut = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
      await closed;
      clearInterval(sweep);
      clearInterval(silence);
      clearTimeout(cut);
    },
  };
}
