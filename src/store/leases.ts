import { and, eq, gt, lte, type SQL } from 'drizzle-orm';
import { execChecks } from './schema.js';

/** A run whose lease lasts. */
export function isRunning(now: Date): SQL | undefined {
  return and(eq(execChecks.runStatus, 'running'), gt(execChecks.leaseEndsAt, now));
}

/** A run whose lease ran out, and which nobody has marked. */
export function isLapsed(now: Date): SQL | undefined {
  return and(eq(execChecks.runStatus, 'running'), lte(execChecks.leaseEndsAt, now));
}
