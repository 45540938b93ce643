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
