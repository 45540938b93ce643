import { addDays } from './lifetime.js';

/** How many days the usage of a token is told over: unless it is said, and at most. */
export const USAGE_DAYS = 30;
export const MAX_USAGE_DAYS = 90;

/** How many checks are counted for one answer, how many places of a kind it names, and how many tokens of a lineage it
 *  counts together. */
export const MAX_COUNTED_CHECKS = 50_000;
export const MAX_USED_PLACES = 50;
export const MAX_COUNTED_TOKENS = 100;

/** The whole days, in UTC, that usage is told over: `from` is the first instant of the first of them, `to` is behind the
 *  last. */
export interface UsageWindow {
  readonly from: Date;
  readonly to: Date;
}

/** The last `days` days in UTC, with the one that `now` lies in. */
export function usageWindow(now: Date, days: number): UsageWindow {
  const today = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate()));
  return { from: addDays(today, 1 - days), to: addDays(today, 1) };
}

/** The days from one instant on to before another, each as `2026-01-31`, in UTC. */
export function daysBetween(from: Date, to: Date): string[] {
  const days: string[] = [];
  for (let at = from; dayOf(at) < dayOf(to); at = addDays(at, 1)) days.push(dayOf(at));
  return days;
}

/** The day of an instant in UTC, as `2026-01-31`. */
export function dayOf(at: Date): string {
  return at.toISOString().slice(0, 10);
}
