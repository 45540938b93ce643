import { createHash, randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';

/** A CI platform that tells who its jobs are, by tokens that it signs. */
export interface Identity {
  readonly issuer: string;
  /** For a trust rule: nobody has to fetch them. */
  readonly jwks: {
    keys: { kty: string; kid: string; crv?: string; x?: string; y?: string; alg: string; use: string }[];
  };
  /** Every token that was given. */
  readonly given: string[];
  /** Gives a token of 5 minutes for an audience, issued at a time (default: now). */
  token(audience: string, claims: Readonly<Record<string, unknown>>, at?: Date): Promise<string>;
}

export async function makeIdentity(issuer: string): Promise<Identity> {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const { kty = '', crv = '', x = '', y = '' } = await exportJWK(publicKey);
  const kid = createHash('sha256').update(x).digest('hex').slice(0, 16);
  const given: string[] = [];
  return {
    issuer,
    jwks: { keys: [{ kty, crv, x, y, kid, alg: 'ES256', use: 'sig' }] },
    given,
    token: async (audience, claims, at = new Date()) => {
      const iat = Math.floor(at.getTime() / 1000);
      const token = await new SignJWT({ ...claims, jti: randomUUID() })
        .setProtectedHeader({ alg: 'ES256', kid, typ: 'JWT' })
        .setIssuer(issuer)
        .setAudience(audience)
        .setIssuedAt(iat)
        .setNotBefore(iat)
        .setExpirationTime(iat + 300)
        .sign(privateKey);
      given.push(token);
      return token;
    },
  };
}
