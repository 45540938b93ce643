import type { TokenClaims } from './trust-claims.js';

/** How far a platform's clock may be from ours, in seconds. */
const LEEWAY_SECONDS = 60;
/** How long after it was made a platform's token is taken, whatever it says itself, in seconds. */
const MAX_AGE_SECONDS = 3_600;

/** What is wrong with the times of a platform's token; `undefined` when nothing is. It must say when it was made and when
 *  it ends. RFC 7519 sections 4.1.4 to 4.1.6. */
export function timeFault({ exp, nbf, iat }: TokenClaims, now: Date): string | undefined {
  const seconds = now.getTime() / 1000;
  if (!isTime(exp) || !isTime(iat)) return 'the subject token does not say when it was made and when it ends';
  if (nbf !== undefined && !isTime(nbf)) return 'the subject token does not say since when it is valid';
  if (seconds >= exp + LEEWAY_SECONDS) return 'the subject token has expired';
  if (seconds > iat + MAX_AGE_SECONDS + LEEWAY_SECONDS) return 'the subject token was made more than an hour ago';
  if (iat > seconds + LEEWAY_SECONDS || (nbf ?? 0) > seconds + LEEWAY_SECONDS) {
    return 'the subject token is not valid yet';
  }
  return undefined;
}

/** From when on {@link timeFault} refuses a token for its age alone. */
export function tooOldFrom({ exp, iat }: TokenClaims): Date {
  const last = Math.min(isTime(exp) ? exp : 0, (isTime(iat) ? iat : 0) + MAX_AGE_SECONDS) + LEEWAY_SECONDS;
  return new Date(Math.ceil(last + 1) * 1000);
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value < 1e11;
}
