import { dirname } from 'node:path';
import type { ConnectionOptions } from '../../src/store/connect.js';

/** The PostgreSQL of a test run. */
export interface TestServer {
  readonly admin: ConnectionOptions;
  /** What the names of all databases of this run start with. */
  readonly prefix: string;
  /** A migrated database that is cloned. */
  readonly template: string;
}

/** The same server, another database. */
export function onDatabase(server: ConnectionOptions, database: string): ConnectionOptions {
  if (!('url' in server)) return { ...server, database };
  const url = new URL(server.url);
  url.pathname = `/${database}`;
  return { ...server, url: url.href };
}

/** What `DATABASE_URL` says to reach it. */
export function urlOf(options: ConnectionOptions): string {
  if ('url' in options) return options.url;
  const host = encodeURIComponent(dirname(options.socketPath));
  return `postgres://postgres@${host}/${options.database ?? 'postgres'}`;
}
