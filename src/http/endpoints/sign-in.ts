import { randomBytes } from 'node:crypto';
import { accept, type Result, refuse } from '../../rules/refusal.js';
import { describeFault, returnPath, type SignInFault } from '../../rules/sign-in.js';
import { acquaintances } from '../../store/identities.js';
import { endSession } from '../../store/session-ends.js';
import { enterBySignIn, type Person } from '../../store/sign-ins.js';
import { callerNetwork } from '../address.js';
import type { Deps } from '../deps.js';
import { placeOf, type Route } from '../endpoint.js';
import type { Answer, Exchange } from '../exchange.js';
import { pageAnswer } from '../page.js';
import { pagesUrl, properAddress } from '../pages-url.js';
import type { Provider, Told } from '../provider.js';
import { exhausted, limitOf } from '../rate-limit.js';
import { seeOther } from '../redirect.js';
import { readOwnForm, sessionCookie, sessionOrigin, signedIn } from '../session.js';
import { endedCookie, keepChoice, keepFlow, takeChoice, takeFlow } from '../sign-in-flow.js';
import { relyingParty } from '../webauthn.js';

const CALLBACK = '/console/sign-in/callback';
// What the provider does not confirm, in a minute from one network: each costs a row, and a question to the provider.
const misses = limitOf({ points: 120, duration: 60 });
const AGAIN = 'Open the sign-in page again. A sign-in is good for ten minutes, once, and in the browser that began it.';

/** The page: who wants to sign in chooses how. */
export const signInPageRoute: Route = {
  operation: { method: 'get', path: '/console/sign-in' },
  handle: async (deps, exchange) => {
    const proper = properAddress(deps.issuer, exchange);
    if (proper !== undefined) return seeOther(proper);
    const asked = new URLSearchParams(exchange.search);
    const { signInPage } = await import('../sign-in-page.js');
    const view = {
      issuer: deps.provider?.settings.issuer,
      returnTo: returnPath(asked.get('return_to') ?? undefined),
      origin: relyingParty(deps.issuer).origin,
      workspace: slugOf(asked.get('workspace') ?? undefined),
      current: await signedIn(deps, exchange),
    };
    return accept(pageAnswer(signInPage(view)));
  },
};

/** Begins a sign-in and leads to the provider. OpenID Connect Core 1.0 section 3.1.2.1, RFC 7636 section 4.2. */
export const beginSignInRoute: Route = {
  operation: { method: 'post', path: '/console/sign-in' },
  handle: async (deps, exchange) => {
    const form = await readOwnForm(deps, exchange);
    if (!form.ok) return form;
    const { provider } = deps;
    if (provider === undefined) return refuse({ kind: 'not_found' });
    const begun = await provider.begin(pagesUrl(deps.issuer) + CALLBACK, exchange.now);
    if (!begun.ok) return unanswered(deps, exchange, begun);
    const { url, kept } = begun.value;
    const flow = { kept, returnTo: returnPath(form.value['return_to']), workspace: slugOf(form.value['workspace']) };
    return seeOther(url.href, await keepFlow(deps, exchange, flow));
  },
};

/** Where the provider leads back to. OpenID Connect Core 1.0 section 3.1.2.5, RFC 9207 section 2.4. */
export const finishSignInRoute: Route = {
  operation: { method: 'get', path: CALLBACK },
  handle: async (deps, exchange) => {
    const { provider } = deps;
    if (provider === undefined) return refuse({ kind: 'not_found' });
    const network = callerNetwork(exchange.ip);
    const limited = await exhausted(misses(deps), network);
    if (limited) return limited;
    const [state = '', ...more] = new URLSearchParams(exchange.search).getAll('state');
    const flow = more.length > 0 ? undefined : await takeFlow(deps, exchange, state);
    if (flow === undefined) return noSignIn('This sign-in is not known here', AGAIN);
    const callback = new URL(pagesUrl(deps.issuer) + CALLBACK + exchange.search);
    const told = await provider.finish(callback, flow.kept, exchange.now);
    if (!told.ok) {
      await misses(deps).penalty(network);
      return unanswered(deps, exchange, told, state);
    }
    const person = told.value;
    const answer = await admit(deps, exchange, provider, { person, returnTo: flow.returnTo }, flow.workspace);
    return withCookie(answer, endedCookie(state));
  },
};

/** Enters the workspace that was chosen. */
export const chooseWorkspaceRoute: Route = {
  operation: { method: 'post', path: '/console/sign-in/workspace' },
  handle: async (deps, exchange) => {
    const form = await readOwnForm(deps, exchange);
    if (!form.ok) return form;
    const { choice: name = '', workspace } = form.value;
    const slug = slugOf(workspace);
    const choice = slug === undefined ? undefined : await takeChoice(deps, exchange, name);
    if (deps.provider === undefined || slug === undefined || choice === undefined) {
      return noSignIn('This sign-in is not known here', AGAIN);
    }
    return withCookie(await enter(deps, exchange, deps.provider, choice, slug), endedCookie(name));
  },
};

interface Proven {
  readonly person: Person;
  readonly returnTo: string;
}

/** Lets somebody into the workspace that was asked for, else the only one that knows them, else asks which. */
async function admit(
  deps: Deps,
  exchange: Exchange,
  provider: Provider,
  proven: Proven,
  asked: string | undefined,
): Promise<Result<Answer>> {
  const { person } = proven;
  const { allowedDomains, workspace: home } = provider.settings;
  if (allowedDomains.length > 0 && person.address === undefined)
    return turnedAway(deps, exchange, 'domain_not_allowed');
  if (asked !== undefined) return enter(deps, exchange, provider, proven, asked);
  const known = await acquaintances(deps.db, person, person.address);
  const open = known.filter(({ status }) => status !== 'suspended');
  const [first, second] = open.length > 0 ? open : known;
  if (first === undefined) {
    return home === undefined
      ? turnedAway(deps, exchange, 'unknown_person')
      : enter(deps, exchange, provider, proven, home);
  }
  if (second === undefined) return enter(deps, exchange, provider, proven, first.slug);
  const name = randomBytes(32).toString('base64url');
  const { choicePage } = await import('../sign-in-page.js');
  const slugs = (open.length > 0 ? open : known).map(({ slug }) => slug);
  const cookies = [await keepChoice(deps, exchange, name, proven)];
  return accept({ ...pageAnswer(choicePage(name, slugs)), cookies });
}

/** Starts the session. The one that the browser had ends: nobody goes on in a session that began before they proved who
 *  they are. */
async function enter(
  deps: Deps,
  exchange: Exchange,
  { settings }: Provider,
  { person, returnTo }: Proven,
  slug: string,
): Promise<Result<Answer>> {
  const before = await signedIn(deps, exchange);
  const entry = { person, slug, settings, place: placeOf(exchange), now: exchange.now };
  const entered = await enterBySignIn(deps.db, deps.secrets, entry);
  if (!entered.ok) return turnedAway(deps, exchange, entered.fault);
  if (before !== undefined) await endSession(deps.db, before.session, sessionOrigin(before, exchange), exchange.now);
  return seeOther(returnTo, [sessionCookie(entered.session.printed)]);
}

async function turnedAway({ log }: Deps, { requestId }: Exchange, fault: SignInFault): Promise<Result<Answer>> {
  log.info({ requestId, fault }, 'somebody whom the provider knows was not let in');
  return noSignIn('You cannot sign in here', describeFault(fault));
}

/** What became of a sign-in that the provider did not confirm. */
async function unanswered(
  { log }: Deps,
  { requestId }: Exchange,
  told: Told<unknown> & { readonly ok: false },
  state?: string,
): Promise<Result<Answer>> {
  log.warn({ requestId, reason: told.reason, isAway: told.isAway }, 'the OpenID provider did not confirm a sign-in');
  const cookies = state === undefined ? [] : [endedCookie(state)];
  const { noSignInPage } = await import('../sign-in-page.js');
  if (!told.isAway) {
    const text = `Your provider did not confirm who you are. ${AGAIN}`;
    return accept({ ...pageAnswer(noSignInPage('You are not signed in', text), 403), cookies });
  }
  const text = 'Your identity provider is out of reach, or does not answer as one. Try again in a minute.';
  const answer = pageAnswer(noSignInPage('The provider is out of reach', text), 503);
  return accept({ ...answer, headers: { ...answer.headers, 'retry-after': '30' }, cookies });
}

async function noSignIn(title: string, text: string): Promise<Result<Answer>> {
  const { noSignInPage } = await import('../sign-in-page.js');
  return accept(pageAnswer(noSignInPage(title, text), 403));
}

function withCookie(answer: Result<Answer>, cookie: string): Result<Answer> {
  if (!answer.ok) return answer;
  return accept({ ...answer.value, cookies: [...(answer.value.cookies ?? []), cookie] });
}

const SLUG = /^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$/;

function slugOf(text: string | undefined): string | undefined {
  return text !== undefined && SLUG.test(text) ? text : undefined;
}
