import { z } from 'zod';

/** What the scripts of the pages send. Binary is base64url, as in Web Authentication section 5.1 (`toJSON`). */

const bytes = (longest: number) =>
  z
    .string()
    .min(1)
    .max(longest)
    .regex(/^[A-Za-z0-9_-]+$/, 'must be base64url');

const MAX_CREDENTIAL_ID = 1364; // 1023 bytes: Web Authentication section 4.
const credentialId = bytes(MAX_CREDENTIAL_ID);
const TRANSPORTS = ['ble', 'cable', 'hybrid', 'internal', 'nfc', 'smart-card', 'usb'] as const;

/** A new credential. Transports that are not known are left out. Web Authentication section 5.2.1. */
const attestation = z.strictObject({
  id: credentialId,
  clientDataJSON: bytes(4096),
  attestationObject: bytes(16_384),
  transports: z
    .array(z.string().max(32))
    .max(16)
    .transform((all) => TRANSPORTS.filter((one) => all.includes(one))),
});

/** Proof of a credential. Web Authentication section 5.2.2. */
const assertion = z.strictObject({
  id: credentialId,
  clientDataJSON: bytes(4096),
  authenticatorData: bytes(4096),
  signature: bytes(4096),
  userHandle: bytes(86).nullable(),
});

export type Attestation = z.output<typeof attestation>;
export type Assertion = z.output<typeof assertion>;

const link = z.string().max(2048);

/** `POST /console/passkeys/add/options`. */
export const addOptionsRequest = z.strictObject({ link });
/** `POST /console/passkeys/add`. */
export const addRequest = z.strictObject({ link, credential: attestation });
/** `POST /console/sign-in/passkey/options`. */
export const noMembers = z.strictObject({});
/** `POST /console/sign-in/passkey`. */
export const passkeySignInRequest = z.strictObject({
  credential: assertion,
  return_to: z.string().max(1024).optional(),
});
/** `POST /console/step-up/{id}/options` and what decides. */
export const stepUpOptionsRequest = z.strictObject({ form_token: z.string().max(128) });
export const stepUpConfirmRequest = z.strictObject({ form_token: z.string().max(128), credential: assertion });
