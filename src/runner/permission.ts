import type { Client, ExecCheckRequest, ExecDecision, ExecReason } from '../sdk/index.js';
import { ProblemError } from '../sdk/index.js';
import { monotonicMs } from './delay.js';
import type { GuardClientOptions, RunnerCredentials } from './guard-client.js';

/** The service's yes. `endsAtMs` is on the monotonic clock: when the right to run ends whatever else happens;
 *  `validUntil` is the same instant in the service's words. */
export interface Allowed {
  readonly kind: 'allowed';
  readonly checkId: string;
  readonly endsAtMs: number;
  readonly validUntil: string;
  /** What has to be renewed; `undefined` where the service knows no leases. */
  readonly lease: Lease | undefined;
}

/** The lease of a run. `takenAtMs` is on the monotonic clock. */
export interface Lease {
  readonly runId: string;
  readonly takenAtMs: number;
  readonly seconds: number;
}

/** Why nothing may start. */
export type NotAllowed =
  | { readonly kind: 'refused'; readonly checkId: string | undefined; readonly reasons: readonly ExecReason[] }
  | { readonly kind: 'unreachable'; readonly reasons: readonly ExecReason[] };

/** What the service says to a job that wants to start. */
export type Permission = Allowed | NotAllowed;

const CHECK_ID = /^chk_[0-9A-Za-z]{22}$/;
const RUN_ID = /^run_[0-9A-Za-z]{22}$/;
// 4xx answers that say "not now" and nothing about the right: request timeout, too early, too many requests.
const PASSING_STATUSES: readonly number[] = [408, 425, 429];

/** Asks whether the job may start: with its own token, or as the runner about it. Only an allow that was understood completely is one: whatever else
 *  comes back, or does not come back, is a no. */
export async function askPermission(
  client: Client,
  { token, runner }: Pick<GuardClientOptions, 'token' | 'runner'>,
  request: ExecCheckRequest,
): Promise<Permission> {
  const askedAtMs = monotonicMs();
  try {
    const asked = runner === undefined ? request : { ...request, token };
    return understand(await check(client, asked), request.workflow, askedAtMs);
  } catch (error) {
    if (isDefiniteRefusal(error)) {
      const detail = error.status === 401 ? await refusedText(error, token, runner) : error.message;
      return { kind: 'refused', checkId: undefined, reasons: [{ code: error.kind, detail }] };
    }
    return unreachable(error instanceof Error ? error.message : String(error));
  }
}

/** A service of before there were leases refuses the member that it does not know: it is asked without. */
async function check(client: Client, request: ExecCheckRequest): Promise<ExecDecision> {
  try {
    return await client.execChecks.check(request);
  } catch (error) {
    const faults = error instanceof ProblemError ? (error.problem?.errors ?? []) : [];
    if (!faults.some(({ pointer }) => pointer === '#/lease_seconds')) throw error;
    const { lease_seconds: _, ...rest } = request;
    return await client.execChecks.check(rest);
  }
}

/** Whether an error is the service's own no: it will not be another one a moment later. */
export function isDefiniteRefusal(error: unknown): error is ProblemError {
  if (!(error instanceof ProblemError)) return false;
  return error.status >= 400 && error.status < 500 && !PASSING_STATUSES.includes(error.status);
}

/** A refusal in the form in which decisions give their reasons. */
export function reasonOf(error: ProblemError): ExecReason {
  return { code: error.kind, detail: error.message };
}

function understand(decision: ExecDecision, workflow: string, askedAtMs: number): Permission {
  if (decision.decision === 'deny') {
    const reasons =
      decision.reasons.length > 0 ? decision.reasons : [{ code: 'denied', detail: 'no reason was given' }];
    return { kind: 'refused', checkId: CHECK_ID.test(decision.check_id) ? decision.check_id : undefined, reasons };
  }
  const contradiction = contradictionIn(decision, workflow);
  if (contradiction !== undefined) return unreachable(`the answer contradicts itself: ${contradiction}`);
  const validUntil = decision.valid_until ?? decision.as_of;
  // Both times are the service's own, so that their difference holds however wrong this machine's clock is.
  const endsAtMs = askedAtMs + Date.parse(validUntil) - Date.parse(decision.as_of);
  return { kind: 'allowed', checkId: decision.check_id, endsAtMs, validUntil, lease: leaseOf(decision, askedAtMs) };
}

function leaseOf({ run_id, lease_ends_at, as_of }: ExecDecision, takenAtMs: number): Lease | undefined {
  if (run_id === null || lease_ends_at === null) return undefined;
  return { runId: run_id, takenAtMs, seconds: (Date.parse(lease_ends_at) - Date.parse(as_of)) / 1000 };
}

function contradictionIn(decision: ExecDecision, workflow: string): string | undefined {
  const asOfMs = Date.parse(decision.as_of);
  if (!CHECK_ID.test(decision.check_id)) return 'an allow without a check id';
  if (decision.reasons.length > 0) return 'an allow with reasons against it';
  if (!decision.token.active) return 'an allow for a token that is not active';
  if (decision.token.workflow !== workflow) return 'an allow for another workflow';
  if (decision.token.exp * 1000 <= asOfMs) return 'an allow for a token that has expired';
  if (decision.valid_until === null) return 'an allow without an end';
  if (decision.run_id !== null && !RUN_ID.test(decision.run_id)) return 'an allow with a run that has no id';
  if ((decision.run_id === null) !== (decision.lease_ends_at === null)) return 'an allow with half a lease';
  if (decision.lease_ends_at !== null && Date.parse(decision.lease_ends_at) <= asOfMs) return 'a lease that has ended';
  return Date.parse(decision.valid_until) > asOfMs ? undefined : 'an allow that has ended already';
}

async function refusedText(error: ProblemError, token: string, runner: RunnerCredentials | undefined): Promise<string> {
  if (runner === undefined) return deadTokenText(token);
  return `this host is not taken as the runner that it is enrolled as (${error.message}): it is suspended or removed, its token has expired, or its approver is suspended. \`countersign runner status\` shows more; with --no-runner the job asks for itself`;
}

// The service says no more than that, to whoever has no valid token. The public id is the token's own text, and proves
// nothing.
async function deadTokenText(token: string): Promise<string> {
  const { parseToken, printId } = await import('../rules/format.js');
  const parsed = parseToken(token);
  if (parsed === undefined) return 'what was given as the token is not a whole one: it was cut or changed on its way';
  return `the token is not valid: it is expired, revoked, superseded, not valid yet or of another service, or its workflow is paused or its creator suspended. Whoever minted it can see which: countersign token explain ${printId('tok', parsed.id)}`;
}

function unreachable(detail: string): NotAllowed {
  return { kind: 'unreachable', reasons: [{ code: 'unreachable', detail }] };
}
