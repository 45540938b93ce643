import type { Constraints } from './resources.js';

/** A token that another one was exchanged for (RFC 8693 section 2.2.1). */
export interface ExchangedToken {
  /** The printed token: `cst_…`. Shown once. */
  access_token: string;
  issued_token_type: string;
  token_type: string;
  /** Seconds that it is good for, from the answer on. */
  expires_in: number;
  /** What it holds, parted by spaces. */
  scope: string;
  /** Where it may be used (RFC 9396 section 7): the place that the platform's token proves, for one. */
  authorization_details?: ({ type: 'agent_exec' } & Constraints)[] | undefined;
}

/** Where things are, and what the service calls itself (RFC 8414). */
export interface ServerMetadata {
  issuer: string;
}

/** RFC 6749 section 5.1. */
export interface TokenAnswer {
  /** The printed token, shown this once. */
  access_token: string;
  token_type: 'Bearer';
  /** How long it is good, in seconds. */
  expires_in: number;
  scope: string;
  /** With a token exchange (RFC 8693 section 2.2.1). */
  issued_token_type?: string | undefined;
  /** Where the token may be used (RFC 9396 section 7), with a token exchange. */
  authorization_details?: ({ type: string } & Constraints)[] | undefined;
}

/** What a device that asks to act for a person is given to wait with. RFC 8628 section 3.2. */
export interface DeviceAuthorization {
  /** For the device alone. A secret. */
  device_code: string;
  /** What a person reads on the device and types on the page. A secret. */
  user_code: string;
  verification_uri: string;
  verification_uri_complete?: string | undefined;
  expires_in: number;
  /** In seconds, 5 unless it is there. */
  interval?: number | undefined;
}
