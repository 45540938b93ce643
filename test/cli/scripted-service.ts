import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll } from 'vitest';

/** A request as it arrived. `route` is its method and path, without the query. */
export interface Received {
  readonly route: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** What is answered: a body as JSON, or a text as it is. `lost` cuts the connection instead: the client never learns what became of its request. */
export type Answer =
  | {
      readonly status: number;
      readonly body?: unknown;
      readonly text?: string;
      readonly headers?: Record<string, string>;
    }
  | 'lost';
export type Script = (request: Received) => Answer;

/** A service that follows a script and remembers what it was asked, so that answers no real one gives can be tried. */
export function scriptedService() {
  let script: Script = () => problem(404, 'not-found', 'there is no such thing');
  let received: Received[] = [];
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://service');
    const one: Received = {
      route: `${request.method} ${url.pathname}`,
      query: url.searchParams,
      headers: request.headers,
      body: await text(request),
    };
    received.push(one);
    const answer = script(one);
    if (answer === 'lost') {
      request.socket.destroy();
      return;
    }
    const type = answer.status >= 400 ? 'application/problem+json' : 'application/json';
    response.writeHead(answer.status, { 'content-type': type, 'x-request-id': 'req-1', ...answer.headers });
    response.end(answer.body === undefined ? answer.text : JSON.stringify(answer.body));
  });
  // Of an idle connection both ends may be about to speak and to close: only the client closes.
  server.keepAliveTimeout = 0;
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    get url() {
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    },
    get received(): readonly Received[] {
      return received;
    },
    follow(next: Script) {
      script = next;
      received = [];
    },
  };
}

/** An RFC 9457 refusal. */
export function problem(status: number, kind: string, detail: string, more: Record<string, unknown> = {}): Answer {
  const type = `https://countersign.example/problems/${kind}`;
  return { status, body: { type, title: kind, status, detail, instance: '/v1', ...more } };
}
