import { and, eq, gt, lte, type SQL } from 'drizzle-orm';
import { printId, type TokenId } from '../rules/format.js';
import { execChecks } from './schema.js';

/** A run whose lease lasts. */
export function isRunning(now: Date): SQL | undefined {
  return and(eq(execChecks.runStatus, 'running'), gt(execChecks.leaseEndsAt, now));
}

/** A run whose lease ran out, and which nobody has marked. */
export function isLapsed(now: Date): SQL | undefined {
  return and(eq(execChecks.runStatus, 'running'), lte(execChecks.leaseEndsAt, now));
}

/** What an event tells of a run beside its id. */
export function toldOf(run: { readonly workflow: string; readonly tokenId: TokenId | null }): Record<string, unknown> {
  return { workflow: run.workflow, token: run.tokenId && printId('tok', run.tokenId) };
}
