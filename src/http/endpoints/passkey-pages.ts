import { printId } from '../../rules/format.js';
import { addSeconds } from '../../rules/lifetime.js';
import { DEFAULT_PASSKEY_NAME } from '../../rules/passkey.js';
import { accept, refuse } from '../../rules/refusal.js';
import { STEP_UP_SECONDS } from '../../rules/step-up.js';
import type { Origin } from '../../store/events.js';
import { addPasskey, listPasskeys } from '../../store/passkeys.js';
import { addOptionsRequest, addRequest } from '../../wire/webauthn.js';
import { callerNetwork } from '../address.js';
import { NO_CHALLENGE_COOKIE, offerChallenge, takeChallenge } from '../challenge.js';
import type { Deps } from '../deps.js';
import { placeOf, type Route } from '../endpoint.js';
import { pageAnswer } from '../page.js';
import { pageCallAnswer, readPageCall } from '../page-call.js';
import { properAddress } from '../pages-url.js';
import { ADD_PATH, makeLink, openLink } from '../passkey-link.js';
import { exhausted, limitOf } from '../rate-limit.js';
import { seeOther, signInPath } from '../redirect.js';
import { readSignedForm, signedIn } from '../session.js';
import { relyingParty, verifyAttestation } from '../webauthn.js';
import { attestationOptions } from '../webauthn-options.js';

// Bad links and what could not be verified, in a minute from one address.
const misses = limitOf({ points: 60, duration: 60 });

export const addPasskeyPageRoute: Route = {
  operation: { method: 'get', path: ADD_PATH },
  handle: async ({ issuer }, exchange) => {
    const proper = properAddress(issuer, exchange);
    if (proper !== undefined) return seeOther(proper);
    const { addPasskeyPage } = await import('../passkey-pages.js');
    return accept(pageAnswer(addPasskeyPage(relyingParty(issuer).origin)));
  },
};

/** Leads somebody who is signed in on to add a passkey. The first needs nothing more; another one a passkey that has just
 *  signed them in. */
export const beginPasskeyRoute: Route = {
  operation: { method: 'post', path: '/console/passkeys' },
  handle: async (deps, exchange) => {
    const by = await signedIn(deps, exchange);
    if (by === undefined) return seeOther(signInPath('/console'));
    const form = await readSignedForm(deps, exchange, by);
    if (!form.ok) return form;
    const { session, member, workspace } = by;
    const known = await listPasskeys(deps.db, workspace.id, member.id);
    const isFresh = session.method === 'passkey' && exchange.now < addSeconds(session.createdAt, STEP_UP_SECONDS);
    if (known.length > 0 && !isFresh) {
      const detail =
        'a passkey of yours has to confirm another one: sign in with it anew and come back within five minutes, or use countersign passkey add';
      return refuse({ kind: 'not_allowed', detail });
    }
    const asker = { workspaceId: workspace.id, memberId: member.id, via: printId('ses', session.id) };
    const wanted = { name: DEFAULT_PASSKEY_NAME, isConfirmed: known.length > 0 };
    const { url } = await makeLink(deps, asker, wanted, exchange.now);
    return seeOther(url);
  },
};

/** Tells whom a link is for, and what the authenticator is to make. */
export const addPasskeyOptionsRoute: Route = {
  operation: { method: 'post', path: `${ADD_PATH}/options` },
  handle: async (deps, exchange) => {
    const network = callerNetwork(exchange.ip);
    const limited = await exhausted(misses(deps), network);
    if (limited) return limited;
    const body = await readPageCall(deps, exchange, addOptionsRequest);
    if (!body.ok) return body;
    const link = await openLink(deps, body.value.link, exchange.now);
    if (!link.ok) return missed(deps, network, link);
    const { person, name, known } = link.value;
    const { challenge, cookie } = await offerChallenge(deps, exchange, ['add', link.value.id]);
    const options = attestationOptions(relyingParty(deps.issuer), challenge, person, known);
    const shown = { email: person.member.email, workspace: person.workspace.slug, name };
    return pageCallAnswer({ ...shown, options }, [cookie]);
  },
};

/** Takes what the authenticator has made, once. */
export const addPasskeyByLinkRoute: Route = {
  operation: { method: 'post', path: ADD_PATH },
  handle: async (deps, exchange) => {
    const network = callerNetwork(exchange.ip);
    const limited = await exhausted(misses(deps), network);
    if (limited) return limited;
    const body = await readPageCall(deps, exchange, addRequest);
    if (!body.ok) return body;
    const link = await openLink(deps, body.value.link, exchange.now);
    if (!link.ok) return missed(deps, network, link);
    const { person, via, name } = link.value;
    const { credential } = body.value;
    const challenge = await takeChallenge(deps, exchange, ['add', link.value.id]);
    const made = challenge && (await verifyAttestation(relyingParty(deps.issuer), challenge, credential));
    if (!made) {
      const detail = 'the passkey could not be verified; nothing was added. Try again.';
      return missed(deps, network, refuse({ kind: 'not_allowed', detail }));
    }
    const origin: Origin = {
      actorType: 'member',
      actorId: printId('mem', person.member.id),
      via,
      ...placeOf(exchange),
    };
    const draft = {
      workspaceId: person.workspace.id,
      memberId: person.member.id,
      credentialId: made.credentialId,
      publicKey: Buffer.from(made.publicKey),
      counter: made.counter,
      transports: [...credential.transports],
      name,
    };
    const added = await addPasskey(deps.db, draft, link.value, origin, exchange.now);
    return added.ok ? pageCallAnswer({ name: added.value.name }, [NO_CHALLENGE_COOKIE]) : added;
  },
};

async function missed<T>(deps: Deps, network: string, refusal: T): Promise<T> {
  await misses(deps).penalty(network);
  return refusal;
}
