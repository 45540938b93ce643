import type { Problem } from '../wire/resources.js';

/** The service answered with a refusal. `status` is the HTTP status, `kind` the last part of the problem's type or the
 *  OAuth error code, `retryAfterSeconds` what `Retry-After` says. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly status: number;
  readonly kind: string;
  readonly problem: Problem | undefined;
  readonly requestId: string | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(answer: {
    status: number;
    kind: string;
    detail: string;
    problem?: Problem | undefined;
    requestId?: string | undefined;
    retryAfterSeconds?: number | undefined;
  }) {
    super(answer.detail);
    this.status = answer.status;
    this.kind = answer.kind;
    this.problem = answer.problem;
    this.requestId = answer.requestId;
    this.retryAfterSeconds = answer.retryAfterSeconds;
  }
}

/** The service could not be reached, did not answer in time, or answered with something that is not its own: a
 *  redirect, a page of a captive portal, truncated JSON. Nothing is known of what was asked. */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError';
}

/** Whether an error leaves open what the service would have said: it was out of reach, or its database was. */
export function isOutOfReach(error: unknown): boolean {
  if (error instanceof UnreachableError) return true;
  return error instanceof ProblemError && (error.status >= 500 || error.status === 429);
}
