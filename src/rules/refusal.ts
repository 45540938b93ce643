/** Why a request is refused: a closed union. `http/refuse` maps each kind to a status and a problem type, in one switch
 *  that does not compile until a new kind is in it; `openapi/problems.md` says what each means. */
export type Refusal =
  | { readonly kind: 'malformed_body'; readonly detail: string }
  | { readonly kind: 'unsupported_media_type'; readonly detail: string }
  | { readonly kind: 'body_too_large'; readonly maxBytes: number }
  | { readonly kind: 'oauth'; readonly error: OAuthErrorCode; readonly detail: string }
  | { readonly kind: 'scim'; readonly error: ScimErrorType; readonly detail: string }
  | { readonly kind: 'invalid'; readonly errors: readonly FieldError[] }
  | {
      readonly kind: 'unauthenticated';
      readonly hasCredentials: boolean;
      readonly scheme?: 'Basic';
      /** Basic would do as well as Bearer. */
      readonly takesBasic?: true;
    }
  | { readonly kind: 'unproven'; readonly error: ProofError; readonly detail: string }
  | { readonly kind: 'step_up_required'; readonly act: string }
  | { readonly kind: 'insufficient_scope'; readonly scope: string }
  | { readonly kind: 'not_allowed'; readonly detail: string }
  | { readonly kind: 'not_found' }
  | { readonly kind: 'method_not_allowed'; readonly allow: readonly string[] }
  | { readonly kind: 'not_acceptable'; readonly detail: string }
  | { readonly kind: 'conflict'; readonly code: ConflictCode; readonly detail: string }
  | { readonly kind: 'not_implemented'; readonly detail: string }
  | { readonly kind: 'rate_limited'; readonly retryAfterSeconds: number }
  | { readonly kind: 'busy'; readonly retryAfterSeconds: number }
  | { readonly kind: 'issuer_unavailable'; readonly retryAfterSeconds: number }
  | { readonly kind: 'database_unavailable'; readonly retryAfterSeconds: number; readonly detail?: string };

/** What is wrong with a proof of possession, in the words of RFC 9449 sections 7.1 and 9. */
export type ProofError = 'invalid_dpop_proof' | 'use_dpop_nonce' | 'invalid_token';

/** What stands against a request to the token endpoint: the codes of RFC 6749 section 5.2, of RFC 8628 section 3.5
 *  and of RFC 8693 section 2.2.2. */
export type OAuthErrorCode =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'invalid_scope'
  | 'invalid_target'
  | 'unsupported_grant_type'
  | 'authorization_pending'
  | 'slow_down'
  | 'expired_token'
  | 'access_denied';

/** What is wrong with a SCIM request, in the words of RFC 7644 section 3.12, table 9. */
export type ScimErrorType =
  | 'invalidFilter'
  | 'tooMany'
  | 'invalidSyntax'
  | 'invalidPath'
  | 'noTarget'
  | 'invalidValue'
  | 'mutability';

/** What a 409 is about, so that a program can tell a lost race from a wrong state. */
export type ConflictCode =
  | 'idempotency_key_reused'
  | 'already_rotated'
  | 'token_not_active'
  | 'short_lived'
  | 'takeover_state'
  | 'workflow_not_active'
  | 'member_exists'
  | 'member_state'
  | 'last_owner'
  | 'check_state'
  | 'run_state'
  | 'runner_exists'
  | 'runner_state'
  | 'enrolment_state'
  | 'decisions_full'
  | 'passkey_state'
  | 'step_up_state'
  | 'webhook_state'
  | 'mail_state'
  | 'policy';

/** One fault of a request's content. `pointer` is a JSON pointer in URI fragment form (`#/scopes/0`; RFC 6901
 *  section 6), as in RFC 9457 section 3. */
export interface FieldError {
  readonly pointer: string;
  readonly detail: string;
}

export type Result<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly refusal: Refusal };

/** Wraps a success. */
export function accept<T>(value: T): Result<T> {
  return { ok: true, value };
}

/** Wraps a refusal. */
export function refuse(refusal: Refusal): { readonly ok: false; readonly refusal: Refusal } {
  return { ok: false, refusal };
}

/** Refuses one member of the request. `path` is its keys from the root. */
export function invalid(path: readonly (string | number)[], detail: string): { ok: false; refusal: Refusal } {
  return { ok: false, refusal: { kind: 'invalid', errors: [{ pointer: pointerTo(path), detail }] } };
}

/** A part of a request, by the way to it from the root, and why it is refused, if it is. */
export interface JudgedPart {
  readonly path: readonly (string | number)[];
  readonly refusal: Refusal | undefined;
}

/** Why a request of several parts is refused as a whole; `undefined` when no part is. What is wrong with the content of any of
 *  them is told at once; without such, the first refusal, with the part that it is about. */
export function refusalOfParts(parts: readonly JudgedPart[]): Refusal | undefined {
  const refused = parts.flatMap(({ path, refusal }) => (refusal ? [withinPart(path, refusal)] : []));
  const errors = refused.flatMap((refusal) => (refusal.kind === 'invalid' ? refusal.errors : []));
  return errors.length > 0 ? { kind: 'invalid', errors } : refused[0];
}

function withinPart(path: JudgedPart['path'], refusal: Refusal): Refusal {
  if (path.length === 0) return refusal;
  const place = pointerTo(path);
  if (refusal.kind === 'not_allowed' || refusal.kind === 'conflict') {
    return { ...refusal, detail: `${place}: ${refusal.detail}` };
  }
  if (refusal.kind !== 'invalid') return refusal;
  const errors = refusal.errors.map(({ pointer, detail }) => ({ pointer: `${place}${pointer.slice(1)}`, detail }));
  return { kind: 'invalid', errors };
}

/** Prints a path as a JSON pointer in URI fragment form. A lone surrogate, which a member's name may hold, is shown as
 *  U+FFFD. */
export function pointerTo(path: readonly (string | number)[]): string {
  return `#${path.map((key) => `/${encodeURIComponent(escapedKey(String(key)))}`).join('')}`;
}

function escapedKey(key: string): string {
  return key.toWellFormed().replaceAll('~', '~0').replaceAll('/', '~1');
}
