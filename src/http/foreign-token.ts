import { createHash } from 'node:crypto';
import { compactVerify } from 'jose';
import { z } from 'zod';
import { claimText, type TokenClaims } from '../rules/trust-claims.js';
import { keyAlgorithms, TRUSTED_ALGORITHMS, type TrustedAlgorithm, type VerifyKey } from '../rules/verify-key.js';

/** A platform's token that was read and not believed yet. `text` is a secret. */
export interface ForeignToken {
  readonly text: string;
  readonly alg: TrustedAlgorithm;
  readonly kid: string;
  readonly issuer: string;
  readonly claims: TokenClaims;
  /** What names it among the issuer's: its `jti`; without one, a hash of what is signed. Not of the signature, which of the
   *  same token may be written in more than one way. */
  readonly name: string;
}

const MAX_LENGTH = 16_384;
const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;
const UTF8 = new TextDecoder('utf-8', { fatal: true });

// A key that the token brings along (`jwk`, `jku`, `x5u`, `x5c`) is not looked at: the issuer's own are used alone. A type
// other than JWT is of tokens that are for something else. RFC 8725 sections 3.5 and 3.11.
const header = z.object({
  alg: z.enum(TRUSTED_ALGORITHMS),
  kid: z.string().min(1).max(256),
  typ: z.string().toLowerCase().pipe(z.literal('jwt')).optional(),
  crit: z.undefined().optional(),
  b64: z.undefined().optional(),
});
const payload = z.looseObject({
  iss: z.string().min(1).max(512),
  jti: z.string().min(1).max(512).optional(),
});

/** Reads a token of 16 KiB at most, without a look at its signature. Gives `undefined` for what is none, or none that could
 *  be taken: unsigned, signed with a secret, without a key's name. */
export function readForeignToken(text: string): ForeignToken | undefined {
  if (text.length > MAX_LENGTH || !COMPACT.test(text)) return undefined;
  const [head = '', body = ''] = text.split('.');
  const parsedHeader = header.safeParse(jsonOf(head));
  const parsedClaims = payload.safeParse(jsonOf(body));
  if (!parsedHeader.success || !parsedClaims.success) return undefined;
  const { alg, kid } = parsedHeader.data;
  const claims = parsedClaims.data;
  const hash = createHash('sha256').update(`${head}.${body}`).digest('base64url');
  const jti = claimText(claims, 'jti');
  const name = jti === undefined ? `sha-256 ${hash}` : `jti ${jti}`;
  return { text, alg, kid, issuer: claims.iss, claims, name };
}

/** Whether a key signed a token: the algorithm must be one of the key's own. */
export async function isSignedBy({ text, alg }: ForeignToken, key: VerifyKey): Promise<boolean> {
  if (!keyAlgorithms(key).includes(alg)) return false;
  const { kty, crv, x, y, n, e } = key;
  const bare = Object.entries({ kty, crv, x, y, n, e }).filter(([, value]) => value !== undefined);
  try {
    await compactVerify(text, { kty, ...Object.fromEntries(bare) }, { algorithms: [alg] });
    return true;
  } catch {
    // What cannot be imported or verified proves nothing, whatever was wrong with it.
    return false;
  }
}

function jsonOf(part: string): unknown {
  try {
    return JSON.parse(UTF8.decode(Buffer.from(part, 'base64url')));
  } catch {
    return undefined;
  }
}
