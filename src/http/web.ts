import { refuse } from '../rules/refusal.js';
import { bodyReader, MAX_BODY_BYTES } from './body.js';
import type { Answer, Exchange } from './exchange.js';
import type { Arrival } from './respond.js';

/** Reads what a Fetch API request says. */
export function arrivalOf(
  request: Request,
  params: Readonly<Record<string, string>>,
  peer: string | undefined,
): Arrival {
  const { pathname, search } = new URL(request.url);
  return {
    method: request.method,
    path: pathname,
    search,
    params,
    peer,
    get signal() {
      return request.signal;
    },
    header: (name) => request.headers.get(name) ?? undefined,
    readText: () => readText(request),
  };
}

/** Makes the Fetch API response of an answer. */
export function responseOf(answer: Answer): Response {
  return new Response(answer.body ?? null, { status: answer.status, headers: { ...answer.headers } });
}

async function readText(request: Request): ReturnType<Exchange['readText']> {
  if (Number(request.headers.get('content-length') ?? 0) > MAX_BODY_BYTES) return refuse({ kind: 'body_too_large' });
  const reader = bodyReader();
  for await (const piece of request.body ?? []) if (!reader.add(piece)) break;
  return reader.text();
}
