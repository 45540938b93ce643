import { createServer, type IncomingMessage, type Server } from 'node:http';
import { text } from 'node:stream/consumers';

interface Version {
  readonly data: Readonly<Record<string, unknown>> | null;
  readonly version: number;
}

/** A KV store of version 2, mounted at `kv`, as Vault and OpenBao document it: it refuses what they do, and all that a sink
 *  has no business to ask. */
export interface FakeVault {
  readonly url: string;
  /** Each request, as `METHOD path`. */
  readonly asked: string[];
  /** What is at a path; a version that was deleted has no data. */
  readonly secrets: Map<string, Version>;
  /** Called before a write is looked at: somebody else may come in between. */
  interfere: (() => void) | undefined;
  /** Answers instead of the store. */
  instead: { status: number; body: string; headers?: Record<string, string> } | undefined;
  close(): Promise<void>;
}

export const VAULT_TOKEN = 'hvs.a-token-of-the-rotator';

/** Starts it on a port of 127.0.0.1. */
export async function openFakeVault(): Promise<FakeVault> {
  const secrets = new Map<string, Version>();
  const asked: string[] = [];
  const answer = async (request: IncomingMessage): Promise<[number, unknown]> => {
    const { method, url = '', headers } = request;
    asked.push(`${method} ${url}`);
    if (headers['x-vault-token'] !== VAULT_TOKEN) return [403, { errors: ['permission denied'] }];
    if (headers['x-vault-request'] !== 'true') return [412, { errors: ['required header is missing'] }];
    const path = /^\/v1\/kv\/data\/([a-z/%0-9A-Z]+)$/.exec(url)?.[1];
    if (path === undefined) return [404, { errors: ['no handler for route'] }];
    if (method === 'GET') return read(secrets.get(path));
    if (method !== 'POST' || headers['content-type'] !== 'application/json') return [405, { errors: [] }];
    const { options, data, ...more } = JSON.parse(await text(request));
    if (Object.keys(more).length > 0 || typeof data !== 'object') return [400, { errors: ['no data provided'] }];
    fake.interfere?.();
    const { version } = secrets.get(path) ?? { version: 0 };
    if (options?.cas === undefined) return [400, { errors: ['check-and-set parameter required for this call'] }];
    if (options.cas !== version) {
      return [400, { errors: ['check-and-set parameter did not match the current version'] }];
    }
    secrets.set(path, { data, version: version + 1 });
    return [200, { data: metadata(version + 1, '') }];
  };
  const server = createServer((request, response) => {
    const { instead } = fake;
    if (instead) {
      response.writeHead(instead.status, instead.headers).end(instead.body);
      return;
    }
    void answer(request).then(([status, body]) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
  });
  const url = await listen(server);
  const fake: FakeVault = { url, asked, secrets, interfere: undefined, instead: undefined, close: () => close(server) };
  return fake;
}

function read(found: Version | undefined): [number, unknown] {
  if (found === undefined) return [404, { errors: [] }];
  const deleted = found.data === null ? '2026-03-01T00:00:00Z' : '';
  return [deleted === '' ? 200 : 404, { data: { data: found.data, metadata: metadata(found.version, deleted) } }];
}

function metadata(version: number, deleted: string) {
  return { created_time: '2026-03-01T00:00:00Z', deletion_time: deleted, destroyed: false, version };
}

async function listen(server: Server): Promise<string> {
  return await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (address === null || typeof address === 'string') reject(new Error('listening gave no port'));
      else resolve(`http://127.0.0.1:${address.port}`);
    });
  });
}

function close(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
