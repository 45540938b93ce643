import { RateLimiterMemory } from 'rate-limiter-flexible';
import { printId } from '../../rules/format.js';
import { accept, refuse } from '../../rules/refusal.js';
import type { Origin } from '../../store/events.js';
import { addPasskey } from '../../store/passkeys.js';
import { addOptionsRequest, addRequest } from '../../wire/webauthn.js';
import { callerNetwork } from '../address.js';
import { NO_CHALLENGE_COOKIE, offerChallenge, takeChallenge } from '../challenge.js';
import { placeOf, type Route } from '../endpoint.js';
import { pageAnswer } from '../page.js';
import { pageCallAnswer, readPageCall } from '../page-call.js';
import { properAddress } from '../pages-url.js';
import { ADD_PATH, openLink } from '../passkey-link.js';
import { exhausted } from '../rate-limit.js';
import { seeOther } from '../redirect.js';
import { relyingParty, verifyAttestation } from '../webauthn.js';
import { attestationOptions } from '../webauthn-options.js';

// Bad links and what could not be verified, in a minute from one address.
const misses = new RateLimiterMemory({ points: 60, duration: 60 });

export const addPasskeyPageRoute: Route = {
  operation: { method: 'get', path: ADD_PATH },
  handle: async ({ issuer }, exchange) => {
    const proper = properAddress(issuer, exchange);
    if (proper !== undefined) return seeOther(proper);
    const { addPasskeyPage } = await import('../passkey-pages.js');
    return accept(pageAnswer(addPasskeyPage(relyingParty(issuer).origin)));
  },
};

/** Tells whom a link is for, and what the authenticator is to make. */
export const addPasskeyOptionsRoute: Route = {
  operation: { method: 'post', path: `${ADD_PATH}/options` },
  handle: async (deps, exchange) => {
    const network = callerNetwork(exchange.ip);
    const limited = await exhausted(misses, network);
    if (limited) return limited;
    const body = await readPageCall(deps, exchange, addOptionsRequest);
    if (!body.ok) return body;
    const link = await openLink(deps, body.value.link, exchange.now);
    if (!link.ok) return missed(network, link);
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
    const limited = await exhausted(misses, network);
    if (limited) return limited;
    const body = await readPageCall(deps, exchange, addRequest);
    if (!body.ok) return body;
    const link = await openLink(deps, body.value.link, exchange.now);
    if (!link.ok) return missed(network, link);
    const { person, tokenId, name } = link.value;
    const { credential } = body.value;
    const challenge = await takeChallenge(deps, exchange, ['add', link.value.id]);
    const made = challenge && (await verifyAttestation(relyingParty(deps.issuer), challenge, credential));
    if (!made) {
      const detail = 'the passkey could not be verified; nothing was added. Try again.';
      return missed(network, refuse({ kind: 'not_allowed', detail }));
    }
    const origin: Origin = {
      actorType: 'member',
      actorId: printId('mem', person.member.id),
      via: printId('tok', tokenId),
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

async function missed<T>(network: string, refusal: T): Promise<T> {
  await misses.penalty(network);
  return refusal;
}
