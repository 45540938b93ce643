import type { Writable } from 'node:stream';
import { MAX_LEASE_SECONDS } from '../rules/run.js';
import type { Client, ExecContext } from '../sdk/index.js';
import type { Containment } from './containment.js';
import { monotonicMs } from './delay.js';
import { guardClient, type RunnerCredentials } from './guard-client.js';
import { type HookGuard, openHookGuard } from './hook-guard.js';
import { NEVER_STARTED, UNKNOWN_END } from './job-end.js';
import { secretPatterns } from './mask.js';
import { type Allowed, askPermission, isDefiniteRefusal } from './permission.js';
import { type Job, startJob } from './process.js';
import { keepLease } from './renew.js';
import { makeReport, type Report } from './report.js';
import { passSignals } from './signals.js';
import { type Outcome, verdictOfNo, verdictOfNoStart, verdictOfRun } from './verdict.js';
import { watchRight } from './watch.js';

export interface GuardOptions {
  readonly url: string;
  /** The job's own. */
  readonly token: string;
  /** What else must not show in what the guard or the command says: the token that the job's own was exchanged for. */
  readonly secrets?: readonly string[] | undefined;
  /** The host as a trusted runner, where it is one. */
  readonly runner?: RunnerCredentials | undefined;
  readonly workflow: string;
  readonly scopes: readonly string[];
  readonly context: ExecContext;
  readonly command: readonly string[];
  /** The guard's environment; the command gets it without the token. */
  readonly env: NodeJS.ProcessEnv;
  /** Variables that the command does not get either. */
  readonly hiddenVariables?: readonly string[] | undefined;
  /** The variable under which the command gets the token after all. */
  readonly passTokenAs: string | undefined;
  /** How long the service may take to answer the check (default 10). */
  readonly checkTimeoutSeconds?: number | undefined;
  readonly killAfterSeconds: number;
  readonly graceSeconds: number;
  /** How long the watch may be silent before it counts as broken. */
  readonly silenceSeconds: number;
  readonly isMasked: boolean;
  /** What must hold the command; without it the best that this host has. */
  readonly containment?: Containment | undefined;
  readonly statusFile: string | undefined;
  readonly isJson: boolean;
  readonly userAgent?: string | undefined;
}

/** Where the guard and the command write. */
export interface GuardStreams {
  readonly stdout: Writable;
  readonly stderr: Writable;
}

/** How long the service may take to take down an end. */
const RECORD_TIMEOUT_SECONDS = 5;
const LEASE_BEYOND_GRACE_SECONDS = 60;
/** How long a reader that stands still may keep a stopped command's output waiting. */
const OUTPUT_LIMIT_MS = 2_000;

/** Runs a command for as long as it may: asks first, starts it, follows the right to run, and stops it when that ends.
 *  Resolves to the exit code when nothing of the command is left: the command's own, 128 and the number of the signal
 *  that ended it, 69 when the service is out of reach, 77 when the answer is no. */
export async function runGuard(options: GuardOptions, streams: GuardStreams = process): Promise<number> {
  const report = makeReport({ ...options, secrets: secretsOf(options) }, streams.stderr);
  const client = guardClient(options, options.checkTimeoutSeconds);
  const { workflow, scopes, context } = options;

  const request = { workflow, scopes: [...scopes], context, lease_seconds: leaseSeconds(options.graceSeconds) };
  const permission = await askPermission(client, options, request);
  if (permission.kind !== 'allowed') return report.close(verdictOfNo(permission));

  const hooks = await openHooks(options, permission, report);
  const job = await startAllowed(options, permission.checkId, hooks?.socketPath, streams);
  if (job instanceof Error) {
    await hooks?.close();
    await recordEnd(options, permission.checkId, { end: NEVER_STARTED, rightEnd: undefined }, report);
    return report.close(verdictOfNoStart(permission.checkId, job));
  }

  const outcome = await supervise(job, client, permission, options, report, hooks);
  await hooks?.close();
  await recordEnd(options, permission.checkId, outcome, report);
  return report.close(verdictOfRun(permission.checkId, outcome));
}

/** Without a socket every hook denies: the command may run, its agent may not use its tools. */
async function openHooks(
  options: GuardOptions,
  { checkId, validUntil, endsAtMs }: Allowed,
  report: Report,
): Promise<HookGuard | undefined> {
  try {
    return await openHookGuard({
      ...options,
      runId: checkId.replace(/^chk_/, 'run_'),
      // This machine's clock may be wrong; the service's own times are not, and the monotonic clock goes on from there.
      now: () => new Date(Date.parse(validUntil) - endsAtMs + monotonicMs()),
      onNotRecorded: (detail) => report.note(`decisions about tools are not all on record: ${detail}`),
    });
  } catch (error) {
    report.note(`hooks will deny everything: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

async function supervise(
  job: Job,
  client: Client,
  permission: Allowed,
  options: GuardOptions,
  report: Report,
  hooks: HookGuard | undefined,
): Promise<Outcome> {
  const releaseSignals = passSignals(job);
  const watching = new AbortController();
  const follow = { ...options, ...permission, ...lossNotes(options, report) };
  const right = watchRight(client, follow, watching.signal);
  const lease = keepLease(client, follow, watching.signal);
  const first = await Promise.race([job.ended, right, lease]);
  const rightEnd = first === undefined || first.kind === 'ended' ? undefined : first;
  watching.abort();

  if (rightEnd) hooks?.endRight(rightEnd);
  if (rightEnd) report.note(`stopping the command (${rightEnd.reason.code}): ${rightEnd.reason.detail}`);
  const result = await job.stop(options.killAfterSeconds);
  if (!rightEnd && result !== 'empty') report.note('the command left processes behind, which were stopped');
  if (result === 'left') report.note("some processes could not be stopped: another user's, or stuck in the kernel");

  await job.release(rightEnd ? OUTPUT_LIMIT_MS : undefined);
  releaseSignals();
  return { end: await Promise.race([job.ended, UNKNOWN_END]), rightEnd, containment: job.containment };
}

function startAllowed(
  options: GuardOptions,
  checkId: string,
  hookSocket: string | undefined,
  { stdout, stderr }: GuardStreams,
): Promise<Job | Error> {
  const {
    COUNTERSIGN_TOKEN: _token,
    COUNTERSIGN_TOKEN_FILE: _file,
    COUNTERSIGN_RUNNER_FILE: _runner,
    COUNTERSIGN_GUARD_SOCKET: _outer,
    ...others
  } = options.env;
  const hidden = new Set(options.hiddenVariables);
  const rest = Object.fromEntries(Object.entries(others).filter(([name]) => !hidden.has(name)));
  const handedOn = options.passTokenAs === undefined ? {} : { [options.passTokenAs]: options.token };
  const socket = hookSocket === undefined ? {} : { COUNTERSIGN_GUARD_SOCKET: hookSocket };
  const env = { ...rest, ...handedOn, ...socket, COUNTERSIGN_CHECK_ID: checkId };
  const patterns = options.isMasked ? secretsOf(options).flatMap(secretPatterns) : undefined;
  const { command, containment } = options;
  return startJob({ command, env, checkId, hookSocket, containment, patterns, stdout, stderr }).catch(
    (error: unknown) => (error instanceof Error ? error : new Error(String(error))),
  );
}

function secretsOf({ token, secrets = [] }: GuardOptions): readonly string[] {
  return [token, ...secrets];
}

/** Long enough that the guard gives up before its lease has run out. */
function leaseSeconds(graceSeconds: number): number {
  return Math.min(Math.ceil(graceSeconds) + LEASE_BEYOND_GRACE_SECONDS, MAX_LEASE_SECONDS);
}

/** The watch and the lease may lose the service together: that is told once. */
function lossNotes({ graceSeconds }: GuardOptions, report: Report) {
  let lost = 0;
  return {
    onLost: (cause: string) => {
      lost += 1;
      if (lost === 1) report.note(`lost the service, trying for ${graceSeconds} s to get it back: ${cause}`);
    },
    onBack: () => {
      lost -= 1;
      if (lost === 0) report.note('the service is back');
    },
  };
}

/** Puts the end on the service's record, as far as that can be done in a few seconds. Where the right to run has ended, a
 *  no is no news. */
async function recordEnd(
  options: GuardOptions,
  checkId: string,
  outcome: Pick<Outcome, 'end' | 'rightEnd'>,
  report: Report,
): Promise<void> {
  const { exitCode: exit_code, signal } = outcome.end;
  const client = guardClient(options, RECORD_TIMEOUT_SECONDS);
  try {
    await client.execChecks.finish(checkId, { exit_code, signal });
  } catch (error) {
    if (outcome.rightEnd?.kind === 'refused' && isDefiniteRefusal(error)) return;
    report.note(`could not put the end on record: ${error instanceof Error ? error.message : String(error)}`);
  }
}
