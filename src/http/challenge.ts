import { createHash, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { addSeconds } from '../rules/lifetime.js';
import { CHALLENGE_SECONDS } from '../rules/passkey.js';
import { takeOnce } from '../store/seen.js';
import type { Deps } from './deps.js';
import type { Exchange } from './exchange.js';
import { cookieOf } from './session.js';

/** What a challenge is for, word by word: `sign-in`; `add` and the link; `step-up`, its id, its token, its act. */
export type Purpose = readonly string[];

const COOKIE = '__Host-countersign-challenge';
const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Strict';
const NONCE_BYTES = 32;

const carried = z.object({ nonce: z.string() });

/** Draws a challenge for an authenticator to sign, bound to what it is for and to the browser that asks: a signature of it is
 *  good for nothing else. The browser carries the random half, sealed; nothing is kept. Web Authentication section 13.4.3. */
export async function offerChallenge(
  { seals }: Deps,
  { now }: Exchange,
  purpose: Purpose,
): Promise<{ readonly challenge: string; readonly cookie: string }> {
  const nonce = randomBytes(NONCE_BYTES).toString('base64url');
  const sealed = await seals.seal('passkey', { nonce }, addSeconds(now, CHALLENGE_SECONDS));
  const cookie = `${COOKIE}=${sealed}; ${ATTRIBUTES}; Max-Age=${CHALLENGE_SECONDS}`;
  return { challenge: challengeOf(nonce, purpose), cookie };
}

/** The challenge that this browser was given, if it has not answered it yet, as it is for this purpose. From now on it is
 *  answered, right or wrong. */
export async function takeChallenge(deps: Deps, exchange: Exchange, purpose: Purpose): Promise<string | undefined> {
  const opened = carried.safeParse(await deps.seals.open('passkey', cookieOf(exchange, COOKIE) ?? '', exchange.now));
  if (!opened.success) return undefined;
  const { nonce } = opened.data;
  // Another node may be a little behind.
  const forgetAt = addSeconds(exchange.now, 2 * CHALLENGE_SECONDS);
  const isFirst = await takeOnce(deps.db, 'webauthn_challenge', nonce, forgetAt);
  return isFirst ? challengeOf(nonce, purpose) : undefined;
}

/** The `Set-Cookie` that takes it out of the browser. */
export const NO_CHALLENGE_COOKIE = `${COOKIE}=; ${ATTRIBUTES}; Max-Age=0`;

function challengeOf(nonce: string, purpose: Purpose): string {
  const bound = JSON.stringify(['countersign', ...purpose, nonce]);
  return createHash('sha256').update(bound, 'utf8').digest('base64url');
}
