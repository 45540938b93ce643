/** How long the link to add a passkey is good for, in seconds. */
export const LINK_SECONDS = 600;

/** How long a challenge waits for the person at the authenticator, in seconds. */
export const CHALLENGE_SECONDS = 300;

/** How many passkeys a person may have. */
export const MAX_PASSKEYS = 20;

export const MAX_PASSKEY_NAME = 64;
export const DEFAULT_PASSKEY_NAME = 'passkey';

/** Whether a signature counter shows that a key has a copy: it did not go on from where it was. An authenticator that does
 *  not count says 0 always. Web Authentication section 6.1.1. */
export function isCounterBack(stored: number, given: number): boolean {
  return (stored > 0 || given > 0) && given <= stored;
}
