import { accept, refuse } from '../../rules/refusal.js';
import { jwksOperation, metadataOperation } from '../../wire/oauth.js';
import { PROOF_ALGORITHMS } from '../dpop-proof.js';
import { endpoint, type Route } from '../endpoint.js';
import { GRANTS } from '../grants.js';

/** RFC 8414 section 3.2. There is no authorization endpoint: the tokens of workflows are minted over `/v1`. */
export const metadataRoute = endpoint(metadataOperation, async ({ issuer, signer }) =>
  accept({
    status: 200,
    body: {
      issuer,
      jwks_uri: `${issuer}/.well-known/jwks.json`,
      token_endpoint: `${issuer}/oauth2/token`,
      token_endpoint_auth_methods_supported: ['none'],
      device_authorization_endpoint: `${issuer}/oauth2/device_authorization`,
      introspection_endpoint: `${issuer}/oauth2/introspect`,
      introspection_endpoint_auth_methods_supported: ['client_secret_basic', 'Bearer', 'DPoP'],
      introspection_signing_alg_values_supported: [signer.alg],
      revocation_endpoint: `${issuer}/oauth2/revoke`,
      revocation_endpoint_auth_methods_supported: ['none'],
      response_types_supported: [],
      grant_types_supported: [...GRANTS.keys()],
      dpop_signing_alg_values_supported: [...PROOF_ALGORITHMS],
      authorization_details_types_supported: ['agent_exec'],
      service_documentation: `${issuer}/docs`,
    },
  }),
);

/** The same where the issuer has a path: the well-known string stands before it. RFC 8414 section 3.1. */
export const pathMetadataRoute: Route = {
  operation: { method: 'get', path: `${metadataOperation.path}/*` },
  handle: async (deps, exchange) => {
    const issuerPath = new URL(deps.issuer).pathname;
    const isOwn = issuerPath !== '/' && exchange.path === metadataOperation.path + issuerPath;
    return isOwn ? metadataRoute.handle(deps, exchange) : refuse({ kind: 'not_found' });
  },
};

/** RFC 7517 section 5. */
export const jwksRoute = endpoint(jwksOperation, async ({ signer }) =>
  accept({ status: 200, body: { keys: signer.publicKeys } }),
);
