import { and, eq, gt, gte, isNull, or, type SQL, type SQLWrapper, sql } from 'drizzle-orm';
import { alias } from 'drizzle-orm/pg-core';
import { idFloor, type WorkspaceId } from '../rules/format.js';
import { addDays, MAX_EXPIRY_DAYS } from '../rules/lifetime.js';
import { SERVICE_WORKFLOW } from '../rules/workflow.js';
import { tokens } from './schema.js';

/** The successors of tokens. */
export const successors = alias(tokens, 'successors');

/** What joins {@link successors}. */
export const isSuccessor = and(eq(successors.workspaceId, tokens.workspaceId), eq(successors.id, tokens.rotatedTo));

/** When a token that has a successor ends in its favour, as the rules have it (`overlapEnd`). Needs {@link successors}. */
export const overlapEndsAt = sql`least(${tokens.overlapEndsAt},
  ${successors.firstUsedAt} + ${tokens.drainSeconds} * interval '1 second')`;

/** What holds of a token that has not ended for good, whatever holds it back. Needs {@link successors}. */
export function lives(now: Date): (SQL | undefined)[] {
  const isLast = or(isNull(tokens.rotatedTo), gt(overlapEndsAt, now.toISOString()));
  return [isNull(tokens.revokedAt), gt(tokens.expiresAt, now), isLast];
}

/** The tokens of a workspace that a policy speaks of, as the rules have it (`isBeyondReach`). What is older than the longest
 *  life has ended, and is not looked at. */
export function isPoliced(workspaceId: WorkspaceId, now: Date): SQL | undefined {
  return and(
    eq(tokens.workspaceId, workspaceId),
    gte(tokens.id, idFloor('tok', addDays(now, -MAX_EXPIRY_DAYS - 1))),
    isOfWorkflow(tokens),
  );
}

/** What holds of the tokens of workflows: neither what people sign in with nor what runners prove themselves with. */
export function isOfWorkflow({ kind, workflow }: { kind: SQLWrapper; workflow: SQLWrapper }): SQL | undefined {
  return and(
    sql`${kind} = 'access'`,
    sql`${workflow} <> ${SERVICE_WORKFLOW} and not starts_with(${workflow}, ${`${SERVICE_WORKFLOW}.`})`,
  );
}
