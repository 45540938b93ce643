import { createHash, timingSafeEqual } from 'node:crypto';
import { addSeconds } from '../rules/lifetime.js';
import { accept, type ProofError, type Refusal, type Result, refuse } from '../rules/refusal.js';
import { claimProof } from '../store/proofs.js';
import type { Deps } from './deps.js';
import { type Proof, readProof } from './dpop-proof.js';
import type { Exchange } from './exchange.js';
import { NONCE_SECONDS } from './nonces.js';

/** How far the clock of a host may be off, in seconds. One that is further off learns the service's from the answer that
 *  gives it a nonce. */
const CLOCK_SECONDS = 60;

/** Checks the proof of possession in a request and gives the thumbprint of its key. `wanted` is the thumbprint that it
 *  must have, if one is known, and the token that it goes with, if one does. A proof is good once, on all nodes together.
 *  Refuses `unproven`. RFC 9449 sections 4.3, 7.1 and 9. */
export async function provenKey(
  deps: Deps,
  exchange: Exchange,
  wanted: { readonly jkt?: string | undefined; readonly accessToken?: string | undefined },
): Promise<Result<string>> {
  const text = exchange.header('dpop');
  if (text === undefined) return unproven('a proof of possession is needed, in one DPoP header');
  const proof = await readProof(text, exchange.now);
  if (proof === undefined) return unproven('the proof of possession is not a good one');
  const fault = mismatch(deps, exchange, proof, wanted) ?? staleness(deps, exchange, proof);
  if (fault !== undefined) return fault;
  // Whatever clock made it, it is not taken any longer than its nonce.
  const until = addSeconds(exchange.now, 2 * NONCE_SECONDS);
  const isFirst = await claimProof(deps.db, sha256(`${proof.jkt}.${proof.jti}`), until);
  return isFirst ? accept(proof.jkt) : unproven('the proof of possession was used before');
}

type Refused = { readonly ok: false; readonly refusal: Refusal };

function mismatch(
  { issuer }: Deps,
  exchange: Exchange,
  proof: Proof,
  wanted: { readonly jkt?: string | undefined; readonly accessToken?: string | undefined },
): Refused | undefined {
  if (wanted.jkt !== undefined && !isSame(proof.jkt, wanted.jkt)) {
    return wanted.accessToken === undefined ? unproven('the proof is of another key') : NOT_ITS_KEY;
  }
  if (proof.htm !== exchange.method) return unproven(`the proof is for another method than ${exchange.method}`);
  const here = normalUri(`${issuer}${exchange.path}`);
  if (here === undefined || normalUri(proof.htu) !== here) return unproven(`the proof is for another URL than ${here}`);
  const ath = wanted.accessToken === undefined ? undefined : sha256(wanted.accessToken).toString('base64url');
  if (ath === undefined) return undefined;
  return proof.ath !== undefined && isSame(proof.ath, ath) ? undefined : unproven('the proof is for another token');
}

/** The nonce first: whose clock is wrong learns the right time with a new one. */
function staleness({ nonces }: Deps, { now }: Exchange, proof: Proof): Refused | undefined {
  if (proof.nonce === undefined || !nonces.isCurrent(proof.nonce, now)) return STALE;
  const isNow = Math.abs(proof.iat - now.getTime() / 1000) <= CLOCK_SECONDS;
  return isNow ? undefined : unproven('the proof was made at another time: its clock is wrong, or it is old');
}

/** A URI in the form in which two are compared, without query and fragment: scheme and host in lower case, no default
 *  port, no dot segments, no needless escapes. `undefined` for what is no http URI. RFC 3986 sections 6.2.2 and 6.2.3. */
export function normalUri(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    return undefined;
  }
  const path = url.pathname.replace(/%[0-9A-Fa-f]{2}/g, (escaped) => {
    const character = String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
    return /[A-Za-z0-9._~-]/.test(character) ? character : escaped.toUpperCase();
  });
  return `${url.protocol}//${url.host}${path}`;
}

const STALE = unproven('the proof needs the nonce of this answer', 'use_dpop_nonce');
const NOT_ITS_KEY = unproven('the token is bound to another key than that of the proof', 'invalid_token');

function unproven(detail: string, error: ProofError = 'invalid_dpop_proof'): Refused {
  return refuse({ kind: 'unproven', error, detail });
}

function isSame(a: string, b: string): boolean {
  return timingSafeEqual(sha256(a), sha256(b));
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text, 'utf8').digest();
}
