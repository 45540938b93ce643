import { CommanderError } from 'commander';
import { ProblemError, UnreachableError } from '../sdk/errors.js';
import { NotSignedInError } from './connection.js';
import { HintedError } from './hinted-error.js';
import { HostRefusal } from './host-refusal.js';
import { OutOfReachError } from './out-of-reach-error.js';
import { messageView, paint, say } from './output.js';
import { printable } from './printable.js';
import { UsageError } from './usage-error.js';

/** What went wrong, for a program (`--json`) and, as `detail`, `faults` and `hint`, for a person. */
export interface Failure {
  readonly exitCode: number;
  readonly kind: string;
  readonly detail: string;
  readonly hint?: string | undefined;
  readonly status?: number | undefined;
  readonly requestId?: string | undefined;
  readonly faults?: readonly { pointer: string; detail: string }[] | undefined;
}

const PROVE = 'A host signs the address that it calls: COUNTERSIGN_URL has to be the public address of the service.';
const STEP_UP =
  'Run it on a terminal: it shows where to confirm, and goes on. A lost passkey: `countersign member recover EMAIL --remove-passkeys` on the host.';
const SIGN_IN = 'Sign in with `countersign auth login` (`--with-token < FILE` for a token), or set COUNTERSIGN_TOKEN.';

/** The one place where an error becomes an exit code: 2 usage, 69 out of reach, 77 refused, 1 anything else. */
export function describeFailure(error: unknown): Failure {
  if (error instanceof HintedError) return { ...describeFailure(error.cause), hint: error.hint };
  if (error instanceof UsageError) return { exitCode: 2, kind: 'usage', detail: error.message };
  if (error instanceof CommanderError) return usageFailure(error);
  if (error instanceof HostRefusal) return { exitCode: 1, kind: error.kind, detail: error.message };
  if (error instanceof NotSignedInError) {
    return { exitCode: 77, kind: 'not_signed_in', detail: error.message, hint: SIGN_IN };
  }
  if (error instanceof UnreachableError) {
    const hint = 'Is the service running there? COUNTERSIGN_URL says where to look.';
    const isAbsent = error.message.startsWith('cannot reach');
    return { exitCode: 69, kind: 'unreachable', detail: error.message, ...(isAbsent ? { hint } : {}) };
  }
  if (error instanceof OutOfReachError) return { exitCode: 69, kind: 'unreachable', detail: error.message };
  if (error instanceof ProblemError) return problemFailure(error);
  return { exitCode: 1, kind: 'unexpected', detail: error instanceof Error ? error.message : String(error) };
}

/** Tells of a failure on standard error: a JSON document for a program, a few lines for a person. A token that got into
 *  a message is taken out. */
export async function reportFailure(failure: Failure, asJson: boolean): Promise<void> {
  const { TOKEN_FORM } = await import('../rules/format.js');
  const text = asJson ? jsonText(failure) : personText(failure);
  say(text.replace(TOKEN_FORM, '[token]'));
}

function usageFailure(error: CommanderError): Failure {
  return { exitCode: 2, kind: 'usage', detail: error.message.replace(/^error: /, '') };
}

function problemFailure(error: ProblemError): Failure {
  return {
    exitCode: OAUTH_EXITS[error.kind] ?? exitCodeOf(error.status),
    kind: error.kind,
    detail: error.problem?.detail ?? error.message,
    hint: hintFor(error),
    status: error.status,
    requestId: error.requestId,
    faults: error.problem?.errors,
  };
}

/** What says more than its status, which is 400. RFC 6749 section 5.2; RFC 8628 section 3.5. */
const OAUTH_EXITS: Readonly<Record<string, number>> = { access_denied: 77, expired_token: 1, invalid_grant: 1 };

function exitCodeOf(status: number): number {
  if (status >= 500 || status === 429) return 69;
  if (status === 401 || status === 403) return 77;
  return status === 404 || status === 409 ? 1 : 2;
}

function hintFor(error: ProblemError): string | undefined {
  const { status, retryAfterSeconds, problem } = error;
  if (status === 401 && error.kind === 'unproven') return PROVE;
  if (status === 401 && error.kind === 'step-up-required') return STEP_UP;
  if (status === 401) return `It is expired, revoked, superseded, held back, or of another service. ${SIGN_IN}`;
  if (status === 403) return '`countersign whoami` shows what you may do.';
  if (status === 404 && problem) return 'There is no such thing in this workspace, or it is not yours to see.';
  if (status !== 429 && status < 500) return undefined;
  return retryAfterSeconds === undefined ? 'Try again soon.' : `Try again in ${retryAfterSeconds} s.`;
}

function jsonText(failure: Failure): string {
  const { kind, detail, status, requestId: request_id, faults: errors } = failure;
  return JSON.stringify({ error: { kind, detail, status, request_id, errors } });
}

function personText(failure: Failure): string {
  const view = messageView();
  const [first = '', ...rest] = failure.detail.split('\n').map(printable);
  const faults = (failure.faults ?? []).map((fault) => `  ${printable(fault.pointer)} ${printable(fault.detail)}`);
  const hints = failure.hint === undefined ? [] : [failure.hint];
  const isTraceable = failure.requestId !== undefined && failure.exitCode === 69;
  const trace = isTraceable ? [`request id ${printable(failure.requestId ?? '')}`] : [];
  return [`${paint('error:', 'red', view)} ${first}`, ...rest, ...faults, ...hints, ...trace].join('\n');
}
