import { createHash } from 'node:crypto';

const SHOWN_DIGITS = 32;
/** 12 bits of a value that can be guessed: one in 4,096 wrong guesses fits as well, so that a dictionary decides nothing. */
const GUESSABLE_DIGITS = 3;

/** Names a secret of many random bits without telling it: 32 hex digits of SHA-256 over its kind and value. The same
 *  wherever it stands. */
export function fingerprint(kind: string, value: string): string {
  return digest([kind, value]).slice(0, SHOWN_DIGITS);
}

/** Names a secret that a dictionary may hold, a password: by its kind and by what it belongs to (the name it is assigned
 *  to, the user and host of a URL), with no more than 12 bits of the value itself. A changed value has another name, but
 *  for one chance in 4,096. */
export function guessableFingerprint(kind: string, owner: string, value: string): string {
  return digest([kind, owner, digest([kind, owner, value]).slice(0, GUESSABLE_DIGITS)]).slice(0, SHOWN_DIGITS);
}

function digest(parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
