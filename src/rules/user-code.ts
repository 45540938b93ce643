import { randomInt } from 'node:crypto';

declare const brand: unique symbol;

/** The half of a user code that proves that its holder sees the screen of the host. Never stored, never logged. */
export type UserCodeSecret = string & { readonly [brand]: 'user code' };

/** What a person reads on a host and types elsewhere: `WDJBM-JHTKX`. The first half finds the enrolment and is no secret;
 *  the second is one of 3.2 million. RFC 8628 section 6.1. */
export interface UserCode {
  readonly locator: string;
  readonly codeSecret: UserCodeSecret;
}

/** How often a user code may be typed wrongly before what waits for it is over. RFC 8628 section 5.1. */
export const MAX_CODE_TRIES = 5;

/** How long a host waits between two questions whether it was approved, in seconds. RFC 8628 section 3.5. */
export const POLL_SECONDS = 5;

// Consonants alone: no word is spelled, and no digit is taken for a letter. RFC 8628 section 6.1.
const ALPHABET = 'BCDFGHJKLMNPQRSTVWXZ';
const HALF = 5;
const FORM = new RegExp(`^[${ALPHABET}]{${2 * HALF}}$`);

/** Draws a code from the operating system's generator. */
export function newUserCode(): UserCode {
  return { locator: half(), codeSecret: half() as UserCodeSecret };
}

/** Prints a code as it is shown. */
export function printUserCode({ locator, codeSecret }: UserCode): string {
  return `${locator}-${codeSecret}`;
}

/** Reads a code as people type it: in either case, with or without dashes and spaces. `undefined` for what is none. */
export function parseUserCode(text: string): UserCode | undefined {
  const letters = text.replace(/[\s-]/g, '').toUpperCase();
  if (!FORM.test(letters)) return undefined;
  return { locator: letters.slice(0, HALF), codeSecret: letters.slice(HALF) as UserCodeSecret };
}

function half(): string {
  return Array.from({ length: HALF }, () => ALPHABET.charAt(randomInt(ALPHABET.length))).join('');
}
