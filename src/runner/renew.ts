import type { Client, ExecReason, ProblemError, Run } from '../sdk/index.js';
import { monotonicMs, waitUntil } from './delay.js';
import { isDefiniteRefusal, type Lease } from './permission.js';
import { delayMs, giveUpAt, outOfReach, type RightEnd, type WatchOptions } from './watch.js';

export interface RenewOptions extends Pick<WatchOptions, 'graceSeconds' | 'onLost' | 'onBack'> {
  /** `undefined` where the service knows no leases: then there is nothing to renew. */
  readonly lease: Lease | undefined;
}

/** Renews the lease of a run three times in its length, and resolves when the service refuses that, or has been out of
 *  reach for too long. With the signal aborted it resolves to `undefined`, and never before. */
export async function keepLease(
  client: Client,
  { lease, ...options }: RenewOptions,
  signal: AbortSignal,
): Promise<RightEnd | undefined> {
  let giveUpAtMs = Number.POSITIVE_INFINITY;
  let failures = 0;
  let nextMs = lease === undefined ? Number.POSITIVE_INFINITY : lease.takenAtMs + lease.seconds * (1000 / 3);
  for (;;) {
    await waitUntil(nextMs, signal);
    if (signal.aborted || lease === undefined) return undefined;
    const askedAtMs = monotonicMs();
    const outcome = await renewOnce(client, lease.runId, giveUpAtMs, signal);
    if (signal.aborted) return undefined;
    if (outcome.kind === 'refused') return outcome;
    if (outcome.kind === 'renewed') {
      if (failures > 0) options.onBack();
      failures = 0;
      giveUpAtMs = Number.POSITIVE_INFINITY;
      nextMs = outcome.isLast ? Number.POSITIVE_INFINITY : askedAtMs + lease.seconds * (1000 / 3);
      continue;
    }
    failures += 1;
    if (failures === 1) {
      giveUpAtMs = giveUpAt(askedAtMs, options.graceSeconds);
      options.onLost(outcome.cause);
    }
    if (monotonicMs() >= giveUpAtMs) return outOfReach(options.graceSeconds, outcome.cause);
    nextMs = Math.min(monotonicMs() + delayMs(failures), giveUpAtMs);
  }
}

type Outcome =
  | { readonly kind: 'renewed'; readonly isLast: boolean }
  | (RightEnd & { readonly kind: 'refused' })
  | { readonly kind: 'lost'; readonly cause: string };

// A node of a release that knows no runs answers 404, while it is being replaced: that is no word on this one.
const UNKNOWN = 404;

async function renewOnce(client: Client, runId: string, giveUpAtMs: number, signal: AbortSignal): Promise<Outcome> {
  const late = new AbortController();
  const waited = new AbortController();
  void waitUntil(giveUpAtMs, waited.signal).then(() => late.abort());
  try {
    const run = await client.runs.renew(runId, AbortSignal.any([signal, late.signal]));
    return isRunning(run, runId)
      ? { kind: 'renewed', isLast: run.lease_ends_at === run.valid_until }
      : { kind: 'lost', cause: 'the service answered a renewal with another run, or one that is over' };
  } catch (error) {
    if (isDefiniteRefusal(error) && error.status !== UNKNOWN) return { kind: 'refused', reason: reasonOf(error) };
    return { kind: 'lost', cause: error instanceof Error ? error.message : String(error) };
  } finally {
    waited.abort();
  }
}

function isRunning(run: Run, runId: string): boolean {
  return run.run_id === runId && run.status === 'running';
}

function reasonOf(error: ProblemError): ExecReason {
  return { code: error.problem?.code ?? error.kind, detail: error.message };
}
