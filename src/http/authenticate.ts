import { accept, type Refusal, type Result, refuse } from '../rules/refusal.js';
import { mayUse } from '../rules/role.js';
import type { ServiceScope } from '../rules/scope.js';
import type { TokenFacts } from '../rules/token.js';
import type { StoredToken } from '../store/lookup.js';
import type { Deps } from './deps.js';
import { provenKey } from './dpop.js';
import type { Exchange } from './exchange.js';
import { findPresented, type Soon, useToken } from './presented.js';

const NO_CREDENTIALS = refuse({ kind: 'unauthenticated', hasCredentials: false });
const BAD_CREDENTIALS = refuse({ kind: 'unauthenticated', hasCredentials: true });
const NOT_BOUND = unbound('the token is not bound to a key: send it as Bearer');
const BOUND = unbound('the token is bound to a key: send it with the scheme DPoP and a proof of that key');

/** The printed token of an `Authorization` header: Bearer (RFC 6750 section 2.1) or DPoP (RFC 9449 section 7.1). The
 *  scheme's case does not matter (RFC 9110 section 11.1). */
export function printedToken(header: string | undefined): string | undefined {
  return /^(?:bearer|dpop) +([^\s]+)$/i.exec(header ?? '')?.[1];
}

/** Who calls, with a live token. Refuses `unauthenticated` and `unproven`. */
export async function authenticate(deps: Deps, exchange: Exchange): Promise<Result<TokenFacts>> {
  const token = await presented(deps, exchange);
  return token.ok ? alive(deps, exchange, token.value) : token;
}

/** Turns a verified token into the caller, if it is its own and live. Refuses `unauthenticated` and `unproven`. */
export function callerOf(deps: Deps, exchange: Exchange, token: StoredToken | undefined): Soon<Result<TokenFacts>> {
  if (token === undefined) return exchange.header('authorization') !== undefined ? BAD_CREDENTIALS : NO_CREDENTIALS;
  const fault = possessionFault(deps, exchange, token);
  if (fault instanceof Promise) return fault.then((found) => found ?? alive(deps, exchange, token));
  return fault ?? alive(deps, exchange, token);
}

/** The verified token of a request, whatever its state: for things that a token may ask about itself after its end.
 *  Refuses `unauthenticated` and `unproven`. */
export async function presented(deps: Deps, exchange: Exchange): Promise<Result<StoredToken>> {
  const header = exchange.header('authorization');
  if (header === undefined) return NO_CREDENTIALS;
  const printed = printedToken(header);
  const token = printed === undefined ? undefined : await findPresented(deps, printed);
  if (token === undefined) return BAD_CREDENTIALS;
  return (await possessionFault(deps, exchange, token)) ?? accept(token);
}

function alive(deps: Deps, exchange: Exchange, token: StoredToken): Soon<Result<TokenFacts>> {
  const where = { ip: exchange.ip, by: undefined, requestId: exchange.requestId };
  const isUsed = useToken(deps, token, where, exchange.now);
  const caller = (isLive: boolean) => (isLive ? accept(token.facts) : BAD_CREDENTIALS);
  return isUsed instanceof Promise ? isUsed.then(caller) : caller(isUsed);
}

type Refused = { readonly ok: false; readonly refusal: Refusal };

/** Why a token is not the caller's to use: it is bound to a key that the request does not prove, or it is sent as if it
 *  were. `undefined` when it is, at once for a plain Bearer token. RFC 9449 sections 7.1 and 7.2. */
function possessionFault(deps: Deps, exchange: Exchange, token: StoredToken): Soon<Refused | undefined> {
  const { jkt, kind } = token.facts;
  const header = exchange.header('authorization');
  const isDpop = /^dpop /i.test(header ?? '');
  if (jkt === undefined && kind !== 'runner') return isDpop ? NOT_BOUND : undefined;
  if (!isDpop || jkt === undefined) return BOUND;
  return provenKey(deps, exchange, { jkt, accessToken: printedToken(header) }).then((proven) =>
    proven.ok ? undefined : proven,
  );
}

/** Lets a caller pass whose role and token both allow a scope. Refuses `insufficient_scope`. */
export function authorize(caller: TokenFacts, scope: ServiceScope): Result<TokenFacts> {
  const may = mayUse(caller.creatorRole, caller.scopes, scope);
  return may ? accept(caller) : refuse({ kind: 'insufficient_scope', scope });
}

function unbound(detail: string): Refused {
  return refuse({ kind: 'unproven', error: 'invalid_token', detail });
}
