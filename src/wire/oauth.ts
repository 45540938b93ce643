import { z } from 'zod';
import { introspection } from './answers.js';
import { introspectionExample } from './examples.js';
import { operation } from './operation.js';

/** RFC 6749 section 5.2. */
export const oauthError = z
  .object({
    error: z.string().describe('A code, such as `invalid_request`.'),
    error_description: z.string().optional(),
  })
  .meta({ id: 'OAuthError' });

const tokenForm = z.object({
  token: z.string().describe('The printed token: `cst_…`.'),
  token_type_hint: z.string().optional().meta({ description: 'Accepted and not needed (RFC 7009 section 2.1).' }),
});

/** RFC 8414 section 2, with the additions of RFC 8628, RFC 9701 and RFC 9449. */
export const serverMetadata = z
  .object({
    issuer: z.string(),
    jwks_uri: z.string(),
    token_endpoint: z.string(),
    token_endpoint_auth_methods_supported: z.array(z.string()),
    device_authorization_endpoint: z.string(),
    introspection_endpoint: z.string(),
    introspection_endpoint_auth_methods_supported: z.array(z.string()),
    introspection_signing_alg_values_supported: z.array(z.string()),
    revocation_endpoint: z.string(),
    revocation_endpoint_auth_methods_supported: z.array(z.string()),
    response_types_supported: z.array(z.string()),
    grant_types_supported: z.array(z.string()),
    dpop_signing_alg_values_supported: z.array(z.string()),
    authorization_details_types_supported: z.array(z.string()),
    service_documentation: z.string(),
  })
  .meta({ id: 'ServerMetadata' });

const jwks = z.object({ keys: z.array(z.looseObject({ kty: z.string(), kid: z.string() })) }).meta({ id: 'Jwks' });

const tag = 'OAuth';
const form = 'application/x-www-form-urlencoded';

export const introspectOperation = operation({
  id: 'introspect',
  method: 'post',
  path: '/oauth2/introspect',
  tag,
  summary: 'Introspect a token (RFC 7662; RFC 9701 by content negotiation)',
  description:
    'By a token with `tokens:introspect` or `exec:check`, or by the token about itself. Whatever is not active, for whatever reason, is answered with the same bytes: `{"active":false}`. With `Accept: application/token-introspection+jwt` the answer is a signed JWT.',
  auth: 'caller',
  body: tokenForm,
  bodyType: form,
  answers: {
    200: {
      description: 'Active with its facts, or inactive and nothing else',
      schema: introspection,
      example: introspectionExample,
      alsoAs: 'application/token-introspection+jwt',
    },
  },
  refusals: [403],
});

export const revokeOperation = operation({
  id: 'revoke',
  method: 'post',
  path: '/oauth2/revoke',
  tag,
  summary: 'Revoke a token by holding it (RFC 7009)',
  description:
    'Whoever holds a token may revoke it: the token is the authority, so that the finder of a leaked one needs no account. The answer is the same for a token that is unknown, malformed or revoked already.',
  auth: 'none',
  body: tokenForm,
  bodyType: form,
  answers: { 200: { description: 'The token is not valid now, whatever it was' } },
  refusals: [429],
});

export const metadataOperation = operation({
  id: 'serverMetadata',
  method: 'get',
  path: '/.well-known/oauth-authorization-server',
  tag,
  summary: 'Authorization server metadata (RFC 8414)',
  auth: 'none',
  answers: { 200: { description: 'The metadata', schema: serverMetadata } },
  refusals: [],
});

export const jwksOperation = operation({
  id: 'jwks',
  method: 'get',
  path: '/.well-known/jwks.json',
  tag,
  summary: 'Public keys that sign introspection answers and audit checkpoints (RFC 7517)',
  auth: 'none',
  answers: { 200: { description: 'The key set', schema: jwks } },
  refusals: [],
});
