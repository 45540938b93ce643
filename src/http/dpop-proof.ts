import { calculateJwkThumbprint, decodeProtectedHeader, EmbeddedJWK, jwtVerify } from 'jose';
import { z } from 'zod';

/** The JWS algorithms that a proof may be signed with: asymmetric ones alone. RFC 9449 section 4.3, point 5; RFC 9864. */
export const PROOF_ALGORITHMS = ['ES256', 'EdDSA', 'Ed25519'] as const;

/** What a proof of possession says, once its signature was found good. RFC 9449 section 4.2. */
export interface Proof {
  /** The SHA-256 thumbprint of the key that signed it. RFC 7638. */
  readonly jkt: string;
  readonly jti: string;
  readonly htm: string;
  readonly htu: string;
  /** Seconds since the epoch, on the clock of whoever signed. */
  readonly iat: number;
  readonly ath: string | undefined;
  readonly nonce: string | undefined;
}

// One key, one signature and a few short claims. Also the bound on how deep JSON in it can be.
const MAX_LENGTH = 4_096;
// Exactly one proof: two headers arrive joined by a comma. RFC 9449 section 4.3, points 1 and 2.
const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

const absent = z.undefined().optional();
const header = z.object({
  typ: z.literal('dpop+jwt'),
  alg: z.enum(PROOF_ALGORITHMS),
  crit: absent,
  b64: absent,
  jwk: z.discriminatedUnion('kty', [
    z.object({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: z.string(), d: absent }),
    z.object({ kty: z.literal('EC'), crv: z.literal('P-256'), x: z.string(), y: z.string(), d: absent }),
  ]),
});
const claims = z.object({
  jti: z.string().min(1).max(256),
  htm: z.string().max(16),
  htu: z.string().max(2_048),
  iat: z.number(),
  ath: z.string().max(64).optional(),
  nonce: z.string().max(256).optional(),
});

/** Reads a proof: its form, its header and its signature by the public key in it. Gives `undefined` for one that is not
 *  good. What it says is still to be compared with the request. RFC 9449 section 4.3, points 1 to 7. */
export async function readProof(text: string, now: Date): Promise<Proof | undefined> {
  if (text.length > MAX_LENGTH || !COMPACT.test(text)) return undefined;
  try {
    const { jwk, alg } = header.parse(decodeProtectedHeader(text));
    const { d: _, ...open } = jwk;
    const { payload } = await jwtVerify(text, EmbeddedJWK, { typ: 'dpop+jwt', algorithms: [alg], currentDate: now });
    return { ath: undefined, nonce: undefined, ...claims.parse(payload), jkt: await calculateJwkThumbprint(open) };
  } catch {
    // What cannot be read, imported or verified proves nothing, whatever was wrong with it.
    return undefined;
  }
}
