import type { Constraints } from '../rules/constraint.js';

/** What the token endpoint gives. `printed` is a secret. RFC 6749 section 5.1. */
export interface IssuedToken {
  readonly printed: string;
  readonly scopes: readonly string[];
  readonly expiresAt: Date;
  /** Of a token exchange: its type (RFC 8693 section 2.2.1), and where it may be used (RFC 9396 section 7). */
  readonly exchange?: { readonly issuedTokenType: string; readonly constraints: Constraints };
}
