import { addSeconds, earliest } from './lifetime.js';

/** Where a run stands: `running` while its lease is renewed, `lost` when the lease ran out without a word, `stopped` when
 *  somebody ended its right to run, `finished` when its guard told how it ended. */
export const RUN_STATUSES = ['running', 'finished', 'stopped', 'lost'] as const;
export type RunStatus = (typeof RUN_STATUSES)[number];

/** How long a lease lasts, in seconds: for whoever names no length, at least, and at most. */
export const DEFAULT_LEASE_SECONDS = 120;
export const MIN_LEASE_SECONDS = 30;
export const MAX_LEASE_SECONDS = 86_400;

/** When a lease that is taken or renewed now ends: never after the run's own end. */
export function leaseEnd(now: Date, leaseSeconds: number, validUntil: Date): Date {
  return earliest(addSeconds(now, leaseSeconds), validUntil) ?? validUntil;
}

/** Where a run stands at an instant. At `leaseEndsAt` it is lost, whether that was written down or not. */
export function runStatus(run: { readonly runStatus: RunStatus; readonly leaseEndsAt: Date }, now: Date): RunStatus {
  return run.runStatus === 'running' && now >= run.leaseEndsAt ? 'lost' : run.runStatus;
}
