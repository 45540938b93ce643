import { z } from 'zod';
import type { Problem } from '../wire/resources.js';
import { ProblemError, UnreachableError } from './errors.js';

/** How to reach the service. `timeoutSeconds` bounds each call but a watch (default 10). */
export interface ClientOptions {
  readonly url: string;
  readonly token?: string | undefined;
  readonly fetch?: typeof fetch | undefined;
  readonly timeoutSeconds?: number | undefined;
  readonly userAgent?: string | undefined;
}

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | undefined>> | undefined;
  readonly json?: unknown;
  readonly form?: Readonly<Record<string, string>> | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** The Bearer token of this call instead of the client's; `null` sends none. */
  readonly token?: string | null | undefined;
  readonly signal?: AbortSignal | undefined;
}

const DEFAULT_TIMEOUT_SECONDS = 10;

const problemAnswer: z.ZodType<Problem> = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  instance: z.string(),
  code: z.string().optional(),
  errors: z.array(z.object({ pointer: z.string(), detail: z.string() })).optional(),
});
const oauthErrorAnswer = z.object({ error: z.string(), error_description: z.string().optional() });

/** Sends a call and gives the answer of a 2xx. Redirects are not followed: the token stays with the service it was
 *  meant for. */
export async function send(options: ClientOptions, call: Call): Promise<Response> {
  const response = await fetchOnce(options, call);
  if (response.ok) return response;
  throw await refusalOf(response);
}

/** Sends a call and reads its JSON answer by a schema.
 *  @internal Out of the published types, so that they need no zod. */
export async function sendFor<T>(options: ClientOptions, call: Call, schema: z.ZodType<T>): Promise<T> {
  const timeout = AbortSignal.timeout((options.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS) * 1000);
  const signal = call.signal ? AbortSignal.any([call.signal, timeout]) : timeout;
  const response = await send(options, { ...call, signal });
  const parsed = schema.safeParse(await bodyOf(response));
  if (parsed.success) return parsed.data;
  throw new UnreachableError(`${options.url} answered with something that is not Countersign's`);
}

async function fetchOnce(options: ClientOptions, call: Call): Promise<Response> {
  const url = `${options.url.replace(/\/+$/, '')}${call.path}${queryText(call.query)}`;
  const token = call.token === undefined ? options.token : (call.token ?? undefined);
  const headers: Record<string, string> = { accept: 'application/json', ...call.headers };
  if (token !== undefined) headers['authorization'] = `Bearer ${token}`;
  if (options.userAgent !== undefined) headers['user-agent'] = options.userAgent;
  if (call.json !== undefined) headers['content-type'] = 'application/json';
  const body = call.json !== undefined ? JSON.stringify(call.json) : call.form && new URLSearchParams(call.form);
  try {
    return await (options.fetch ?? fetch)(url, {
      method: call.method,
      headers,
      redirect: 'manual',
      ...(body === undefined ? {} : { body }),
      ...(call.signal ? { signal: call.signal } : {}),
    });
  } catch (error) {
    throw unreachable(options.url, error);
  }
}

function queryText(query: Call['query']): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query ?? {})) {
    if (value !== undefined) params.set(key, String(value));
  }
  return params.size === 0 ? '' : `?${params}`;
}

async function bodyOf(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch (error) {
    throw unreachable(new URL(response.url || 'http://service').origin, error);
  }
}

async function refusalOf(response: Response): Promise<Error> {
  const body: unknown = await response.json().catch(() => undefined);
  const requestId = response.headers.get('x-request-id') ?? undefined;
  const after = Number(response.headers.get('retry-after') ?? Number.NaN);
  const common = { status: response.status, requestId, retryAfterSeconds: Number.isFinite(after) ? after : undefined };
  const problem = problemAnswer.safeParse(body);
  if (problem.success) {
    const faults = (problem.data.errors ?? []).map((one) => `${one.pointer} ${one.detail}`).join('; ');
    const detail = faults === '' ? problem.data.detail : `${problem.data.detail}: ${faults}`;
    const kind = problem.data.type.split('/').at(-1) ?? problem.data.type;
    return new ProblemError({ ...common, kind, detail, problem: problem.data });
  }
  const oauth = oauthErrorAnswer.safeParse(body);
  if (oauth.success) {
    return new ProblemError({
      ...common,
      kind: oauth.data.error,
      detail: oauth.data.error_description ?? oauth.data.error,
    });
  }
  return new UnreachableError(`the answer has status ${response.status} and is not Countersign's`);
}

// fetch hides what happened in `cause`; the message never holds a header, so no token either.
function unreachable(url: string, error: unknown): UnreachableError {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  const text = cause instanceof Error ? cause.message || cause.name : String(cause);
  return new UnreachableError(`cannot reach ${url}: ${text}`, { cause: error });
}
