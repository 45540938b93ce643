/** What the tests use of oidc-provider, which has no types of its own. */
declare module 'oidc-provider' {
  import type { RequestListener } from 'node:http';

  interface Account {
    accountId: string;
    claims(): Promise<Record<string, unknown>>;
  }

  export default class Provider {
    constructor(
      issuer: string,
      configuration: {
        clients: readonly Record<string, unknown>[];
        jwks: { keys: readonly object[] };
        cookies: { keys: readonly string[] };
        claims: Record<string, readonly string[]>;
        features: Record<string, { enabled: boolean }>;
        findAccount(context: unknown, id: string): Promise<Account | undefined>;
        fetch?(url: URL | string, options: RequestInit): Promise<Response>;
        conformIdTokenClaims?: boolean;
        ttl?: Record<string, number>;
      },
    );
    callback(): RequestListener;
    on(event: string, listener: (...args: unknown[]) => void): this;
  }
}
