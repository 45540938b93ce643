import {
  CompactSign,
  calculateJwkThumbprint,
  compactVerify,
  createLocalJWKSet,
  errors,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
  SignJWT,
} from 'jose';
import { z } from 'zod';

/** Signs what the service says, and shows the public keys. The only home of jose in the service. */
export interface Signer {
  /** The JWS algorithm of the current key (RFC 7518, RFC 8037). */
  readonly alg: string;
  /** The public halves of all keys, the current first. RFC 7517 section 5. */
  readonly publicKeys: readonly JWK[];
  /** An introspection answer as a JWT. RFC 9701 section 5. */
  signIntrospection(claims: { iss: string; aud: string; introspection: object }, now: Date): Promise<string>;
  /** A compact JWS over a JSON document. RFC 7515 section 7.1. */
  signDocument(document: object): Promise<string>;
  /** Reads the document of a compact JWS that one of the keys has signed; `undefined` for any other. RFC 7515 section 5.2. */
  readDocument(jws: string): Promise<unknown>;
}

const privateJwk = z.union(
  [
    z.object({
      kty: z.literal('OKP'),
      crv: z.literal('Ed25519'),
      x: z.string(),
      d: z.string(),
      kid: z.string().optional(),
    }),
    z.object({
      kty: z.literal('EC'),
      crv: z.literal('P-256'),
      x: z.string(),
      y: z.string(),
      d: z.string(),
      kid: z.string().optional(),
    }),
  ],
  { error: 'must be private Ed25519 or P-256 keys' },
);

/** A private JWK set, the first key current. */
export const signingKeySet = z.object({ keys: z.tuple([privateJwk], privateJwk) });
export type SigningKeySet = z.output<typeof signingKeySet>;

/** Makes a private Ed25519 key, named by its thumbprint (RFC 7638). */
export async function generateSigningKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true });
  const jwk = await exportJWK(privateKey);
  return { ...jwk, kid: await calculateJwkThumbprint(jwk) };
}

/** Imports the keys. Throws when one is not what it says. */
export async function createSigner(set: SigningKeySet): Promise<Signer> {
  const keys = await Promise.all(set.keys.map(importPrivate));
  const [current] = keys;
  if (current === undefined) throw new Error('no signing key');
  const { alg, kid, key } = current;
  const publicKeys = keys.map((one) => one.publicJwk);
  const ownKeys = createLocalJWKSet({ keys: publicKeys });
  return {
    alg,
    publicKeys,
    signIntrospection: ({ iss, aud, introspection }, now) =>
      new SignJWT({ token_introspection: introspection })
        .setProtectedHeader({ alg, kid, typ: 'token-introspection+jwt' })
        .setIssuer(iss)
        .setAudience(aud)
        .setIssuedAt(now)
        .sign(key),
    signDocument: (document) =>
      new CompactSign(new TextEncoder().encode(JSON.stringify(document))).setProtectedHeader({ alg, kid }).sign(key),
    readDocument: async (jws) => {
      try {
        const { payload } = await compactVerify(jws, ownKeys, { algorithms: ['EdDSA', 'ES256'] });
        return JSON.parse(new TextDecoder().decode(payload));
      } catch (error) {
        if (error instanceof errors.JOSEError || error instanceof SyntaxError) return undefined;
        throw error;
      }
    },
  };
}

async function importPrivate({ kid: name, ...jwk }: SigningKeySet['keys'][number]) {
  const alg = jwk.kty === 'OKP' ? 'EdDSA' : 'ES256';
  const kid = name ?? (await calculateJwkThumbprint(jwk));
  const key = await importJWK(jwk, alg);
  const { d: _, ...open } = jwk;
  return { alg, kid, key, publicJwk: { ...open, kid, alg, use: 'sig' } satisfies JWK };
}
