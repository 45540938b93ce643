/** A private Ed25519 key as a JWK (RFC 8037 section 2). `d` is a secret. */
export interface ProofKey {
  readonly kty: 'OKP';
  readonly crv: 'Ed25519';
  readonly x: string;
  readonly d: string;
}

/** What a proof is for. `url` is the whole one; its query does not count. `token` is the one that goes with it. */
export interface ProofRequest {
  readonly method: string;
  readonly url: string;
  readonly token?: string | undefined;
}

export interface Proof {
  /** The value of the `DPoP` header. Good once. */
  readonly header: string;
  /** Learns from the answer to the request that had this proof, and tells whether a new one could do better: the service
   *  has given another nonce, or its clock is far from the one that this was made by. */
  learn(answer: Response): boolean;
}

/** Proves, request by request, that its holder has a key (RFC 9449). It keeps the service's latest nonce, and how far its
 *  clock is from this machine's, so that one that is hours wrong is no obstacle. */
export interface Prover {
  /** The SHA-256 thumbprint of the key (RFC 7638). */
  readonly thumbprint: string;
  prove(request: ProofRequest): Promise<Proof>;
}

const ALGORITHM = 'Ed25519';
const CLOCK_TOLERANCE_MS = 30_000;

/** Makes a key to prove oneself with. Keep it where nobody else reads it. */
export async function generateProofKey(): Promise<ProofKey> {
  const pair = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  if (!('privateKey' in pair)) throw new TypeError('a key pair was asked for');
  const { x, d } = await crypto.subtle.exportKey('jwk', pair.privateKey);
  if (x === undefined || d === undefined) throw new TypeError('the key cannot be exported');
  return { kty: 'OKP', crv: 'Ed25519', x, d };
}

/** Makes a prover of a key. Throws when it is not what it says.
 *  @example
 *  const key = await generateProofKey();
 *  const host = createClient({ url, prover: await createProver(key) });
 *  const { user_code } = await host.enrolments.enrol({ name: 'build-1' }); */
export async function createProver({ kty, crv, x, d }: ProofKey): Promise<Prover> {
  const key = await crypto.subtle.importKey('jwk', { kty, crv, x, d }, ALGORITHM, false, ['sign']);
  const thumbprint = await sha256(JSON.stringify({ crv, kty, x }));
  const head = encode(JSON.stringify({ typ: 'dpop+jwt', alg: 'EdDSA', jwk: { kty, crv, x } }));
  let nonce: string | undefined;
  let aheadMs = 0;

  return {
    thumbprint,
    prove: async ({ method, url, token }) => {
      const used = { nonce, aheadMs };
      const claims = {
        jti: crypto.randomUUID(),
        htm: method,
        htu: url.replace(/[?#].*$/, ''),
        iat: Math.floor((Date.now() + used.aheadMs) / 1000),
        ...(token === undefined ? {} : { ath: await sha256(token) }),
        ...(used.nonce === undefined ? {} : { nonce: used.nonce }),
      };
      const input = `${head}.${encode(JSON.stringify(claims))}`;
      const signature = await crypto.subtle.sign(ALGORITHM, key, new TextEncoder().encode(input));
      return {
        header: `${input}.${base64url(new Uint8Array(signature))}`,
        learn: ({ headers }) => {
          const fresh = headers.get('dpop-nonce');
          const now = Date.parse(headers.get('date') ?? '');
          if (fresh === null) return false;
          nonce = fresh;
          if (!Number.isNaN(now)) aheadMs = now - Date.now();
          return fresh !== used.nonce || Math.abs(aheadMs - used.aheadMs) > CLOCK_TOLERANCE_MS;
        },
      };
    },
  };
}

async function sha256(text: string): Promise<string> {
  return base64url(new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))));
}

function encode(text: string): string {
  return base64url(new TextEncoder().encode(text));
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/=+$/, '');
}
