import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { EncryptJWT, jwtDecrypt } from 'jose';

/** What a sealed text is for. One that was sealed for one thing opens for no other. */
export type SealPurpose = 'sign-in' | 'workspace-choice' | 'passkey' | 'passkey-link';

/** Lets a browser carry what the service wants back unread and unchanged, so that nothing is kept meanwhile. */
export interface Seals {
  /** Encrypts a payload that opens until `expiresAt`. */
  seal(purpose: SealPurpose, payload: Readonly<Record<string, unknown>>, expiresAt: Date): Promise<string>;
  /** What was sealed; `undefined` for anything else, and from its expiry on. */
  open(purpose: SealPurpose, sealed: string, now: Date): Promise<Readonly<Record<string, unknown>> | undefined>;
  /** What a form of a session must bring, so that no other site can send it. */
  formToken(sessionId: string): string;
  /** Whether it is the one of the session, in constant time. */
  isFormToken(sessionId: string, given: string): boolean;
}

const KEY_BYTES = 32;
const ENCRYPTION = { alg: 'dir', enc: 'A256GCM' } as const;

/** Derives the keys of the seals from keys that every node has: the first makes new ones, all are believed. */
export function createSeals(keys: readonly [Buffer, ...(readonly Buffer[])]): Seals {
  const [current, ...older] = keys.map(derive);
  if (current === undefined) throw new Error('no key to seal with');
  const all = [current, ...older];
  return {
    seal: (purpose, payload, expiresAt) =>
      new EncryptJWT({ ...payload })
        .setProtectedHeader(ENCRYPTION)
        .setAudience(purpose)
        .setExpirationTime(expiresAt)
        .encrypt(current.seal),
    open: async (purpose, sealed, now) => {
      for (const key of all) {
        const opened = await opens(key.seal, purpose, sealed, now);
        if (opened) return opened;
      }
      return undefined;
    },
    formToken: (sessionId) => mac(current.form, sessionId).toString('base64url'),
    isFormToken: (sessionId, given) => {
      const bytes = Buffer.from(given, 'base64url');
      return bytes.length === KEY_BYTES && all.some((key) => timingSafeEqual(mac(key.form, sessionId), bytes));
    },
  };
}

async function opens(key: Uint8Array, purpose: SealPurpose, sealed: string, now: Date) {
  try {
    const options = {
      audience: purpose,
      currentDate: now,
      keyManagementAlgorithms: [ENCRYPTION.alg],
      contentEncryptionAlgorithms: [ENCRYPTION.enc],
      requiredClaims: ['exp'],
    };
    const { payload } = await jwtDecrypt(sealed, key, options);
    return payload;
  } catch {
    return undefined;
  }
}

function derive(key: Buffer) {
  const derived = (name: string) => new Uint8Array(hkdfSync('sha256', key, '', `countersign ${name}`, KEY_BYTES));
  return { seal: derived('seal'), form: derived('form token') };
}

function mac(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
