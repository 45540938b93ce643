import { accept } from '../../rules/refusal.js';
import { jwksOperation, metadataOperation } from '../../wire/oauth.js';
import { endpoint } from '../endpoint.js';

/** RFC 8414 section 3.2. There is no token endpoint: tokens are minted over `/v1`. */
export const metadataRoute = endpoint(metadataOperation, async ({ issuer, signer }) =>
  accept({
    status: 200,
    body: {
      issuer,
      jwks_uri: `${issuer}/.well-known/jwks.json`,
      introspection_endpoint: `${issuer}/oauth2/introspect`,
      introspection_endpoint_auth_methods_supported: ['client_secret_basic', 'Bearer'],
      introspection_signing_alg_values_supported: [signer.alg],
      revocation_endpoint: `${issuer}/oauth2/revoke`,
      revocation_endpoint_auth_methods_supported: ['none'],
      response_types_supported: [],
      grant_types_supported: [],
      authorization_details_types_supported: ['agent_exec'],
      service_documentation: `${issuer}/docs`,
    },
  }),
);

/** RFC 7517 section 5. */
export const jwksRoute = endpoint(jwksOperation, async ({ signer }) =>
  accept({ status: 200, body: { keys: signer.publicKeys } }),
);
