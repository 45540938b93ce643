import { z } from 'zod';
import type { Problem } from '../wire/resources.js';
import { ProblemError, UnreachableError } from './errors.js';
import type { Proof, Prover } from './prover.js';
import { unreachable } from './unreachable.js';

/** How to reach the service. `timeoutSeconds` bounds each call but a watch (default 10). */
export interface ClientOptions {
  readonly url: string;
  /** The caller's token, or what gives it for each call. */
  readonly token?: string | (() => Promise<string>) | undefined;
  /** Proves the key that the token is bound to. */
  readonly prover?: Prover | undefined;
  readonly fetch?: typeof fetch | undefined;
  readonly timeoutSeconds?: number | undefined;
  readonly userAgent?: string | undefined;
  /** Has the token's person confirm a dangerous act with a passkey (RFC 9470). Once it says yes, the call that was refused
   *  is sent once more; without it, or after a no, the call is refused. */
  readonly stepUp?: ((act: string) => Promise<boolean>) | undefined;
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
/** In UTF-16 units: several times the longest page of the longest things. */
const LONGEST_BODY = 2 ** 25;
// What a header can carry. Anything else makes fetch fail with the value in its message.
const HEADER_SAFE = /^[\x21-\x7e]+$/;

const problemAnswer: z.ZodType<Problem> = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  instance: z.string(),
  code: z.string().optional(),
  act: z.string().optional(),
  errors: z.array(z.object({ pointer: z.string(), detail: z.string() })).optional(),
});
const oauthErrorAnswer = z.object({ error: z.string(), error_description: z.string().optional() });

/** Sends a call and gives the answer of a 2xx. Redirects are not followed: the token stays with the service it was
 *  meant for. Throws a `TypeError`, without asking anybody, when the token is empty or no header can carry it. */
export async function send(options: ClientOptions, call: Call): Promise<Response> {
  const response = await fetchProven(options, call);
  if (response.ok) return response;
  throw await refusalOf(response);
}

/** Sends a call and reads its JSON answer by a schema.
 *  @internal Out of the published types, so that they need no zod. */
export async function sendFor<T>(options: ClientOptions, call: Call, schema: z.ZodType<T>): Promise<T> {
  const ask = () => inTime(options, call, async (timed) => bodyOf(options, await send(options, timed)));
  const body = await stepping(options, ask);
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new UnreachableError(`${options.url} answered with something that is not Countersign's`);
}

/** Sends a call and gives its answer as a text. */
export async function sendForText(options: ClientOptions, call: Call): Promise<string> {
  return await stepping(options, () =>
    inTime(options, call, async (timed) => {
      const response = await send(options, timed);
      try {
        return await readText(response);
      } catch (error) {
        throw unreachable(options.url, timeoutSeconds(options), error);
      }
    }),
  );
}

/** Sends a call whose answer says nothing more than that it was done. */
export async function sendOnly(options: ClientOptions, call: Call): Promise<void> {
  await stepping(options, () => inTime(options, call, async (timed) => (await send(options, timed)).body?.cancel()));
}

/** Does something, and once more when a confirmation was asked for and given. A person takes their time, so that the limit of
 *  a call does not count meanwhile. */
async function stepping<T>({ stepUp }: ClientOptions, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (stepUp === undefined || !(error instanceof ProblemError) || error.kind !== 'step-up-required') throw error;
    if (!(await stepUp(error.problem?.act ?? error.message))) throw error;
  }
  return await act();
}

function timeoutSeconds(options: ClientOptions): number {
  return options.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS;
}

/** Not by `AbortSignal.any` over `AbortSignal.timeout`: Node forgets such a timeout when it collects garbage. */
async function inTime<T>(options: ClientOptions, call: Call, act: (call: Call) => Promise<T>): Promise<T> {
  const { signal } = call;
  const controller = new AbortController();
  const giveUp = () => controller.abort(new DOMException('it took too long', 'TimeoutError'));
  const passOn = () => controller.abort(signal?.reason);
  const timer = setTimeout(giveUp, timeoutSeconds(options) * 1000);
  signal?.addEventListener('abort', passOn);
  if (signal?.aborted) passOn();
  try {
    return await act({ ...call, signal: controller.signal });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', passOn);
  }
}

/** Sends a call, with a proof where the client has a key; once more when the service gives another nonce or tells another
 *  time than the proof was made with. RFC 9449 sections 8 and 9. */
async function fetchProven(options: ClientOptions, call: Call): Promise<Response> {
  const token = await tokenOf(options, call);
  const url = `${options.url.replace(/\/+$/, '')}${call.path}${queryText(call.query)}`;
  // A token that was given for this call alone is not the one that is bound to the key.
  const prover = typeof call.token === 'string' ? undefined : options.prover;
  const proof = await prover?.prove({ method: call.method, url, token });
  const response = await fetchOnce(options, call, { url, token, proof });
  if (prover === undefined || proof === undefined) return response;
  if (!proof.learn(response) || response.status !== 401) return response;
  await response.body?.cancel();
  const again = await prover.prove({ method: call.method, url, token });
  const answer = await fetchOnce(options, call, { url, token, proof: again });
  again.learn(answer);
  return answer;
}

async function tokenOf(options: ClientOptions, call: Call): Promise<string | undefined> {
  const given = call.token === undefined ? options.token : (call.token ?? undefined);
  const token = typeof given === 'function' ? await given() : given;
  if (token === undefined || HEADER_SAFE.test(token)) return token;
  throw new TypeError('the token is empty, or holds characters that no token has');
}

async function fetchOnce(
  options: ClientOptions,
  call: Call,
  { url, token, proof }: { url: string; token: string | undefined; proof: Proof | undefined },
): Promise<Response> {
  const headers: Record<string, string> = { accept: 'application/json', ...call.headers };
  if (token !== undefined) headers['authorization'] = `${proof === undefined ? 'Bearer' : 'DPoP'} ${token}`;
  if (proof !== undefined) headers['dpop'] = proof.header;
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
    throw unreachable(options.url, timeoutSeconds(options), error);
  }
}

function queryText(query: Call['query']): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query ?? {})) {
    if (value !== undefined) params.set(key, String(value));
  }
  return params.size === 0 ? '' : `?${params}`;
}

async function bodyOf(options: ClientOptions, response: Response): Promise<unknown> {
  try {
    return await readJson(response);
  } catch (error) {
    throw unreachable(options.url, timeoutSeconds(options), error);
  }
}

async function readJson(response: Response): Promise<unknown> {
  return JSON.parse(await readText(response));
}

/** Reads a body of a bounded size: what is longer is none of the service's answers, and is not waited for. */
async function readText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > LONGEST_BODY) throw new SyntaxError('the answer has no end');
  }
  return text + decoder.decode();
}

async function refusalOf(response: Response): Promise<Error> {
  const body: unknown = await readJson(response).catch(() => undefined);
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
