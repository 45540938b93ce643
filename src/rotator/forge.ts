import { setTimeout } from 'node:timers/promises';
import { SinkError } from './sink.js';
import { callSink, type SinkAnswer, type SinkRequest } from './sink-call.js';

/** The API of a forge, and the credential that it is asked with. */
export interface Forge {
  /** For people: `GitHub`. */
  readonly name: string;
  /** Without a slash at the end. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Why the API would not do it, by status; for people. */
  readonly reasons: Readonly<Record<number, string>>;
  readonly pause: Pause;
}

/** Waits for some milliseconds; throws once the signal aborts. */
export type Pause = (ms: number, signal: AbortSignal) => Promise<void>;

interface ForgeCall {
  readonly method: SinkRequest['method'];
  /** Encoded already. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>> | undefined;
  readonly json?: unknown;
  /** Statuses that are answers beside 2xx. */
  readonly alsoTaken?: readonly number[];
}

interface ForgeAnswer {
  readonly status: number;
  /** `undefined` where there is no body, and of statuses beside 2xx. */
  readonly body: unknown;
}

/** All the waiting that one call does for rate limits: less than the minute that a rotation gives a sink. */
const MOST_WAIT_SECONDS = 45;
/** What GitHub asks for where it does not say how long. */
const UNSAID_WAIT_SECONDS = 60;

/** Waits by the clock. */
export const pauseByClock: Pause = async (ms, signal) => {
  try {
    await setTimeout(ms, undefined, { signal });
  } catch {
    throw new SinkError('there was no time left to wait for the forge');
  }
};

/** Asks a forge, and again when a rate limit is over, 45 seconds of waiting at the most. Throws {@link SinkError}, which
 *  tells nothing of what the forge said: an answer may repeat the value that it refuses. */
export async function askForge(forge: Forge, call: ForgeCall, signal: AbortSignal): Promise<ForgeAnswer> {
  const query = call.query === undefined ? '' : `?${new URLSearchParams(call.query)}`;
  const url = new URL(`${forge.url}${call.path}${query}`);
  const json =
    call.json === undefined
      ? { headers: forge.headers }
      : { headers: { ...forge.headers, 'content-type': 'application/json' }, body: JSON.stringify(call.json) };
  for (let waited = 0; ; ) {
    const answer = await callSink(forge.name, { url, method: call.method, ...json }, signal);
    const seconds = waitOf(answer);
    if (seconds === undefined) return answerOf(forge, call, answer);
    // Counted as five seconds at least, so that the bound is one on the tries as well.
    waited += Math.max(seconds, 5);
    if (waited > MOST_WAIT_SECONDS) {
      throw new SinkError(`${forge.name} limits how often it is asked (${answer.status}): try again in ${seconds} s`);
    }
    await forge.pause(seconds * 1000, signal);
  }
}

/** What came is none of the forge's answers. */
export function strange(forge: Forge, why: string): SinkError {
  return new SinkError(`${forge.url} answered with something that is not ${forge.name}'s: ${why}`);
}

function answerOf(forge: Forge, call: ForgeCall, { status, text }: SinkAnswer): ForgeAnswer {
  if (call.alsoTaken?.includes(status)) return { status, body: undefined };
  if (status < 200 || status >= 300) throw new SinkError(`${forge.name} ${refusalOf(forge, status)}`);
  if (text === '') return { status, body: undefined };
  try {
    return { status, body: JSON.parse(text) };
  } catch {
    throw strange(forge, 'it is not JSON');
  }
}

function refusalOf(forge: Forge, status: number): string {
  if (status >= 300 && status < 400) {
    return `answered with a redirect (${status}), which is not followed: was it renamed, or is the address of the API another?`;
  }
  const reason = forge.reasons[status];
  return reason === undefined ? `answered with status ${status}` : `refused it (${status}): ${reason}`;
}

/** How long to wait, in seconds, when the answer is that of a rate limit. Of GitHub, 403 is one when a header or its
 *  message says so. */
function waitOf({ status, headers, text }: SinkAnswer): number | undefined {
  if (status !== 429 && status !== 403) return undefined;
  const after = secondsIn(headers['retry-after']);
  if (after !== undefined) return after;
  const reset = secondsIn(headers['x-ratelimit-reset'] ?? headers['ratelimit-reset']);
  const isSpent = (headers['x-ratelimit-remaining'] ?? headers['ratelimit-remaining']) === '0';
  if (isSpent && reset !== undefined) return Math.max(0, reset - Math.floor(Date.now() / 1000));
  return status === 429 || /rate limit/i.test(text) ? UNSAID_WAIT_SECONDS : undefined;
}

function secondsIn(header: string | string[] | undefined): number | undefined {
  return typeof header === 'string' && /^\d{1,12}$/.test(header) ? Number(header) : undefined;
}
