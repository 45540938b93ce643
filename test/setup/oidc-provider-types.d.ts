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
        features: Record<string, { enabled: boolean; [setting: string]: unknown }>;
        findAccount(context: unknown, id: string): Promise<Account | undefined>;
        fetch?(url: URL | string, options: RequestInit): Promise<Response>;
        ttl?: Record<string, number>;
      },
    );
    callback(): RequestListener;
  }
}
