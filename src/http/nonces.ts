import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';

/** What a proof must hold to show that it was made just now, whatever the clock of its host says. Nothing is kept: a nonce
 *  is a time and a keyed hash of it, so that every node with the same keys takes it. RFC 9449 section 8. */
export interface Nonces {
  /** The nonce to use from now on. The same for a minute, so that a client does not chase a new one with each call. */
  current(now: Date): string;
  /** Whether a nonce is one of this service's, not older than five minutes. */
  isCurrent(nonce: string, now: Date): boolean;
}

/** How long a nonce is taken, in seconds. */
export const NONCE_SECONDS = 300;
const STEP_SECONDS = 60;
// Another node may be a little ahead.
const AHEAD_SECONDS = 10;
const FORM = /^([0-9a-z]{1,9})-([A-Za-z0-9_-]{22})$/;

/** Derives the keys of the nonces from keys that the service has: the first makes new ones, all are believed. */
export function createNonces(keys: readonly [Buffer, ...(readonly Buffer[])]): Nonces {
  const [first, ...others] = keys;
  const current = derive(first);
  const all = [current, ...others.map(derive)];
  return {
    current: (now) => {
      const at = Math.floor(now.getTime() / 1000 / STEP_SECONDS) * STEP_SECONDS;
      return `${at.toString(36)}-${mac(current, at).toString('base64url')}`;
    },
    isCurrent: (nonce, now) => {
      const [, time = '', hash = ''] = FORM.exec(nonce) ?? [];
      const at = Number.parseInt(time, 36);
      const age = now.getTime() / 1000 - at;
      if (!(age <= NONCE_SECONDS && age >= -AHEAD_SECONDS)) return false;
      const given = Buffer.from(hash, 'base64url');
      return all.some((key) => timingSafeEqual(mac(key, at), given));
    },
  };
}

const MAC_BYTES = 16;

function derive(key: Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', key, '', 'countersign dpop nonce', 32));
}

function mac(key: Buffer, at: number): Buffer {
  return createHmac('sha256', key).update(String(at)).digest().subarray(0, MAC_BYTES);
}
