import { printId } from '../../rules/format.js';
import { INACTIVE, type Introspection, introspect, mayIntrospect } from '../../rules/introspection.js';
import { accept, refuse } from '../../rules/refusal.js';
import type { TokenFacts } from '../../rules/token.js';
import type { StoredToken } from '../../store/lookup.js';
import { introspectOperation } from '../../wire/oauth.js';
import { callerOf, printedToken } from '../authenticate.js';
import { readForm } from '../body.js';
import type { Deps } from '../deps.js';
import { jsonAnswer, type Route } from '../endpoint.js';
import type { Answer, Exchange } from '../exchange.js';
import { findBoth, type Soon, useToken } from '../presented.js';

const JWT_TYPE = 'application/token-introspection+jwt';

const BAD_CLIENT = refuse({ kind: 'unauthenticated', hasCredentials: true, scheme: 'Basic' });

/** RFC 7662. The caller and the token in question are read in the same statement. */
export const introspectRoute: Route = {
  operation: introspectOperation,
  handle: async (deps, exchange) => {
    const form = await readForm(exchange);
    if (!form.ok) return form;
    const printed = form.value['token'];
    const credentials = callerCredentials(exchange.header('authorization'));
    if (credentials === undefined) return refuse({ kind: 'unauthenticated', hasCredentials: false });
    const { caller: presented, subject } = await findBoth(deps, credentials.printed, printed);
    const isNamed = credentials.clientId === undefined || isId(presented, credentials.clientId);
    const caller = await callerOf(deps, exchange, isNamed ? presented : undefined);
    if (!caller.ok) return credentials.clientId === undefined ? caller : BAD_CLIENT;
    if (printed === undefined) return refuse({ kind: 'malformed_body', detail: 'token is missing' });
    const isSelf = subject?.facts.id === caller.value.id;
    if (!isSelf && !mayIntrospect(caller.value)) {
      return refuse({ kind: 'insufficient_scope', scope: 'tokens:introspect' });
    }
    const answer = await answerFor(deps, exchange, caller.value, subject, isSelf);
    deps.metrics.introspection(answer.active);
    return accept(await respond(deps, exchange, caller.value, answer));
  },
};

interface Credentials {
  readonly printed: string;
  /** The client id of HTTP Basic, which must be the token's public id. */
  readonly clientId: string | undefined;
}

/** The caller's token: Bearer or DPoP, or the client secret of HTTP Basic, whose two parts are form-encoded. RFC 6749
 *  section 2.3.1. */
function callerCredentials(header: string | undefined): Credentials | undefined {
  if (header === undefined) return undefined;
  if (!/^basic(?: |$)/i.test(header)) return { printed: printedToken(header) ?? '', clientId: undefined };
  const encoded = /^basic +([A-Za-z0-9+/=_-]+) *$/i.exec(header)?.[1] ?? '';
  const [, id, secret] = /^([^:]*):(.*)$/s.exec(Buffer.from(encoded, 'base64').toString('utf8')) ?? [];
  return { printed: formDecode(secret ?? ''), clientId: formDecode(id ?? '') };
}

function formDecode(text: string): string {
  return new URLSearchParams(`v=${text.replaceAll('&', '%26')}`).get('v') ?? '';
}

function isId(token: StoredToken | undefined, clientId: string): boolean {
  return token !== undefined && printId('tok', token.facts.id) === clientId;
}

/** Starts from inactive; only the last line says active. */
function answerFor(
  deps: Deps,
  exchange: Exchange,
  caller: TokenFacts,
  subject: StoredToken | undefined,
  isSelf: boolean,
): Soon<Introspection> {
  if (subject === undefined) return INACTIVE;
  if (subject.facts.workspaceId !== caller.workspaceId) return INACTIVE;
  const where = { ip: exchange.ip, by: caller.id, requestId: exchange.requestId, asker: caller };
  // What asks about itself was used when it authenticated.
  const isUsed = isSelf || useToken(deps, subject, where, exchange.now);
  const answer = (isLive: boolean) =>
    isLive ? introspect(subject.facts, caller, deps.issuer, exchange.now) : INACTIVE;
  return isUsed instanceof Promise ? isUsed.then(answer) : answer(isUsed);
}

/** JSON, or a signed JWT for who asks for one. RFC 9701 section 4. */
function respond(deps: Deps, exchange: Exchange, caller: TokenFacts, answer: Introspection): Soon<Answer> {
  if (!wantsJwt(exchange.header('accept'))) return jsonAnswer({ status: 200, body: answer });
  const claims = { iss: deps.issuer, aud: printId('tok', caller.id), introspection: answer };
  return deps.signer
    .signIntrospection(claims, exchange.now)
    .then((jwt) => ({ status: 200, headers: { 'content-type': JWT_TYPE }, body: jwt }));
}

/** Who names the type, and gives it no less weight than JSON. RFC 9110 section 12.5.1. */
function wantsJwt(accept: string | undefined): boolean {
  if (accept === undefined) return false;
  const ranges = accept.toLowerCase().split(',');
  const weight = weightOf(ranges, JWT_TYPE);
  return weight > 0 && weight >= weightOf(ranges, 'application/json');
}

function weightOf(ranges: readonly string[], type: string): number {
  const range = ranges.find((one) => one.split(';', 1)[0]?.trim() === type);
  return range === undefined ? 0 : Number(/;\s*q=([\d.]+)/.exec(range)?.[1] ?? 1);
}
