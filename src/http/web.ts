import { refuse } from '../rules/refusal.js';
import { clientAddress } from './address.js';
import { bodyReader, MAX_BODY_BYTES } from './body.js';
import type { Deps } from './deps.js';
import type { Answer, Exchange } from './exchange.js';
import { requestIdOf } from './respond.js';

/** Reads what a Fetch API request says. `peer` is the other end of the connection. */
export function webExchange(
  deps: Deps,
  request: Request,
  params: Readonly<Record<string, string>>,
  peer: string | undefined,
): Exchange {
  const { pathname, search } = new URL(request.url);
  const header = (name: string) => request.headers.get(name) ?? undefined;
  return {
    method: request.method,
    path: pathname,
    search,
    params,
    ip: clientAddress(peer, header('x-forwarded-for'), deps.trustedProxies),
    requestId: requestIdOf(header('x-request-id')),
    now: deps.now(),
    signal: () => request.signal,
    header,
    readText: (maxBytes) => readText(request, maxBytes ?? MAX_BODY_BYTES),
  };
}

/** Makes the Fetch API response of an answer. */
export function responseOf(answer: Answer): Response {
  const response = new Response(answer.body ?? null, { status: answer.status, headers: { ...answer.headers } });
  for (const cookie of answer.cookies ?? []) response.headers.append('set-cookie', cookie);
  return response;
}

async function readText(request: Request, maxBytes: number): ReturnType<Exchange['readText']> {
  if (Number(request.headers.get('content-length') ?? 0) > maxBytes) {
    return refuse({ kind: 'body_too_large', maxBytes });
  }
  const reader = bodyReader(maxBytes);
  for await (const piece of request.body ?? []) if (!reader.add(piece)) break;
  return reader.text();
}
