import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { RequestError } from '@hono/node-server';

/** How the listener makes requests: one of HTTP/1.0 may come without a `Host`, a probe's for instance; one whose `Host` or
 *  target is none is answered here, no endpoint sees it. */
export const LISTENER_OPTIONS = {
  hostname: 'localhost',
  errorHandler: (error: unknown): Response => {
    const { status, headers, body } = unreadable(error instanceof RequestError ? 400 : 500);
    return new Response(body, { status, headers });
  },
};

/** Answers what node:http could not read as a request, and ends the connection. */
export function answerUnreadable(error: Error, socket: Duplex): void {
  const code = 'code' in error ? error.code : undefined;
  if (code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const { status, headers, body } = unreadable(statusOf(code));
  const lines = Object.entries({ ...headers, connection: 'close', 'content-length': Buffer.byteLength(body) });
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${head}\r\n${body}`);
}

function statusOf(code: unknown): number {
  if (code === 'HPE_HEADER_OVERFLOW') return 431;
  return code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
}

// `about:blank` says no more than the status does. RFC 9457 section 4.2.1.
function unreadable(status: number) {
  const detail = status === 500 ? 'an unexpected error' : 'this is no request that can be read';
  return {
    status,
    headers: {
      'content-type': 'application/problem+json',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'x-request-id': randomUUID(),
    },
    body: JSON.stringify({ type: 'about:blank', title: STATUS_CODES[status], status, detail, instance: '/' }),
  };
}
