import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a forge was asked. */
export interface Asked {
  readonly method: string;
  /** As it was sent: path and query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** What it answers. A body that is no text is sent as JSON. */
export interface Told {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** A forge's API on a port of 127.0.0.1. */
export interface LoopbackForge {
  readonly url: string;
  readonly asked: Asked[];
  /** Answers instead of the API, until the test is over; gives `undefined` to let it. */
  intercept: (asked: Asked) => Told | undefined;
  close(): Promise<void>;
}

/** Starts one. Close it in `afterAll`. */
export async function openForge(answer: (asked: Asked) => Told): Promise<LoopbackForge> {
  const server: Server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(Buffer.from(chunk));
    const asked = {
      method: request.method ?? '',
      url: request.url ?? '',
      headers: request.headers,
      body: Buffer.concat(chunks).toString('utf8'),
    };
    forge.asked.push(asked);
    const { status, headers = {}, body } = forge.intercept(asked) ?? answer(asked);
    response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers });
    if (body === undefined) response.end();
    else response.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const forge: LoopbackForge = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: [],
    intercept: () => undefined,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
  return forge;
}
