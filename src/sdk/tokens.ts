import { explanation, mintedToken, mintedTokens, revocation, token, tokenPage } from '../wire/answers.js';
import type {
  Explanation,
  MintedToken,
  MintRequest,
  Page,
  Revocation,
  RevocationRequest,
  RevokeRequest,
  RotateRequest,
  Token,
  TokenStatus,
  TransferRequest,
} from '../wire/resources.js';
import { tokenUsage } from '../wire/usage-answers.js';
import type { TokenUsage } from '../wire/usage-resources.js';
import { type ClientOptions, sendFor, sendForText } from './transport.js';

/** What a list of tokens is narrowed to. Times are RFC 3339; `creator` and `owner` are member ids. */
export interface TokenQuery {
  limit?: number | undefined;
  cursor?: string | undefined;
  workflow?: string | undefined;
  creator?: string | undefined;
  owner?: string | undefined;
  status?: TokenStatus | undefined;
  expires_before?: string | undefined;
  unused_since?: string | undefined;
}

/** Over how many days (1 to 90, default 30), and whether all tokens of the line of rotations count together. */
export interface UsageQuery {
  days?: number | undefined;
  lineage?: boolean | undefined;
}

/** Tokens. `id` is a public id (`tok_…`) or `self`. */
export interface TokensClient {
  /** Mints a token; its printed form is in the answer and never shown again. With an idempotency key a retry of the same
   *  request gives the same token, with a fresh secret while it was never used. */
  mint(request: MintRequest, idempotencyKey?: string): Promise<MintedToken>;
  /** Mints up to 100 tokens or none, in their order. With an idempotency key as {@link TokensClient.mint}. It takes seconds:
   *  unless the client was told how long to wait, it waits for a minute. */
  mintMany(requests: readonly MintRequest[], idempotencyKey?: string): Promise<MintedToken[]>;
  list(query?: TokenQuery): Promise<Page<Token>>;
  show(id: string): Promise<Token>;
  /** The state at a time (default now) and every fact that led to it. */
  explain(id: string, at?: string): Promise<Explanation>;
  /** What has used it: by day, and by where. */
  usage(id: string, query?: UsageQuery): Promise<TokenUsage>;
  /** The ends of tokens as a calendar (RFC 5545): what ends within `days` (1 to 366, default 366), the soonest 2,000. */
  expiryCalendar(query?: { days?: number | undefined }): Promise<string>;
  /** Makes a successor. After a lost answer just rotate again: while the successor is unused, only its secret changes. */
  rotate(id: string, request?: RotateRequest): Promise<MintedToken>;
  revoke(id: string, request: RevokeRequest): Promise<Token>;
  transfer(id: string, request: TransferRequest): Promise<Token>;
  /** Makes a token of the caller in the place of one that it may take over (`takeover_by`). Once. */
  takeOver(id: string): Promise<MintedToken>;
  /** Lets a frozen token be good again. */
  unfreeze(id: string): Promise<Token>;
  /** Revokes many at once, in one transaction. */
  revokeMany(request: RevocationRequest): Promise<Revocation>;
}

/** A hundred secrets are hashed one after the other, and other requests in between. */
const MANY_SECONDS = 60;

export function tokensClient(options: ClientOptions): TokensClient {
  const path = (id: string, verb = '') => `/v1/tokens/${encodeURIComponent(id)}${verb}`;
  return {
    mint: (request, idempotencyKey) =>
      sendFor(
        options,
        { method: 'POST', path: '/v1/tokens', json: request, headers: idempotent(idempotencyKey) },
        mintedToken,
      ),
    mintMany: async (requests, idempotencyKey) => {
      const json = { tokens: requests };
      const { tokens } = await sendFor(
        { ...options, timeoutSeconds: options.timeoutSeconds ?? MANY_SECONDS },
        { method: 'POST', path: '/v1/tokens/bulk', json, headers: idempotent(idempotencyKey) },
        mintedTokens,
      );
      return tokens;
    },
    list: (query) => sendFor(options, { method: 'GET', path: '/v1/tokens', query: { ...query } }, tokenPage),
    show: (id) => sendFor(options, { method: 'GET', path: path(id) }, token),
    explain: (id, at) => sendFor(options, { method: 'GET', path: path(id, '/explain'), query: { at } }, explanation),
    usage: (id, { days, lineage } = {}) =>
      sendFor(
        options,
        { method: 'GET', path: path(id, '/usage'), query: { days, lineage: lineage ? 'true' : undefined } },
        tokenUsage,
      ),
    expiryCalendar: (query) =>
      sendForText(options, {
        method: 'GET',
        path: '/v1/expiries.ics',
        query: { ...query },
        headers: { accept: 'text/calendar, application/problem+json' },
      }),
    rotate: (id, request = {}) =>
      sendFor(options, { method: 'POST', path: path(id, '/rotate'), json: request }, mintedToken),
    revoke: (id, request) => sendFor(options, { method: 'POST', path: path(id, '/revoke'), json: request }, token),
    transfer: (id, request) => sendFor(options, { method: 'POST', path: path(id, '/transfer'), json: request }, token),
    takeOver: (id) => sendFor(options, { method: 'POST', path: path(id, '/take-over') }, mintedToken),
    unfreeze: (id) => sendFor(options, { method: 'POST', path: path(id, '/unfreeze') }, token),
    revokeMany: (request) => sendFor(options, { method: 'POST', path: '/v1/revocations', json: request }, revocation),
  };
}

function idempotent(key: string | undefined): Record<string, string> {
  return key === undefined ? {} : { 'idempotency-key': key };
}
