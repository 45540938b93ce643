/** The messages about passkeys and step-ups as plain types; the schemas beside this file are checked against them. */

/** A key that a person signs in and confirms with (Web Authentication). */
export interface Passkey {
  id: string;
  name: string;
  member_id: string;
  created_at: string;
  last_used_at: string | null;
}

export interface PasskeyLinkRequest {
  /** What the passkey is called. */
  name?: string | undefined;
}

/** Where a browser adds the passkey: good once. What stands behind the `#` is a secret. */
export interface PasskeyLink {
  url: string;
  expires_at: string;
}

export interface StepUpRequest {
  /** What is about to be done, for the person who confirms it. */
  act: string;
}

/** A token's wish that its person confirm a dangerous act with a passkey. */
export interface StepUp {
  id: string;
  act: string;
  status: 'pending' | 'confirmed' | 'denied' | 'expired';
  verification_uri: string;
  expires_at: string;
  interval_seconds: number;
}
