import { parseToken, printId, type SessionId } from '../rules/format.js';
import { type Result, refuse } from '../rules/refusal.js';
import { SESSION_SECONDS } from '../rules/session.js';
import type { Origin } from '../store/events.js';
import { findSession, type SignedIn } from '../store/sessions.js';
import { type Form, readForm } from './body.js';
import type { Deps } from './deps.js';
import { placeOf } from './endpoint.js';
import type { Exchange } from './exchange.js';
import { pagesUrl } from './pages-url.js';

/** The cookie of a session. A browser takes one of this prefix only from this very host, over https or from loopback, for
 *  all its paths. RFC 6265bis section 4.1.3.2. */
const COOKIE = '__Host-countersign';
const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Lax';

/** The field of a form that shows that it comes from a page of this service. */
export const FORM_TOKEN = 'form_token';

/** Who signed in, by the cookie of the request; `undefined` when nobody did, or not any more. */
export async function signedIn(deps: Deps, exchange: Exchange): Promise<SignedIn | undefined> {
  const parsed = parseToken(cookieOf(exchange, COOKIE) ?? '');
  if (parsed === undefined) return undefined;
  const cookie = { id: parsed.id as string as SessionId, cookieSecret: parsed.tokenSecret };
  return findSession(deps.db, deps.secrets, cookie, exchange.now);
}

/** The `Set-Cookie` of a session that has just been started. Browsers send it along when a link of another site is
 *  followed (so that the provider can lead back), and with no form of one. */
export function sessionCookie(printed: string): string {
  return `${COOKIE}=${printed}; ${ATTRIBUTES}; Max-Age=${SESSION_SECONDS}`;
}

/** The `Set-Cookie` that ends it in the browser. */
export const NO_SESSION_COOKIE = `${COOKIE}=; ${ATTRIBUTES}; Max-Age=0`;

/** Who acts on a page, for the audit trail. */
export function sessionOrigin({ session, member }: SignedIn, exchange: Exchange): Origin {
  const via = printId('ses', session.id);
  return { actorType: 'member', actorId: printId('mem', member.id), via, ...placeOf(exchange) };
}

/** A cookie by its name. */
export function cookieOf(exchange: Exchange, name: string): string | undefined {
  const pairs = (exchange.header('cookie') ?? '').split(';').map((pair) => pair.trim());
  return pairs.find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1);
}

/** Reads the form of a page that somebody signed in sends. Refuses one that comes from elsewhere: by where the browser says
 *  that it comes from, and by the token that only a page of this session holds. */
export async function readSignedForm(deps: Deps, exchange: Exchange, { session }: SignedIn): Promise<Result<Form>> {
  const form = await readOwnForm(deps, exchange);
  if (!form.ok) return form;
  const isOwn = deps.seals.isFormToken(session.id, form.value[FORM_TOKEN] ?? '');
  return isOwn ? form : elsewhere();
}

/** Reads the form of a page that nobody needs to be signed in for. Refuses one that comes from elsewhere. */
export async function readOwnForm(deps: Deps, exchange: Exchange): Promise<Result<Form>> {
  return isFromHere(deps, exchange) ? readForm(exchange) : elsewhere();
}

/** Whether the browser says that a page of this service sends the request. Every current one sends `Origin` with a POST;
 *  who sends neither header is not believed. */
export function isFromHere({ issuer }: Deps, exchange: Exchange): boolean {
  const origin = exchange.header('origin');
  if (origin !== undefined) return [issuer, pagesUrl(issuer)].some((url) => origin === new URL(url).origin);
  return exchange.header('sec-fetch-site') === 'same-origin';
}

/** Refuses what a page of this service did not send. */
export function elsewhere() {
  return refuse({ kind: 'not_allowed', detail: 'the form was not sent by a page of this service; open it again' });
}
