import { accept, type Result, refuse } from '../rules/refusal.js';
import { mayUse } from '../rules/role.js';
import type { ServiceScope } from '../rules/scope.js';
import type { TokenFacts } from '../rules/token.js';
import type { StoredToken } from '../store/lookup.js';
import type { Deps } from './deps.js';
import type { Exchange } from './exchange.js';
import { findPresented, type Soon, useToken } from './presented.js';

const NO_CREDENTIALS = refuse({ kind: 'unauthenticated', hasCredentials: false });
const BAD_CREDENTIALS = refuse({ kind: 'unauthenticated', hasCredentials: true });

/** The printed token of an `Authorization: Bearer` header. RFC 6750 section 2.1; the scheme's case does not matter
 *  (RFC 9110 section 11.1). */
export function bearerToken(header: string | undefined): string | undefined {
  return /^bearer +([^\s]+)$/i.exec(header ?? '')?.[1];
}

/** Who calls, with a live token. Refuses `unauthenticated`. */
export async function authenticate(deps: Deps, exchange: Exchange): Promise<Result<TokenFacts>> {
  const token = await presented(deps, exchange);
  return token.ok ? alive(deps, exchange, token.value) : token;
}

/** Turns a verified token into the caller, if it is live. Refuses `unauthenticated`. */
export function alive(deps: Deps, exchange: Exchange, token: StoredToken | undefined): Soon<Result<TokenFacts>> {
  if (token === undefined) return exchange.header('authorization') !== undefined ? BAD_CREDENTIALS : NO_CREDENTIALS;
  const where = { ip: exchange.ip, by: undefined, requestId: exchange.requestId };
  const isUsed = useToken(deps, token, where, exchange.now);
  const caller = (isLive: boolean) => (isLive ? accept(token.facts) : BAD_CREDENTIALS);
  return isUsed instanceof Promise ? isUsed.then(caller) : caller(isUsed);
}

/** The verified token of a request, whatever its state: for things that a token may ask about itself after its end.
 *  Refuses `unauthenticated`. */
export async function presented(deps: Deps, exchange: Exchange): Promise<Result<StoredToken>> {
  const header = exchange.header('authorization');
  if (header === undefined) return NO_CREDENTIALS;
  const printed = bearerToken(header);
  const token = printed === undefined ? undefined : await findPresented(deps, printed);
  return token === undefined ? BAD_CREDENTIALS : accept(token);
}

/** Lets a caller pass whose role and token both allow a scope. Refuses `insufficient_scope`. */
export function authorize(caller: TokenFacts, scope: ServiceScope): Result<TokenFacts> {
  const may = mayUse(caller.creatorRole, caller.scopes, scope);
  return may ? accept(caller) : refuse({ kind: 'insufficient_scope', scope });
}
