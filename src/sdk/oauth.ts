import { exchangedToken, issuerMetadata } from '../wire/oauth-answers.js';
import type { ExchangedToken, ServerMetadata } from '../wire/oauth-resources.js';
import { type ClientOptions, sendFor } from './transport.js';

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const JWT = 'urn:ietf:params:oauth:token-type:jwt';

/** What is exchanged. */
export interface ExchangeRequest {
  /** What the platform gave the job: a JWT. A secret. */
  subjectToken: string;
  /** RFC 8693 section 3; a JWT unless it says otherwise. */
  subjectTokenType?: string | undefined;
  /** The trust rule, as `workspace/rule`. Without it the service finds the one that matches. */
  audience?: string | undefined;
  /** Narrows what the token may do to these scopes. */
  scope?: readonly string[] | undefined;
}

/** The token endpoint, and what the service says of itself. */
export interface OAuthClient {
  /** Exchanges a platform's token for one of the service (RFC 8693). It is good once: after a lost answer get another
   *  one from the platform. Throws `ProblemError` with the error codes of RFC 6749 section 5.2: `invalid_grant` when no
   *  trust rule takes it, `invalid_request` when it has to be said which, `invalid_scope`. */
  exchange(request: ExchangeRequest): Promise<ExchangedToken>;
  /** RFC 8414. */
  metadata(): Promise<ServerMetadata>;
}

export function oauthClient(options: ClientOptions): OAuthClient {
  return {
    exchange: ({ subjectToken, subjectTokenType = JWT, audience, scope = [] }) => {
      const form = {
        grant_type: EXCHANGE,
        subject_token: subjectToken,
        subject_token_type: subjectTokenType,
        ...(audience === undefined ? {} : { audience }),
        ...(scope.length === 0 ? {} : { scope: scope.join(' ') }),
      };
      return sendFor(options, { method: 'POST', path: '/oauth2/token', form, token: null }, exchangedToken);
    },
    metadata: () =>
      sendFor(options, { method: 'GET', path: '/.well-known/oauth-authorization-server', token: null }, issuerMetadata),
  };
}
