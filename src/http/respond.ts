import { randomUUID } from 'node:crypto';
import type { Refusal, Result } from '../rules/refusal.js';
import { BatchFullError } from '../store/batch.js';
import { isUnavailable } from '../store/connect.js';
import { DatabaseTimeoutError } from '../store/line.js';
import { HashQueueFullError } from '../store/secret.js';
import { clientAddress } from './address.js';
import type { Deps } from './deps.js';
import type { Answer, Exchange } from './exchange.js';
import { INTERNAL, oauthAnswer, problemAnswer, type Refused, refused } from './refuse.js';

/** A request as it came in, before anything was made of it. `peer` is the other end of the connection. */
export type Arrival = Omit<Exchange, 'ip' | 'requestId' | 'now'> & { readonly peer: string | undefined };

export type Handle = (deps: Deps, exchange: Exchange) => Promise<Result<Answer>>;

const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/;

/** Runs a handler and answers, whatever happens. `route` is the path with its parameters unfilled. */
export async function respond(deps: Deps, arrival: Arrival, route: string, handle: Handle): Promise<Answer> {
  const startedAt = performance.now();
  const exchange = exchangeOf(deps, arrival);
  const answer = await outcomeOf(deps, exchange, handle);
  const seconds = (performance.now() - startedAt) / 1000;
  const { requestId, method } = exchange;
  deps.metrics.request(method, route, answer.status, seconds);
  deps.log.debug({ requestId, method, route, status: answer.status, seconds }, 'answered');
  return { ...answer, headers: { ...ALWAYS, 'x-request-id': requestId, ...answer.headers } };
}

const ALWAYS = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };

function exchangeOf(deps: Deps, arrival: Arrival): Exchange {
  const given = arrival.header('x-request-id');
  return {
    method: arrival.method,
    path: arrival.path,
    search: arrival.search,
    params: arrival.params,
    ip: clientAddress(arrival.peer, arrival.header('x-forwarded-for'), deps.trustedProxies),
    requestId: given !== undefined && REQUEST_ID.test(given) ? given : randomUUID(),
    now: deps.now(),
    get signal() {
      return arrival.signal;
    },
    header: arrival.header,
    readText: arrival.readText,
  };
}

async function outcomeOf(deps: Deps, exchange: Exchange, handle: Handle): Promise<Answer> {
  try {
    const outcome = await handle(deps, exchange);
    return outcome.ok ? outcome.value : refusalAnswer(deps, exchange, refused(outcome.refusal));
  } catch (error) {
    return refusalAnswer(deps, exchange, failure(deps, exchange, error));
  }
}

function failure(deps: Deps, exchange: Exchange, error: unknown): Refused {
  const { requestId } = exchange;
  const refusal = refusalOf(error);
  if (refusal?.kind === 'database_unavailable')
    deps.log.warn({ requestId, err: error }, 'the database is out of reach');
  if (refusal) return refused(refusal);
  if (exchange.signal.aborted) deps.log.debug({ requestId }, 'the caller went away');
  else deps.log.error({ requestId, err: error }, 'unexpected error');
  return INTERNAL;
}

function refusalAnswer(deps: Deps, exchange: Exchange, answered: Refused): Answer {
  if (exchange.path.startsWith('/oauth2/')) return oauthAnswer(answered);
  return problemAnswer(answered, deps.issuer, exchange.path);
}

/** What a thrown error means to the caller; `undefined` for what nobody foresaw. */
function refusalOf(error: unknown): Refusal | undefined {
  if (error instanceof BatchFullError || error instanceof HashQueueFullError) {
    return { kind: 'busy', retryAfterSeconds: 1 };
  }
  if (error instanceof DatabaseTimeoutError || isUnavailable(error)) {
    return { kind: 'database_unavailable', retryAfterSeconds: 1 };
  }
  return undefined;
}
