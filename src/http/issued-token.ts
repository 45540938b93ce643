/** What the token endpoint gives. `printed` is a secret. RFC 6749 section 5.1. */
export interface IssuedToken {
  readonly printed: string;
  readonly scopes: readonly string[];
  readonly expiresAt: Date;
}
