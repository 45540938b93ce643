import { addDays } from './lifetime.js';
import type { FreezeReason, TokenKind } from './token.js';
import { isReservedLabel } from './workflow.js';

/** After how many days without use a policy may freeze tokens. */
export const FREEZE_DAYS = { least: 7, most: 366 } as const;

/** What decides whether and when a token is frozen for not being used. */
export interface UnusedFacts {
  readonly kind: TokenKind;
  readonly workflow: string;
  readonly createdAt: Date;
  readonly notBefore: Date | null;
  readonly lastUsedAt: Date | null;
  readonly frozenAt: Date | null;
  readonly rotatedTo: string | null;
  readonly sessionId: string | null;
  readonly trustRuleId: string | null;
}

/** When a token that stays unused is frozen by a policy of so many days. An unfreezing counts as a use. `undefined` for what
 *  no policy freezes: sign-in tokens, runners', those of a trust rule, what has a successor, what is frozen already. */
export function freezesAt(token: UnusedFacts, days: number, unfrozenAt: Date | undefined): Date | undefined {
  if (token.kind !== 'access' || isReservedLabel(token.workflow)) return undefined;
  if (token.sessionId !== null || token.trustRuleId !== null) return undefined;
  if (token.rotatedTo !== null || token.frozenAt !== null) return undefined;
  const instants = token.lastUsedAt ? [token.lastUsedAt] : [token.createdAt, token.notBefore];
  const times = [...instants, unfrozenAt].flatMap((at) => (at ? [at.getTime()] : []));
  return addDays(new Date(Math.max(...times)), days);
}

/** Whether its own creator may unfreeze a token: who left is not let back by coming back. */
export function mayCreatorUnfreeze(reason: FreezeReason | null): boolean {
  return reason === 'unused';
}
