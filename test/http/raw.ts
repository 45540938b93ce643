import { type ParsedToken, parseToken } from '../../src/rules/format.js';
import type { TestService } from '../setup/service.js';
import { ISSUER } from '../setup/service.js';

/** An answer as it came, its body as text and, where it is JSON, parsed. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test looks at whatever was answered
  readonly json: any;
}

export interface RawRequest {
  readonly token?: string | null;
  readonly json?: unknown;
  readonly form?: string | Record<string, string>;
  readonly headers?: Record<string, string>;
  readonly signal?: AbortSignal;
}

/** Sends what the SDK would not send. The token is the owner's unless another, or none, is named. */
export async function raw(
  service: TestService,
  method: string,
  path: string,
  request: RawRequest = {},
): Promise<RawAnswer> {
  const headers = new Headers(request.headers);
  const token = request.token === undefined ? service.owner.printed : request.token;
  if (token !== null && !headers.has('authorization')) headers.set('authorization', `Bearer ${token}`);
  const body = request.json === undefined ? formBody(request.form) : JSON.stringify(request.json);
  if (request.json !== undefined) headers.set('content-type', 'application/json');
  if (request.form !== undefined) headers.set('content-type', 'application/x-www-form-urlencoded');
  const init = { method, headers, ...(body === undefined ? {} : { body }) };
  const response = await service.fetch(
    `${ISSUER}${path}`,
    request.signal === undefined ? init : { ...init, signal: request.signal },
  );
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: parsed(text) };
}

/** Status and, for a 422, the pointers of its errors, each once: what most refusals are about. */
export function fault(answer: RawAnswer): { status: number; at: string[] } {
  const errors: { pointer: string }[] = answer.json?.errors ?? [];
  return { status: answer.status, at: [...new Set(errors.map((error) => error.pointer))] };
}

function formBody(form: RawRequest['form']): string | undefined {
  return form === undefined || typeof form === 'string' ? form : new URLSearchParams(form).toString();
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The two halves of a printed token. */
export function halvesOf(printed: string): ParsedToken {
  const halves = parseToken(printed);
  if (halves === undefined) throw new Error('not a token');
  return halves;
}
