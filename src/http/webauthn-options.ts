import type { MemberId } from '../rules/format.js';
import { CHALLENGE_SECONDS } from '../rules/passkey.js';
import type { PasskeyRow } from '../store/passkeys.js';
import type { Person } from '../store/people.js';
import { COSE_ALGORITHMS, type RelyingParty } from './webauthn.js';

type Known = readonly Pick<PasskeyRow, 'credentialId' | 'transports'>[];

/** What a browser is to make: a passkey that finds its person by itself, behind a PIN, a finger or a face. Nothing is asked
 *  about the authenticator's model. Web Authentication section 5.4. */
export function attestationOptions(
  { id }: RelyingParty,
  challenge: string,
  { member, workspace }: Person,
  known: Known,
) {
  return {
    challenge,
    rp: { id, name: 'Countersign' },
    user: {
      id: userHandle(member.id),
      // Tells the same person's passkeys of two workspaces apart, where the browser lets them choose.
      name: `${member.email} (${workspace.slug})`,
      displayName: member.name ?? member.email,
    },
    pubKeyCredParams: COSE_ALGORITHMS.map((alg) => ({ type: 'public-key', alg })),
    timeout: CHALLENGE_SECONDS * 1000,
    attestation: 'none',
    authenticatorSelection: { residentKey: 'required', requireResidentKey: true, userVerification: 'required' },
    excludeCredentials: known.map(descriptor),
  };
}

/** What a browser is to prove. Without known passkeys the person chooses one. Web Authentication section 5.5. */
export function assertionOptions({ id }: RelyingParty, challenge: string, known: Known = []) {
  return {
    challenge,
    rpId: id,
    timeout: CHALLENGE_SECONDS * 1000,
    userVerification: 'required',
    ...(known.length === 0 ? {} : { allowCredentials: known.map(descriptor) }),
  };
}

/** The name of a person to authenticators: it tells nobody who that is. Web Authentication section 14.6.1. */
export function userHandle(id: MemberId): string {
  return Buffer.from(id.replaceAll('-', ''), 'hex').toString('base64url');
}

function descriptor({ credentialId, transports }: Known[number]) {
  return { type: 'public-key', id: credentialId, ...(transports.length === 0 ? {} : { transports }) };
}
