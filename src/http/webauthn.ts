import { generateKeyPairSync } from 'node:crypto';
import type { Assertion, Attestation } from '../wire/webauthn.js';
import { pagesUrl } from './pages-url.js';

/** What a credential is bound to: the name of the host that the pages are at, and their origin. Web Authentication sections
 *  5.1.2 and 13.4.9. */
export interface RelyingParty {
  readonly id: string;
  readonly origin: string;
}

/** A credential as it is kept. The key is public, as COSE (RFC 9052 section 7). */
export interface CredentialKey {
  readonly credentialId: string;
  readonly publicKey: Uint8Array;
}

/** A credential that has just been made. */
export interface NewCredential extends CredentialKey {
  readonly counter: number;
}

/** ES256, EdDSA and RS256. RFC 9053 sections 2.1 and 2.2, RFC 8812 section 2. */
export const COSE_ALGORITHMS: readonly number[] = [-7, -8, -257];

/** The service as a relying party. */
export function relyingParty(issuer: string): RelyingParty {
  const { hostname, origin } = new URL(pagesUrl(issuer));
  return { id: hostname, origin };
}

/** Verifies a new credential: made here, for this challenge, by somebody whom the authenticator verified. Gives `undefined`
 *  for anything else. The model of the authenticator is neither asked for nor looked at: of the statements only `none` and
 *  self attestation are read, so that no certificate can send the service out to fetch a list. Web Authentication section
 *  7.1. */
export async function verifyAttestation(
  { id: rpId, origin }: RelyingParty,
  challenge: string,
  { id, clientDataJSON, attestationObject, transports }: Attestation,
): Promise<NewCredential | undefined> {
  const [{ verifyRegistrationResponse }, helpers] = await load();
  try {
    const statement = helpers.decodeAttestationObject(helpers.isoBase64URL.toBuffer(attestationObject));
    const format = statement.get('fmt');
    const isPlain = format === 'none' || (format === 'packed' && statement.get('attStmt').get('x5c') === undefined);
    if (!isPlain || helpers.decodeClientDataJSON(clientDataJSON).crossOrigin === true) return undefined;
    const { verified, registrationInfo } = await verifyRegistrationResponse({
      response: {
        id,
        rawId: id,
        type: 'public-key',
        response: { clientDataJSON, attestationObject, transports: [...transports] },
        clientExtensionResults: {},
      },
      expectedChallenge: challenge,
      expectedOrigin: origin,
      expectedRPID: rpId,
      requireUserVerification: true,
      supportedAlgorithmIDs: [...COSE_ALGORITHMS],
    });
    if (!verified || registrationInfo === undefined) return undefined;
    const { credential } = registrationInfo;
    // The authenticator's word for the id, not the page's.
    return credential.id === id
      ? { credentialId: id, publicKey: credential.publicKey, counter: credential.counter }
      : undefined;
  } catch {
    return undefined;
  }
}

/** Verifies the proof of a credential: made here, for this challenge, by somebody whom the authenticator verified. Gives its
 *  signature counter, which is the caller's to compare, or `undefined`. Without a key, that of a credential that is not
 *  known, it takes as long and gives `undefined`. Web Authentication section 7.2. */
export async function verifyAssertion(
  { id: rpId, origin }: RelyingParty,
  challenge: string,
  { id, clientDataJSON, authenticatorData, signature }: Assertion,
  key: CredentialKey | undefined,
): Promise<number | undefined> {
  const [{ verifyAuthenticationResponse }, helpers] = await load();
  try {
    const publicKey = key?.publicKey ?? decoyKey(helpers);
    const { verified, authenticationInfo } = await verifyAuthenticationResponse({
      response: {
        id,
        rawId: id,
        type: 'public-key',
        response: { clientDataJSON, authenticatorData, signature },
        clientExtensionResults: {},
      },
      expectedChallenge: challenge,
      expectedOrigin: origin,
      expectedRPID: rpId,
      // Compared by the caller, after the signature: a counter that nobody signed says nothing.
      credential: { id, publicKey: Uint8Array.from(publicKey), counter: 0 },
      requireUserVerification: true,
    });
    const isFramed = helpers.decodeClientDataJSON(clientDataJSON).crossOrigin === true;
    return verified && !isFramed && key?.credentialId === id ? authenticationInfo.newCounter : undefined;
  } catch {
    return undefined;
  }
}

/** Not before somebody uses a passkey: a node starts faster without. */
function load() {
  return Promise.all([import('@simplewebauthn/server'), import('@simplewebauthn/server/helpers')]);
}

type Helpers = Awaited<ReturnType<typeof load>>[1];
let decoy: Uint8Array | undefined;

function decoyKey({ isoCBOR, isoBase64URL }: Helpers): Uint8Array {
  if (decoy === undefined) {
    const { x = '', y = '' } = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });
    const cose = new Map<number, number | Uint8Array<ArrayBuffer>>([
      [1, 2],
      [3, -7],
      [-1, 1],
      [-2, isoBase64URL.toBuffer(x)],
      [-3, isoBase64URL.toBuffer(y)],
    ]);
    decoy = isoCBOR.encode(cose);
  }
  return decoy;
}
