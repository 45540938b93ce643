import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Another one for each test file: the guard ends every process that carries its check's id. */
export const CHECK_ID = newCheckId();
export const TOKEN = `cst_0123456789ABCDEFGHIJKL_${'s3cretS3cretXYZ'.repeat(3)}abcd`;

export interface Call {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: unknown;
}

type Handler = (response: ServerResponse, call: Call) => void;

/** A service that answers what a test wants, over real sockets. */
export interface ScriptedService {
  readonly url: string;
  readonly calls: Call[];
  check: Handler;
  watch: Handler;
  finish: Handler;
  renew: Handler;
  exchange: Handler;
  metadata: Handler;
  /** Resolves when the n-th watch (from 1) is open. */
  watched(n?: number): Promise<ServerResponse>;
  /** Cuts every open watch. */
  cut(): void;
  finishes(): unknown[];
  close(): Promise<void>;
}

/** An allow as the service gives it, with any member replaced. */
export function allow(over: Record<string, unknown> = {}): Record<string, unknown> {
  const asOf = new Date('2031-05-01T00:00:00Z');
  const iat = asOf.getTime() / 1000 - 60;
  return {
    check_id: CHECK_ID,
    decision: 'allow',
    reasons: [],
    as_of: asOf.toISOString(),
    token: {
      active: true,
      iss: 'http://127.0.0.1',
      sub: 'mem_0123456789ABCDEFGHIJKL',
      username: 'ada@example.com',
      client_id: 'tests',
      scope: 'codex:exec',
      token_type: 'Bearer',
      iat,
      nbf: iat,
      exp: iat + 86_400,
      jti: 'tok_0123456789ABCDEFGHIJKL',
      workspace_id: 'ws_0123456789ABCDEFGHIJKL',
      workspace: 'acme',
      workflow: 'tests',
      authorization_details: [],
    },
    valid_until: new Date(asOf.getTime() + 21_600_000).toISOString(),
    ...over,
  };
}

/** The members that an allow of a run with a short lease has beside the others. */
export function leased(checkId: string, seconds: number): Record<string, unknown> {
  const endsAt = new Date(Date.parse(String(allow()['as_of'])) + seconds * 1000);
  return { check_id: checkId, run_id: checkId.replace('chk_', 'run_'), lease_ends_at: endsAt.toISOString() };
}

/** A run as the service shows it, with any member replaced. */
export function run(checkId: string, over: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    run_id: checkId.replace('chk_', 'run_'),
    check_id: checkId,
    status: 'running',
    workflow: 'tests',
    token_id: 'tok_0123456789ABCDEFGHIJKL',
    creator: { id: 'mem_0123456789ABCDEFGHIJKL', email: 'ada@example.com', name: null },
    caller_token_id: 'tok_0123456789ABCDEFGHIJKL',
    scopes: [],
    context: {},
    ip: null,
    runner: null,
    started_at: '2031-05-01T00:00:00Z',
    lease_ends_at: '2031-05-01T00:02:00Z',
    valid_until: '2031-05-01T06:00:00Z',
    exit_code: null,
    signal: null,
    finished_at: null,
    stopped_at: null,
    stopped_by: null,
    stopped_reason: null,
    ...over,
  };
}

export function deny(reasons = [{ code: 'scope_missing', detail: 'the token does not hold codex:exec' }]) {
  return { ...allow(), decision: 'deny', reasons, valid_until: null };
}

export function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

export function problem(response: ServerResponse, status: number, kind: string): void {
  response.writeHead(status, { 'content-type': 'application/problem+json' });
  const type = `http://127.0.0.1/problems/${kind}`;
  response.end(JSON.stringify({ type, title: kind, status, detail: `because of ${kind}`, instance: '/v1/x' }));
}

export function openStream(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write(': alive\n\n');
}

export async function scriptedService(): Promise<ScriptedService> {
  const watches: ServerResponse[] = [];
  const waiting: { n: number; resolve: (response: ServerResponse) => void }[] = [];
  const calls: Call[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const path = request.url ?? '';
    const call = { method: request.method ?? '', path, headers: request.headers, body: bodyOf(request, text) };
    calls.push(call);
    if (path === '/oauth2/token') return service.exchange(response, call);
    if (path === '/.well-known/oauth-authorization-server') return service.metadata(response, call);
    if (path === '/v1/exec/checks') return service.check(response, call);
    if (path.endsWith('/finish')) return service.finish(response, call);
    if (path.endsWith('/renew')) return service.renew(response, call);
    watches.push(response);
    service.watch(response, call);
    for (const one of waiting.filter(({ n }) => n <= watches.length)) {
      const watch = watches[one.n - 1];
      if (watch) one.resolve(watch);
    }
  });
  // Of an idle connection both ends may be about to speak and to close: only the client closes.
  server.keepAliveTimeout = 0;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const service: ScriptedService = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    check: (response) => json(response, 200, allow()),
    watch: openStream,
    finish: (response) =>
      json(response, 200, {
        ...allow(),
        token_id: null,
        caller_token_id: 'tok_0123456789ABCDEFGHIJKL',
        workflow: 'tests',
        scopes: [],
        context: {},
        ip: null,
        finished_at: null,
        exit_code: null,
        signal: null,
      }),
    renew: (response) => problem(response, 404, 'not-found'),
    exchange: (response) => json(response, 200, exchanged()),
    metadata: (response) => json(response, 200, { issuer: service.url }),
    watched: (n = 1) =>
      new Promise((resolve) => {
        const watch = watches[n - 1];
        if (watch) resolve(watch);
        else waiting.push({ n, resolve });
      }),
    cut() {
      for (const watch of watches) watch.destroy();
    },
    finishes: () => calls.filter((call) => call.path.endsWith('/finish')).map((call) => call.body),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return service;
}

function bodyOf({ headers }: IncomingMessage, text: string): unknown {
  if (headers['content-type']?.startsWith('application/x-www-form-urlencoded')) {
    return Object.fromEntries(new URLSearchParams(text));
  }
  return text && JSON.parse(text);
}

/** What an exchange gives, with any member replaced. */
export function exchanged(over: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    access_token: TOKEN,
    issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    token_type: 'Bearer',
    expires_in: 3600,
    scope: 'codex:exec',
    ...over,
  };
}

/** An error of RFC 6749 section 5.2. */
export function oauthError(response: ServerResponse, status: number, error: string, description: string): void {
  json(response, status, { error, error_description: description });
}

export function newCheckId(): string {
  return `chk_${Array.from({ length: 22 }, () => randomInt(10)).join('')}`;
}
