import type { ConflictCode, Refusal } from '../rules/refusal.js';

/** What a problem can be: each kind of refusal, and `internal`, which is nobody's refusal but our fault. */
export type ProblemKind = Refusal['kind'] | 'internal';

/** What a problem type means to the one who reads it. The texts are plain, with code between backticks. */
export interface ProblemText {
  readonly title: string;
  readonly status: number;
  readonly meaning: string;
  readonly whatToDo: string;
}

/** Every problem type, by kind: the one source of `/problems/…`, of `openapi/problems.md` and of the OpenAPI document.
 *  RFC 9457 section 4. */
export const PROBLEMS: Readonly<Record<ProblemKind, ProblemText>> = {
  malformed_body: {
    title: 'Malformed body',
    status: 400,
    meaning: 'The body cannot be read as what its `Content-Type` says: broken JSON, not UTF-8, or nothing at all.',
    whatToDo: 'Send one JSON document in UTF-8. Sending the same bytes again is answered the same way.',
  },
  oauth: {
    title: 'OAuth error',
    status: 400,
    meaning:
      'A request under `/oauth2/` was refused, with a code of RFC 6749 section 5.2 or RFC 8628 section 3.5 in `error`.',
    whatToDo:
      'Read `error`. For `authorization_pending` ask again after the interval, for `slow_down` after five seconds more; after any other code begin anew.',
  },
  unauthenticated: {
    title: 'Unauthenticated',
    status: 401,
    meaning:
      'There is no token in `Authorization`, or the token is not valid: unknown, expired, revoked, superseded, not valid yet, or held back because its workflow is paused, its creator suspended, or because it does not comply with a policy of its workspace that blocks. Which of them it is, is not said.',
    whatToDo:
      'Send `Authorization: Bearer cst_…` with a token that is valid. Whoever may read the token can ask `GET /v1/tokens/{id}/explain` why it is not.',
  },
  unproven: {
    title: 'Unproven',
    status: 401,
    meaning:
      'The call needs a proof of possession (RFC 9449), and there is none, or not a good one; or a token that is bound to a key came without the scheme `DPoP`. `WWW-Authenticate` says which: `use_dpop_nonce`, `invalid_dpop_proof` or `invalid_token`.',
    whatToDo:
      'For `use_dpop_nonce` sign a new proof with the nonce in `DPoP-Nonce` and send the call again; the client does that by itself. Otherwise read `detail`: a proof is good once, for one method and one URL of the service’s public address, signed with the runner’s own key.',
  },
  step_up_required: {
    title: 'Step-up required',
    status: 401,
    meaning:
      'The token is valid and may do this, but it is a person’s sign-in token, the act is a dangerous one, and the person has a passkey: so the passkey has to confirm it, no longer ago than five minutes (RFC 9470). `act` says what is to be confirmed.',
    whatToDo:
      'Ask for the confirmation with `POST /v1/step-ups`, open its `verification_uri` in a browser, and send the call again once it is confirmed. The command line does that by itself on a terminal. A lost passkey: `countersign member recover EMAIL --remove-passkeys` on the host.',
  },
  insufficient_scope: {
    title: 'Insufficient scope',
    status: 403,
    meaning:
      'The token is valid, but it does not have the scope, or the role of the member who made it does not include it. `WWW-Authenticate` names the scope (RFC 6750 section 3.1).',
    whatToDo: 'Use a token that has the scope. `GET /v1/me` lists what the calling token may do under `permissions`.',
  },
  not_allowed: {
    title: 'Not allowed',
    status: 403,
    meaning: 'The scope is there, but this act on this thing is not the caller’s to do. `detail` says why.',
    whatToDo: 'Ask a member whose role allows it: an owner, or an admin.',
  },
  not_found: {
    title: 'Not found',
    status: 404,
    meaning:
      'Nothing is there for this caller: no such path, no such id, or a thing of another workspace or another member. These cannot be told apart.',
    whatToDo: 'Check the path and the id. A malformed id is not found either.',
  },
  method_not_allowed: {
    title: 'Method not allowed',
    status: 405,
    meaning: 'The path exists, the method does not. `Allow` lists those that do.',
    whatToDo: 'Use a method that `Allow` lists.',
  },
  not_acceptable: {
    title: 'Not acceptable',
    status: 406,
    meaning: 'The answer exists in no representation that `Accept` asks for.',
    whatToDo: 'Send an `Accept` that allows the media type this document names, or none.',
  },
  conflict: {
    title: 'Conflict',
    status: 409,
    meaning: 'The request is sound, but the state of things does not allow it now. `code` says what stands against it.',
    whatToDo: 'Read `code`, look at the thing again, and decide anew. A plain retry is answered the same way.',
  },
  body_too_large: {
    title: 'Body too large',
    status: 413,
    meaning:
      'The body is longer than 64 KiB (65 536 bytes), or than what its endpoint takes where that says otherwise.',
    whatToDo: 'Send less: no message of this interface needs as much.',
  },
  unsupported_media_type: {
    title: 'Unsupported media type',
    status: 415,
    meaning: 'The `Content-Type` is missing, or it is not one that this endpoint reads.',
    whatToDo: 'Send `Content-Type: application/json`.',
  },
  invalid: {
    title: 'Validation failed',
    status: 422,
    meaning:
      'The body or the query can be read, but something in it is not allowed: a wrong type, a value out of range, a member that is not known. `errors` has one entry for each fault, with a JSON pointer to it (`#/scopes/0`).',
    whatToDo: 'Correct what `errors` names. Values are never repeated there, since a misplaced one may be a secret.',
  },
  scim: {
    title: 'SCIM request refused',
    status: 400,
    meaning:
      'Something in a request under `/scim/v2` is not as RFC 7644 has it, or not supported. The answer there has SCIM’s own form; `scimType` says what it is: `invalidFilter`, `tooMany`, `invalidSyntax`, `invalidPath`, `noTarget`, `invalidValue` or `mutability`.',
    whatToDo: 'Read `detail`. Mostly an attribute mapping of the identity provider is to be corrected.',
  },
  rate_limited: {
    title: 'Rate limited',
    status: 429,
    meaning: 'Too many requests of this kind came from the same address.',
    whatToDo: 'Wait for the seconds that `Retry-After` says.',
  },
  internal: {
    title: 'Internal error',
    status: 500,
    meaning: 'The service failed in a way that it did not foresee. Whether a change was made is not known.',
    whatToDo:
      'Look before you repeat a change, or repeat it with the same `Idempotency-Key`. Report it with the `X-Request-Id`: the cause is in the service’s log under it.',
  },
  not_implemented: {
    title: 'Not implemented',
    status: 501,
    meaning: 'The standard has this and the service does not: `/Me` and bulk requests of SCIM.',
    whatToDo: 'Turn it off in the client. `GET /scim/v2/ServiceProviderConfig` says what there is.',
  },
  busy: {
    title: 'Busy',
    status: 503,
    meaning: 'A bounded queue is full, such as that of the slow hash. Nothing was changed.',
    whatToDo: 'Wait for the seconds that `Retry-After` says, then send the request again.',
  },
  issuer_unavailable: {
    title: 'Issuer unavailable',
    status: 503,
    meaning:
      'A platform’s token is of an issuer and for an audience that a trust rule names, and the keys of the issuer cannot be asked for. Whether the token is taken is not known. It is not used up. Or it is GitHub’s keys that cannot: then nothing was read of its alert.',
    whatToDo:
      'Treat it as “not known”, never as a yes. Wait for the seconds that `Retry-After` says, then send it again. The service’s log says what stands between it and the issuer.',
  },
  database_unavailable: {
    title: 'Database unavailable',
    status: 503,
    meaning:
      'The database could not be asked in time, so nothing can be said: a token is never called active from memory. A change may or may not have been made.',
    whatToDo:
      'Treat it as “not known”, never as a yes. Wait for the seconds that `Retry-After` says; repeat a mint with the same `Idempotency-Key`.',
  },
};

/** What stands against a request that is answered with 409, by its `code`. */
export const CONFLICTS: Readonly<Record<ConflictCode, Pick<ProblemText, 'meaning' | 'whatToDo'>>> = {
  idempotency_key_reused: {
    meaning:
      'The `Idempotency-Key` was used with another request, or the token that it made has been used since, so that its secret cannot be replaced.',
    whatToDo: 'For a new token, take a new key. For the old one: whoever has it can rotate it.',
  },
  already_rotated: {
    meaning: 'The token has a successor that is in use. There is one successor at most.',
    whatToDo: 'Rotate the successor: `rotated_to` names it.',
  },
  token_not_active: {
    meaning: 'The token has ended or is held back, so there is nothing to rotate, to hand over or to unfreeze.',
    whatToDo: 'Mint a new token. `GET /v1/tokens/{id}/explain` says what ended this one.',
  },
  short_lived: {
    meaning:
      'The token was made for hours: by a sign-in with a device code, or for a CI job’s own token. It is never rotated, because its successor would live for days.',
    whatToDo: 'Sign in again with `countersign auth login`; in a job, exchange the platform’s token again.',
  },
  takeover_state: {
    meaning: 'The token is not to be taken over, or not any more: it was already, it was revoked, or its time is up.',
    whatToDo:
      'If the answer to your own take-over was lost, find the new token in your list and rotate it. Else mint one.',
  },
  workflow_not_active: {
    meaning: 'The workflow is paused, so that it gets no new tokens.',
    whatToDo: 'Resume the workflow first, if the reason for the pause is gone.',
  },
  member_exists: {
    meaning: 'The e-mail address belongs to a member of this workspace already.',
    whatToDo: 'Find the member with `GET /v1/members`; reactivate it if it is suspended.',
  },
  member_state: {
    meaning: 'The member’s status does not allow it: one who is removed or only invited cannot be changed this way.',
    whatToDo: 'Look at the member’s `status`. Who was removed is invited again.',
  },
  last_owner: {
    meaning: 'The member is the last active owner. A workspace without an owner could not be managed any more.',
    whatToDo: 'Make somebody else an owner first.',
  },
  check_state: {
    meaning: 'The exec check was denied or is finished, so there is nothing to watch or to finish.',
    whatToDo: 'Read the check: `finished_at`, `exit_code` and `signal` say how it ended.',
  },
  run_state: {
    meaning:
      'The run is over, or its right to go on has ended: it finished, was stopped, its lease ran out, its time is up, its token was revoked or frozen, its workflow paused, or its creator or workspace suspended. `detail` says which.',
    whatToDo: 'Stop the job. A lease that ran out is not revived: ask anew with `POST /v1/exec/checks`.',
  },
  runner_exists: {
    meaning: 'A runner of this workspace has the name already, or one has the key.',
    whatToDo: 'Approve it under another name, or remove the runner that has it first.',
  },
  runner_state: {
    meaning: 'The runner’s status does not allow it: a removed one stays removed.',
    whatToDo: 'Look at the runner’s `status`. A host that was removed joins again.',
  },
  enrolment_state: {
    meaning: 'The enrolment was denied or has ended, or its token was fetched and used already.',
    whatToDo: 'Start anew on the host with `countersign runner join`.',
  },
  decisions_full: {
    meaning: 'The run has as many tool decisions on record as a run may have.',
    whatToDo: 'Drop the batch, and say so: further ones are refused too.',
  },
  passkey_state: {
    meaning: 'The passkey is on record already, the link to add it was used, or things have changed since it was made.',
    whatToDo: 'Ask for a new link with `countersign passkey add`.',
  },
  step_up_state: {
    meaning: 'There is no passkey to confirm with, so that none is needed; or it was decided about already.',
    whatToDo: 'Send the call that it was for. Where it was denied, ask the person first.',
  },
  webhook_state: {
    meaning:
      'The webhook is disabled, has no secret because its form is not signed, or the delivery is still on its way.',
    whatToDo:
      'Enable the webhook with `PATCH /v1/webhooks/{id}`; `GET /v1/webhooks/{id}/deliveries` says where each stands.',
  },
  mail_state: {
    meaning: 'The mail is still on its way, or this service sends no mail.',
    whatToDo: 'Wait for it: `GET /v1/mail-deliveries` says where each stands. Mail needs `COUNTERSIGN_SMTP_URL`.',
  },
  policy: {
    meaning:
      'What is to be made does not fit into today’s policy of the workflow or of the workspace, or they leave nothing of it.',
    whatToDo: 'Read the workflow and `GET /v1/policy`; ask for less, or have the policy widened.',
  },
};

/** The last part of a problem's type URI: the kind with dashes. */
export function problemSlug(kind: ProblemKind): string {
  return kind.replaceAll('_', '-');
}

/** The type URI of a problem. It resolves to a page that says what it means. RFC 9457 section 3.1.1. */
export function problemType(issuer: string, kind: ProblemKind): string {
  return `${issuer}/problems/${problemSlug(kind)}`;
}

/** The kind whose type URI ends in `slug`; `undefined` when there is none. */
export function problemKindOf(slug: string): ProblemKind | undefined {
  return problemKinds().find((kind) => problemSlug(kind) === slug);
}

/** Every kind, in the order of their statuses. */
export function problemKinds(): ProblemKind[] {
  return Object.keys(PROBLEMS).filter(isProblemKind);
}

function isProblemKind(text: string): text is ProblemKind {
  return Object.hasOwn(PROBLEMS, text);
}
