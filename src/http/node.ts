import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Result, refuse } from '../rules/refusal.js';
import { clientAddress } from './address.js';
import { bodyReader, MAX_BODY_BYTES } from './body.js';
import type { Deps } from './deps.js';
import type { Route } from './endpoint.js';
import type { Answer, Exchange } from './exchange.js';
import { requestIdOf, respond } from './respond.js';

/** Answers the requests of a few busy routes straight from node:http, and gives false for all others. The same endpoints
 *  are in the app: this way only spares the objects of the Fetch API. */
export function createDirectListener(deps: Deps, routes: readonly Route[]) {
  const byUrl = new Map(
    routes.map((route) => [route.operation.path, { ...route, method: route.operation.method.toUpperCase() }]),
  );
  return (request: IncomingMessage, response: ServerResponse): boolean => {
    const route = byUrl.get(request.url ?? '');
    if (route === undefined || request.method !== route.method) return false;
    const exchange = nodeExchange(deps, request, response);
    void respond(deps, exchange, route.operation.path, route.handle).then((answer) => write(response, answer));
    return true;
  };
}

function nodeExchange(deps: Deps, request: IncomingMessage, response: ServerResponse): Exchange {
  const header = (name: string) => {
    const value = request.headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  };
  return {
    method: request.method ?? '',
    path: request.url ?? '',
    search: '',
    params: {},
    ip: clientAddress(request.socket.remoteAddress, header('x-forwarded-for'), deps.trustedProxies),
    requestId: requestIdOf(header('x-request-id')),
    now: deps.now(),
    // No getter: an object with one of its own has a shape of its own, and its garbage outlives the request.
    signal: () => signalOf(response),
    header,
    readText: (maxBytes) => readText(request, maxBytes ?? MAX_BODY_BYTES),
  };
}

function readText(request: IncomingMessage, maxBytes: number): Promise<Result<string>> {
  return new Promise((resolve, reject) => {
    if (Number(request.headers['content-length'] ?? 0) > maxBytes) {
      return resolve(refuse({ kind: 'body_too_large', maxBytes }));
    }
    const reader = bodyReader(maxBytes);
    request.on('data', (piece: Buffer) => {
      if (!reader.add(piece)) resolve(reader.text());
    });
    request.on('end', () => resolve(reader.text()));
    request.on('error', reject);
  });
}

function signalOf(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  if (response.closed && !response.writableFinished) controller.abort();
  response.once('close', () => {
    if (!response.writableFinished) controller.abort();
  });
  return controller.signal;
}

function write(response: ServerResponse, answer: Answer): void {
  const body = typeof answer.body === 'string' ? answer.body : '';
  const length = Buffer.byteLength(body);
  // In this order: V8 gives each object that is spread first and extended then a shape of its own, which outlives it.
  const headers: Record<string, string | number> = { 'content-length': length, ...answer.headers };
  // What is left of a body that was refused is not read: the connection ends with the answer.
  if (!response.req.complete) headers['connection'] = 'close';
  response.writeHead(answer.status, headers);
  const { socket } = response;
  if (body === '' || socket === null) {
    response.end(body);
    return;
  }
  // `end(body)` writes the text and an empty one after it, for which node:http gathers both in a buffer of its own.
  socket.cork();
  response.write(body, length === body.length ? 'latin1' : 'utf8');
  socket.uncork();
  response.end();
}
