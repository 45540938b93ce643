import { randomUUID } from 'node:crypto';
import type { Refusal, Result } from '../rules/refusal.js';
import { BatchFullError } from '../store/batch.js';
import { isUnavailable } from '../store/connect.js';
import { JournalError } from '../store/journal.js';
import { DatabaseTimeoutError } from '../store/line.js';
import { HashQueueFullError } from '../store/secret.js';
import type { Deps } from './deps.js';
import type { Answer, Exchange } from './exchange.js';
import { pageAnswer } from './page-refusal.js';
import { INTERNAL, oauthAnswer, problemAnswer, type Refused, refused } from './refuse.js';
import { scimRefusal } from './scim-refusal.js';

export type Handle = (deps: Deps, exchange: Exchange) => Promise<Result<Answer>>;

/** Runs a handler and answers, whatever happens. `route` is the path with its parameters unfilled. */
export async function respond(deps: Deps, exchange: Exchange, route: string, handle: Handle): Promise<Answer> {
  const startedAt = performance.now();
  let answer: Answer;
  try {
    const outcome = await handle(deps, exchange);
    answer = outcome.ok ? outcome.value : refusalAnswer(deps, exchange, refused(outcome.refusal));
  } catch (error) {
    answer = refusalAnswer(deps, exchange, failure(deps, exchange, error));
  }
  const { requestId, method } = exchange;
  const seconds = (performance.now() - startedAt) / 1000;
  deps.metrics.request(method, route, answer.status, seconds);
  deps.log.debug({ requestId, method, route, status: answer.status, seconds }, 'answered');
  const headers: Record<string, string> = {
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-request-id': requestId,
    ...answer.headers,
  };
  if (deps.isDraining()) headers['connection'] = 'close';
  if (exchange.header('dpop') !== undefined || headers['www-authenticate']?.startsWith('DPoP')) {
    headers['dpop-nonce'] = deps.nonces.current(exchange.now);
    // The clock by which proofs are judged, for a host whose own is wrong.
    headers['date'] = exchange.now.toUTCString();
  }
  return { ...answer, headers };
}

const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/;
/** The id that a caller gave its request, or a new one. */
export function requestIdOf(given: string | undefined): string {
  return given !== undefined && REQUEST_ID.test(given) ? given : randomUUID();
}

function failure(deps: Deps, exchange: Exchange, error: unknown): Refused {
  const { requestId } = exchange;
  const refusal = refusalOf(error);
  if (refusal?.kind === 'database_unavailable')
    deps.log.warn({ requestId, err: error }, 'the database is out of reach');
  if (refusal) return refused(refusal);
  if (exchange.signal().aborted) deps.log.debug({ requestId }, 'the caller went away');
  else deps.log.error({ requestId, err: error }, 'unexpected error');
  return INTERNAL;
}

function refusalAnswer(deps: Deps, exchange: Exchange, answered: Refused): Answer {
  if (exchange.path.startsWith('/oauth2/')) return oauthAnswer(answered);
  // The script of a page says that it wants to be told in JSON.
  const isPage = exchange.path === '/console' || exchange.path.startsWith('/console/');
  if (isPage && exchange.header('accept') !== 'application/json') return pageAnswer(answered);
  if (exchange.path.startsWith('/scim/')) return scimRefusal(answered);
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
  if (error instanceof JournalError) {
    const detail = 'it is done, but not in the revocation journal yet: repeat the request';
    return { kind: 'database_unavailable', retryAfterSeconds: 1, detail };
  }
  return undefined;
}
