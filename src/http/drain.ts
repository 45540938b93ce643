import type { Server } from 'node:http';
import { Server as NetServer, type Socket } from 'node:net';

const DRAIN_MS = 10_000;
// The next request of a client that keeps its connection may be on its way: it is waited for, and answered.
const IDLE_MS = 250;
// A browser opens connections ahead of need. One that brings no request within this time brings none.
const SILENCE_MS = 1_000;

/** Watches over the connections of a server. What it gives stops accepting, and resolves when what is in flight is
 *  answered, after 10 s at most. The answers themselves tell the clients to come again elsewhere. */
export function createDrain(server: Server): () => Promise<void> {
  const connections = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
  });

  function cutSilent(): void {
    for (const socket of connections) if (socket.bytesRead === 0) socket.destroy();
  }

  return async () => {
    // Not the close of the HTTP server: that ends the idle connections at once.
    const closed = new Promise<void>((resolve) => NetServer.prototype.close.call(server, () => resolve()));
    // Again and again, because a stream whose answer had begun leaves its connection idle.
    const sweep = setInterval(() => server.closeIdleConnections(), IDLE_MS);
    const silence = setInterval(cutSilent, SILENCE_MS);
    const cut = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
    await closed;
    clearInterval(sweep);
    clearInterval(silence);
    clearTimeout(cut);
  };
}
