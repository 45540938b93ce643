import type { TestService } from './service.js';

/** What a test sends, byte by byte where it matters. */
export interface Sending {
  /** The Bearer token (default the owner's); `null` sends none. */
  readonly token?: string | null;
  readonly json?: unknown;
  readonly form?: string;
  readonly body?: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;
  readonly headers?: Readonly<Record<string, string>>;
  /** The peer of the connection (default 192.0.2.1). */
  readonly address?: string;
}

/** An answer, read to its end. `body` is its JSON; empty when it is none. */
export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: Record<string, unknown>;
}

/** Sends a request without the SDK: `send(service, 'GET', '/v1/me')`. */
export async function send(
  service: Pick<TestService, 'service' | 'owner'>,
  method: string,
  path: string,
  sending: Sending = {},
): Promise<Answered> {
  const response = await open(service, method, path, sending);
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: jsonOf(text) };
}

/** As {@link send}, without reading the body. */
export async function open(
  service: Pick<TestService, 'service' | 'owner'>,
  method: string,
  path: string,
  sending: Sending & { readonly signal?: AbortSignal } = {},
): Promise<Response> {
  const token = sending.token === undefined ? service.owner.printed : sending.token;
  const headers = new Headers();
  if (token !== null) headers.set('authorization', `Bearer ${token}`);
  if (sending.json !== undefined) headers.set('content-type', 'application/json');
  if (sending.form !== undefined) headers.set('content-type', 'application/x-www-form-urlencoded');
  for (const [name, value] of Object.entries(sending.headers ?? {})) headers.set(name, value);
  const body = sending.json === undefined ? (sending.form ?? sending.body) : JSON.stringify(sending.json);
  const request = new Request(path.startsWith('http') ? path : `https://countersign.example${path}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body, duplex: 'half' }),
    ...(sending.signal ? { signal: sending.signal } : {}),
  } as RequestInit);
  return service.service.app.request(request, undefined, {
    incoming: { socket: { remoteAddress: sending.address ?? '192.0.2.1' } },
  });
}

function jsonOf(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
