/** A public key of an issuer, as RFC 7517 section 4 writes it. Whatever else it says is not used. */
export interface VerifyKey {
  readonly kty: string;
  readonly kid: string;
  readonly crv?: string | undefined;
  readonly x?: string | undefined;
  readonly y?: string | undefined;
  readonly n?: string | undefined;
  readonly e?: string | undefined;
  readonly alg?: string | undefined;
  readonly use?: string | undefined;
  readonly key_ops?: readonly string[] | undefined;
}

/** The JWS algorithms that an issuer may sign with: asymmetric ones alone (RFC 7518 section 3.1, RFC 8037, RFC 9864). */
export const TRUSTED_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;
export type TrustedAlgorithm = (typeof TRUSTED_ALGORITHMS)[number];

const PRIVATE_PARTS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];
// 2048 bits, less one digit for a leading zero bit or two. RFC 7518 section 3.3.
const LEAST_MODULUS_CHARACTERS = 341;
const CURVES: Readonly<Record<string, TrustedAlgorithm>> = { 'P-256': 'ES256', 'P-384': 'ES384', 'P-521': 'ES512' };
const BASE64URL = /^[A-Za-z0-9_-]+$/;

/** Whether a JWK shows a part of a key that only its owner may have. */
export function showsPrivatePart(jwk: object): boolean {
  return PRIVATE_PARTS.some((name) => Object.hasOwn(jwk, name));
}

/** The algorithms that a key may verify: what its type allows, cut by its `alg`, `use` and `key_ops` (RFC 7517 sections 4.2
 *  to 4.4). Empty for a key that verifies nothing here: a secret, a short RSA key, an unknown curve, one to encrypt with. */
export function keyAlgorithms(key: VerifyKey): readonly TrustedAlgorithm[] {
  if (showsPrivatePart(key) || (key.use !== undefined && key.use !== 'sig')) return [];
  if (key.key_ops !== undefined && !key.key_ops.includes('verify')) return [];
  const possible = algorithmsOfType(key);
  return key.alg === undefined ? possible : possible.filter((one) => one === key.alg || isSameCurve(one, key.alg));
}

function algorithmsOfType({ kty, crv, x, y, n, e }: VerifyKey): readonly TrustedAlgorithm[] {
  switch (kty) {
    case 'RSA':
      return isNumber(n) && isNumber(e) && n.length >= LEAST_MODULUS_CHARACTERS
        ? TRUSTED_ALGORITHMS.filter((one) => one.startsWith('RS') || one.startsWith('PS'))
        : [];
    case 'EC': {
      const algorithm = isNumber(x) && isNumber(y) ? CURVES[crv ?? ''] : undefined;
      return algorithm === undefined ? [] : [algorithm];
    }
    case 'OKP':
      return crv === 'Ed25519' && isNumber(x) ? ['EdDSA', 'Ed25519'] : [];
    default:
      return [];
  }
}

// RFC 9864 section 2.2: the one name says more than the other, of the same signatures.
function isSameCurve(one: TrustedAlgorithm, alg: string | undefined): boolean {
  return (one === 'EdDSA' && alg === 'Ed25519') || (one === 'Ed25519' && alg === 'EdDSA');
}

function isNumber(text: string | undefined): text is string {
  return text !== undefined && BASE64URL.test(text);
}
