import { type Client, type ExchangedToken, ProblemError } from '../sdk/index.js';
import { monotonicMs, waitUntil } from './delay.js';
import { IdTokenError, type IdTokenSource } from './id-token.js';
import { maskText } from './mask.js';
import { isDefiniteRefusal, type NotAllowed, reasonOf } from './permission.js';

export interface ExchangeOptions {
  /** Without a token: the platform's is the proof. */
  readonly client: Client;
  /** The service's address, which is its issuer unless `audience` says otherwise. */
  readonly url: string;
  readonly source: IdTokenSource;
  /** For whom the platform's token is to be. */
  readonly audience: string | undefined;
  /** The trust rule, as `workspace/rule`. */
  readonly rule: string | undefined;
  /** What the token is narrowed to; all that the rule gives where there are none. */
  readonly scopes: readonly string[];
}

/** A token of the service. `idTokens` are the platform's that it may have taken: secrets, though spent. */
export interface Exchanged {
  readonly kind: 'exchanged';
  readonly token: ExchangedToken;
  readonly idTokens: readonly string[];
}

const TRIES = 3;
const PAUSE_MS = 200;
const MOST_PAUSE_MS = 5_000;

/** Gets a token for a job by what its platform says of it. What is lost is tried again, with a fresh token of the platform
 *  each time: one is good once. Where the platform has no other one and the service may have taken it, that is no refusal:
 *  nobody can say. No reason holds a token, whatever the service says. */
export async function exchangeIdToken(options: ExchangeOptions): Promise<Exchanged | NotAllowed> {
  const idTokens: string[] = [];
  const outcome = await tryExchange(options, idTokens);
  if (outcome.kind === 'exchanged') return outcome;
  const secrets = [...options.source.secrets, ...idTokens];
  return {
    ...outcome,
    reasons: outcome.reasons.map(({ code, detail }) => ({
      code: maskText(code, ...secrets),
      detail: maskText(detail, ...secrets),
    })),
  };
}

async function tryExchange(options: ExchangeOptions, idTokens: string[]): Promise<Exchanged | NotAllowed> {
  const { client, source, rule, scopes } = options;
  let lost: unknown;
  for (let left = TRIES; ; left -= 1) {
    let isSpent = false;
    try {
      const idToken = await source.take(await audienceOf(options));
      isSpent = idTokens.includes(idToken);
      idTokens.push(idToken);
      const token = await client.oauth.exchange({ subjectToken: idToken, audience: rule, scope: scopes });
      return { kind: 'exchanged', token, idTokens };
    } catch (error) {
      if (error instanceof WrongIssuerError) return notExchanged('issuer', error.message);
      if (isDefiniteRefusal(error)) {
        if (!isSpent) return { kind: 'refused', checkId: undefined, reasons: [reasonOf(error)] };
        return notExchanged(
          'exchange_lost',
          `${messageOf(lost)}. This platform gives the job one token, which may be spent: run the job again`,
        );
      }
      lost = error;
    }
    if (left === 1) {
      return notExchanged(lost instanceof IdTokenError ? 'no_id_token' : 'unreachable', messageOf(lost));
    }
    await waitUntil(monotonicMs() + pauseMs(lost));
  }
}

class WrongIssuerError extends Error {
  override readonly name = 'WrongIssuerError';
}

/** The service's own name for itself, as far as it is the address that it was asked at (RFC 8414 section 3.3): whoever
 *  answers there must not be handed a token that is for somebody else. */
async function audienceOf({ client, url, source, audience }: ExchangeOptions): Promise<string> {
  if (audience !== undefined || !source.takesAudience) return audience ?? url;
  const { issuer } = await client.oauth.metadata();
  if (bare(issuer) === bare(url)) return issuer;
  throw new WrongIssuerError(
    `the service at ${url} calls itself ${issuer}. If that is right, use that address, or name it with --audience`,
  );
}

function bare(url: string): string {
  return (URL.canParse(url) ? new URL(url).href : url).replace(/\/+$/, '');
}

function notExchanged(code: string, detail: string): NotAllowed {
  return { kind: 'unreachable', reasons: [{ code, detail }] };
}

function pauseMs(error: unknown): number {
  const asked = error instanceof ProblemError ? (error.retryAfterSeconds ?? 0) * 1000 : 0;
  return Math.min(Math.max(asked, PAUSE_MS), MOST_PAUSE_MS);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
