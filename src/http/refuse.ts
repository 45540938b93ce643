import type { ProofError, Refusal, ScimErrorType } from '../rules/refusal.js';
import { STEP_UP_SECONDS } from '../rules/step-up.js';
import { PROBLEMS, type ProblemKind, problemType } from '../wire/problems.js';
import { PROOF_ALGORITHMS } from './dpop-proof.js';
import type { Answer } from './exchange.js';
import { scrub } from './log.js';

/** What a problem says beside its kind. */
export interface Refused {
  readonly kind: ProblemKind;
  readonly detail: string;
  readonly code?: string;
  /** What a passkey has to confirm first. */
  readonly act?: string;
  /** The error code of an OAuth endpoint, where the kind alone does not tell. */
  readonly oauthError?: string;
  /** What is wrong with a SCIM request. RFC 7644 section 3.12, table 9. */
  readonly scimType?: ScimErrorType;
  readonly errors?: readonly { readonly pointer: string; readonly detail: string }[];
  readonly headers: Readonly<Record<string, string>>;
}

const REALM = 'realm="countersign"';

/** From a refusal to what is answered: the one switch. It has no default, so that a new kind does not compile until it is
 *  here. */
export function refused(refusal: Refusal): Refused {
  switch (refusal.kind) {
    case 'malformed_body':
    case 'unsupported_media_type':
    case 'not_allowed':
    case 'not_acceptable':
    case 'not_implemented':
      return { kind: refusal.kind, detail: refusal.detail, headers: {} };
    case 'oauth':
      return { kind: refusal.kind, detail: refusal.detail, oauthError: refusal.error, headers: {} };
    case 'scim':
      return { kind: refusal.kind, detail: refusal.detail, scimType: refusal.error, headers: {} };
    case 'body_too_large':
      return { kind: refusal.kind, detail: `the body is larger than ${refusal.maxBytes / 1024} KiB`, headers: {} };
    case 'invalid':
      return { kind: refusal.kind, detail: 'the request is not valid', errors: refusal.errors, headers: {} };
    case 'unauthenticated':
      return unauthenticated(refusal.hasCredentials, refusal.scheme ?? 'Bearer', refusal.takesBasic === true);
    case 'unproven':
      return unproven(refusal.error, refusal.detail);
    case 'step_up_required':
      return stepUpRequired(refusal.act);
    case 'insufficient_scope': {
      const challenge = `Bearer ${REALM}, error="insufficient_scope", scope="${refusal.scope}"`;
      const detail = `the token needs the scope ${refusal.scope}`;
      return { kind: refusal.kind, detail, headers: { 'www-authenticate': challenge } };
    }
    case 'not_found':
      return { kind: refusal.kind, detail: 'nothing is here', headers: {} };
    case 'method_not_allowed': {
      const allow = refusal.allow.join(', ');
      return { kind: refusal.kind, detail: `this path takes ${allow}`, headers: { allow } };
    }
    case 'conflict':
      return { kind: refusal.kind, code: refusal.code, detail: refusal.detail, headers: {} };
    case 'rate_limited':
      return { kind: refusal.kind, detail: 'too many requests', headers: retryAfter(refusal.retryAfterSeconds) };
    case 'busy':
      return { kind: refusal.kind, detail: 'too many requests wait', headers: retryAfter(refusal.retryAfterSeconds) };
    case 'issuer_unavailable':
      return {
        kind: refusal.kind,
        detail: 'the keys of the issuer cannot be asked for; nothing is known',
        headers: retryAfter(refusal.retryAfterSeconds),
      };
    case 'database_unavailable':
      return {
        kind: refusal.kind,
        detail: refusal.detail ?? 'the database cannot be asked; nothing is known',
        headers: retryAfter(refusal.retryAfterSeconds),
      };
  }
}

// RFC 6750 section 3: no error code when no credentials were sent; a bad client of HTTP Basic is RFC 6749's.
// Basic comes first where both would do: some programs look at the first challenge alone, and know that one.
function unauthenticated(hasCredentials: boolean, scheme: 'Bearer' | 'Basic', takesBasic: boolean): Refused {
  const isBadToken = hasCredentials && scheme === 'Bearer';
  const basic = takesBasic ? `Basic ${REALM}, charset="UTF-8", ` : '';
  const challenge = `${basic}${scheme} ${REALM}${isBadToken ? ', error="invalid_token"' : ''}`;
  return {
    kind: 'unauthenticated',
    detail: hasCredentials ? 'the token is not valid' : 'a Bearer token is needed',
    oauthError: isBadToken ? 'invalid_token' : 'invalid_client',
    headers: { 'www-authenticate': challenge },
  };
}

// RFC 9449 section 7.1, with the error codes of it and of RFC 6750 section 3.1. The details are the service's own words.
function unproven(error: ProofError, detail: string): Refused {
  const algs = PROOF_ALGORITHMS.join(' ');
  // A detail may name the path: those are the caller’s own words.
  const challenge = `DPoP ${REALM}, error="${error}", error_description="${scrub(detail)}", algs="${algs}"`;
  return { kind: 'unproven', detail, oauthError: error, headers: { 'www-authenticate': challenge } };
}

// RFC 9470 section 3. What is to be confirmed is the service's own words; they may name what the caller named.
function stepUpRequired(act: string): Refused {
  const detail = `a passkey has to confirm this first: ${act}`;
  const challenge = `Bearer ${REALM}, error="insufficient_user_authentication", error_description="a passkey has to confirm this first", max_age=${STEP_UP_SECONDS}`;
  return { kind: 'step_up_required', detail, act, headers: { 'www-authenticate': challenge } };
}

/** What is answered when something happened that should not. The log has the rest, under the request id. */
export const INTERNAL: Refused = { kind: 'internal', detail: 'an unexpected error; the log knows more', headers: {} };

/** Answers a refusal as problem details. `path` is the request's own. RFC 9457 section 3. */
export function problemAnswer(answer: Refused, issuer: string, path: string): Answer {
  const { title, status } = PROBLEMS[answer.kind];
  const problem = {
    type: problemType(issuer, answer.kind),
    title,
    status,
    detail: answer.detail,
    instance: reference(path),
    ...(answer.code === undefined ? {} : { code: answer.code }),
    ...(answer.act === undefined ? {} : { act: answer.act }),
    ...(answer.errors === undefined ? {} : { errors: answer.errors }),
  };
  return {
    status,
    headers: { 'content-type': 'application/problem+json', ...answer.headers },
    // The path and the pointers are the caller's own words: a token that was misplaced there goes no further.
    body: scrub(JSON.stringify(problem)),
  };
}

/** A path as a URI reference. One that starts with two slashes would name another host. RFC 3986 section 4.2. */
function reference(path: string): string {
  return path.startsWith('//') ? `/.${path}` : path;
}

/** Answers a refusal of an OAuth endpoint. RFC 6749 section 5.2; the codes of RFC 6750 section 3.1 for Bearer callers. */
export function oauthAnswer(answer: Refused): Answer {
  const { status, error } = oauthError(answer.kind);
  return {
    status,
    headers: { 'content-type': 'application/json', ...answer.headers },
    body: JSON.stringify({ error: answer.oauthError ?? error, error_description: answer.detail }),
  };
}

function oauthError(kind: ProblemKind): { readonly status: number; readonly error: string } {
  switch (kind) {
    case 'malformed_body':
    case 'unsupported_media_type':
    case 'invalid':
    case 'oauth':
    case 'scim':
    case 'conflict':
      return { status: 400, error: 'invalid_request' };
    case 'body_too_large':
    case 'method_not_allowed':
    case 'not_found':
    case 'not_acceptable':
    case 'not_implemented':
      return { status: PROBLEMS[kind].status, error: 'invalid_request' };
    case 'unauthenticated':
      return { status: 401, error: 'invalid_client' };
    case 'unproven':
      return { status: 401, error: 'invalid_dpop_proof' };
    case 'step_up_required':
      return { status: 401, error: 'insufficient_user_authentication' };
    case 'insufficient_scope':
      return { status: 403, error: 'insufficient_scope' };
    case 'not_allowed':
      return { status: 403, error: 'access_denied' };
    case 'rate_limited':
    case 'busy':
    case 'issuer_unavailable':
    case 'database_unavailable':
      return { status: PROBLEMS[kind].status, error: 'temporarily_unavailable' };
    case 'internal':
      return { status: 500, error: 'server_error' };
  }
}

function retryAfter(seconds: number): Record<string, string> {
  return { 'retry-after': String(Math.max(1, Math.ceil(seconds))) };
}
