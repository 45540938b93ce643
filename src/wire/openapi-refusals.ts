import type { HeaderObject, ResponseObject } from './openapi-document.js';
import type { Operation } from './operation.js';
import { PROBLEMS, type ProblemKind, problemKinds, problemType } from './problems.js';

/** The name that a status has among the components of the document. */
const NAMES: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  406: 'NotAcceptable',
  409: 'Conflict',
  413: 'ContentTooLarge',
  415: 'UnsupportedMediaType',
  422: 'UnprocessableContent',
  429: 'TooManyRequests',
  500: 'InternalServerError',
  503: 'ServiceUnavailable',
};

/** The OAuth error code that a status goes with under `/oauth2/`. RFC 6749 section 5.2; RFC 6750 section 3.1. */
const OAUTH_ERRORS: Readonly<Record<number, { readonly error: string; readonly meaning: string }>> = {
  400: {
    error: 'invalid_request',
    meaning:
      'A field is missing or repeated, or the body is not a form; at the token endpoint also what stands against the grant.',
  },
  401: { error: 'invalid_client', meaning: 'The caller sent no credentials, or none that are valid.' },
  403: {
    error: 'insufficient_scope',
    meaning: 'The caller has neither `tokens:introspect` nor `exec:check`, and asks about another token than itself.',
  },
  406: { error: 'invalid_request', meaning: PROBLEMS.not_acceptable.meaning },
  413: { error: 'invalid_request', meaning: PROBLEMS.body_too_large.meaning },
  415: { error: 'invalid_request', meaning: PROBLEMS.unsupported_media_type.meaning },
  429: { error: 'temporarily_unavailable', meaning: PROBLEMS.rate_limited.meaning },
  500: { error: 'server_error', meaning: PROBLEMS.internal.meaning },
  503: { error: 'temporarily_unavailable', meaning: PROBLEMS.database_unavailable.meaning },
};

export const headers: Readonly<Record<string, HeaderObject>> = {
  'X-Request-Id': { description: 'Names this request in the service’s log.', schema: { type: 'string' } },
  Location: { description: 'Where the new thing is.', schema: { type: 'string', format: 'uri-reference' } },
  ETag: { description: 'Names this state of the thing (RFC 9110 section 8.8.3).', schema: { type: 'string' } },
  'Retry-After': { description: 'Seconds to wait before the next try.', schema: { type: 'integer', minimum: 1 } },
  'WWW-Authenticate': {
    description: 'How to authenticate, and which scope is missing (RFC 6750 section 3).',
    schema: { type: 'string' },
  },
};

/** The statuses with which an operation may refuse, in order. */
export function refusalStatuses(it: Operation): number[] {
  const isAuthenticated = it.auth !== 'none';
  const asksTheDatabase = isAuthenticated || it.body !== undefined;
  const statuses = [
    ...(it.body || it.auth === 'caller' ? [400] : []),
    ...(isAuthenticated ? [401] : []),
    ...(it.scope ? [403] : []),
    ...(it.path.includes('{') ? [404] : []),
    ...it.refusals,
    ...(it.body ? [413] : []),
    500,
    ...(asksTheDatabase ? [503] : []),
  ];
  return [...new Set(statuses)].filter((status) => it.answers[status] === undefined).sort((a, b) => a - b);
}

/** The statuses of SCIM, with what they stand for there. RFC 7644 section 3.12. */
const SCIM_KINDS: Readonly<Record<number, ProblemKind>> = { 400: 'scim' };

/** Where the component for a refusal of an operation is. */
export function refusalReference(it: Operation, status: number): { $ref: string } {
  return { $ref: `#/components/responses/${componentName(it, status)}` };
}

/** The refusals that the operations share: OAuth errors under `/oauth2/`, problems elsewhere. */
export function refusalResponses(operations: readonly Operation[], issuer: string): Record<string, ResponseObject> {
  const found = operations.flatMap((it) =>
    refusalStatuses(it).map((status): [string, ResponseObject] => [
      componentName(it, status),
      isOAuth(it) ? oauthResponse(status) : isScim(it) ? scimResponse(status) : problemResponse(status, issuer),
    ]),
  );
  return Object.fromEntries(found.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function componentName(it: Operation, status: number): string {
  const name = NAMES[status];
  if (name === undefined) throw new Error(`${it.id} refuses with a status that has no name: ${status}`);
  return isOAuth(it) ? `OAuth${name}` : isScim(it) ? `Scim${name}` : name;
}

function isOAuth(it: Operation): boolean {
  return it.path.startsWith('/oauth2/');
}

function isScim(it: Operation): boolean {
  return it.path.startsWith('/scim/');
}

function problemResponse(status: number, issuer: string): ResponseObject {
  const kinds = problemKinds().filter((kind) => PROBLEMS[kind].status === status);
  const [first] = kinds;
  return {
    description: kinds.map((kind) => `${PROBLEMS[kind].title}: ${PROBLEMS[kind].meaning}`).join('\n\n'),
    headers: refusalHeaders(status),
    content: {
      'application/problem+json': {
        schema: { $ref: '#/components/schemas/Problem' },
        ...(first ? { example: exampleProblem(first, issuer) } : {}),
      },
    },
  };
}

const EXAMPLE_DETAILS: Partial<Readonly<Record<ProblemKind, string>>> = {
  malformed_body: 'the body is not JSON',
  unauthenticated: 'the token is not valid',
  insufficient_scope: 'the token needs the scope tokens:mint',
  not_found: 'nothing is here',
  conflict: 'the workflow is paused',
  body_too_large: 'the body is larger than 64 KiB',
  unsupported_media_type: 'send the body as application/json',
  invalid: 'the request is not valid',
  internal: 'an unexpected error; the log knows more',
  busy: 'too many requests wait',
};

function exampleProblem(kind: ProblemKind, issuer: string): Record<string, unknown> {
  const { title, status } = PROBLEMS[kind];
  const detail = EXAMPLE_DETAILS[kind] ?? title;
  const fault = { pointer: '#/scopes/0', detail: 'must be a scope of two or more parts, such as repo:read or repo:*' };
  return {
    type: problemType(issuer, kind),
    title,
    status,
    detail,
    instance: '/v1/tokens',
    ...(kind === 'conflict' ? { code: 'workflow_not_active' } : {}),
    ...(kind === 'invalid' ? { errors: [fault] } : {}),
  };
}

function oauthResponse(status: number): ResponseObject {
  const { error, meaning } = OAUTH_ERRORS[status] ?? { error: 'invalid_request', meaning: '' };
  return {
    description: `${meaning} An error as in RFC 6749 section 5.2.`,
    headers: refusalHeaders(status),
    content: { 'application/json': { schema: { $ref: '#/components/schemas/OAuthError' }, example: { error } } },
  };
}

function scimResponse(status: number): ResponseObject {
  const kinds = problemKinds().filter((kind) => PROBLEMS[kind].status === status);
  const kind = SCIM_KINDS[status] ?? kinds[0];
  const meaning = kind === undefined ? '' : `${PROBLEMS[kind].title}: ${PROBLEMS[kind].meaning}`;
  return {
    description: `${meaning} An error as in RFC 7644 section 3.12.`,
    headers: refusalHeaders(status),
    content: {
      'application/scim+json': {
        schema: { $ref: '#/components/schemas/ScimError' },
        example: { schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'], status: String(status) },
      },
    },
  };
}

function refusalHeaders(status: number): Record<string, { $ref: string }> {
  return headerReferences([
    'X-Request-Id',
    ...(status === 401 || status === 403 ? ['WWW-Authenticate'] : []),
    ...(status === 429 || status === 503 ? ['Retry-After'] : []),
  ]);
}

/** References to headers of the components, by name. */
export function headerReferences(names: readonly string[]): Record<string, { $ref: string }> {
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}
