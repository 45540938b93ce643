import { type Result, refuse } from '../../rules/refusal.js';
import { returnPath } from '../../rules/sign-in.js';
import { passkeyByCredential, signInWithPasskey } from '../../store/passkeys.js';
import { noMembers, passkeySignInRequest } from '../../wire/webauthn.js';
import { callerNetwork } from '../address.js';
import { NO_CHALLENGE_COOKIE, offerChallenge, takeChallenge } from '../challenge.js';
import type { Deps } from '../deps.js';
import { placeOf, type Route } from '../endpoint.js';
import type { Answer } from '../exchange.js';
import { pageCallAnswer, readPageCall } from '../page-call.js';
import { exhausted, limitOf } from '../rate-limit.js';
import { sessionCookie, signedIn } from '../session.js';
import { relyingParty, verifyAssertion } from '../webauthn.js';
import { assertionOptions, userHandle } from '../webauthn-options.js';

// Wrong proofs in a minute from one address. Right ones are not counted: many people may be behind one.
const misses = limitOf({ points: 60, duration: 60 });
const PATH = '/console/sign-in/passkey';
const PURPOSE = ['sign-in'];

export const passkeySignInOptionsRoute: Route = {
  operation: { method: 'post', path: `${PATH}/options` },
  handle: async (deps, exchange) => {
    const body = await readPageCall(deps, exchange, noMembers);
    if (!body.ok) return body;
    const { challenge, cookie } = await offerChallenge(deps, exchange, PURPOSE);
    return pageCallAnswer(assertionOptions(relyingParty(deps.issuer), challenge), [cookie]);
  },
};

/** Signs in the person whose passkey answers. What is wrong with one that does not, nobody is told: whether there is such a
 *  passkey neither. */
export const passkeySignInRoute: Route = {
  operation: { method: 'post', path: PATH },
  handle: async (deps, exchange) => {
    const network = callerNetwork(exchange.ip);
    const limited = await exhausted(misses(deps), network);
    if (limited) return limited;
    const body = await readPageCall(deps, exchange, passkeySignInRequest);
    if (!body.ok) return body;
    const { credential, return_to: asked } = body.value;
    const challenge = await takeChallenge(deps, exchange, PURPOSE);
    const key = await passkeyByCredential(deps.db, credential.id);
    const counter = challenge && (await verifyAssertion(relyingParty(deps.issuer), challenge, credential, key));
    const isTheirs = key !== undefined && credential.userHandle === userHandle(key.memberId);
    if (key === undefined || !isTheirs || typeof counter !== 'number') return noSignIn(deps, network);
    const proof = { workspaceId: key.workspaceId, id: key.id, counter };
    const before = await signedIn(deps, exchange);
    const started = await signInWithPasskey(deps.db, deps.secrets, proof, placeOf(exchange), before, exchange.now);
    if (started === undefined) return noSignIn(deps, network);
    const cookies = [sessionCookie(started.printed), NO_CHALLENGE_COOKIE];
    return pageCallAnswer({ location: returnPath(asked) }, cookies);
  },
};

async function noSignIn(deps: Deps, network: string): Promise<Result<Answer>> {
  await misses(deps).penalty(network);
  return refuse({ kind: 'not_allowed', detail: 'this passkey does not sign anybody in here' });
}
