import { createServer, connect as dial, type Server, type Socket } from 'node:net';
import type { ConnectionOptions } from '../../src/store/connect.js';
import { freePort } from './free-port.js';
import { urlOf } from './server.js';

/** How a database is away: nobody listens, connections end at once, or they are open and nothing comes back. */
export type Outage = 'refusing' | 'closing' | 'hanging';

/** A way to a database that can be cut. */
export interface DatabaseProxy {
  readonly options: ConnectionOptions;
  cut(outage: Outage): Promise<void>;
  /** New connections come through again. Those that hung stay so for good: their other end is gone. */
  restore(): Promise<void>;
  close(): Promise<void>;
}

/** Opens a TCP port of 127.0.0.1 that leads to a database, by its Unix socket or its address. */
export async function createDatabaseProxy(database: ConnectionOptions): Promise<DatabaseProxy> {
  const upstream = new URL(urlOf(database));
  const links = new Set<Link>();
  let outage: Outage | undefined;
  const server = createServer((near) => {
    near.on('error', () => undefined);
    if (outage === 'closing') {
      near.destroy();
      return;
    }
    const link = new Link(near, outage === 'hanging' ? undefined : reach(upstream));
    links.add(link);
    near.once('close', () => links.delete(link));
  });
  // While nobody listens on it nobody else may come to.
  const port = await freePort();
  await listen(server, port);
  const url = new URL(upstream);
  url.host = `127.0.0.1:${port}`;
  url.searchParams.delete('host');
  url.searchParams.delete('port');
  return {
    options: { url: url.href, usesPrepared: database.usesPrepared },
    cut: async (how) => {
      outage = how;
      for (const link of links) {
        if (how === 'hanging') link.hang();
        else link.destroy();
      }
      if (how === 'refusing') await stop(server);
    },
    restore: async () => {
      outage = undefined;
      if (!server.listening) await listen(server, port);
    },
    close: async () => {
      for (const link of links) link.destroy();
      await stop(server);
    },
  };
}

/** A connection and what it leads to; without that it hangs. */
class Link {
  readonly #near: Socket;
  readonly #far: Socket | undefined;

  constructor(near: Socket, far: Socket | undefined) {
    this.#near = near;
    this.#far = far;
    if (far === undefined) {
      near.resume();
      return;
    }
    near.pipe(far).pipe(near);
    near.once('close', () => far.destroy());
    far.once('close', () => near.destroy());
    far.on('error', () => undefined);
  }

  hang(): void {
    this.#far?.unpipe(this.#near);
    this.#near.unpipe();
    this.#near.resume();
    this.#far?.removeAllListeners('close');
    this.#far?.destroy();
  }

  destroy(): void {
    this.#near.destroy();
    this.#far?.destroy();
  }
}

function reach(url: URL): Socket {
  const directory = url.searchParams.get('host') ?? decodeURIComponent(url.hostname);
  const port = Number(url.port || 5432);
  return directory.startsWith('/') ? dial(`${directory}/.s.PGSQL.${port}`) : dial(port, directory);
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
}

function stop(server: Server): Promise<void> {
  return new Promise((resolve) => {
    if (server.listening) server.close(() => resolve());
    else resolve();
  });
}
