import type { TokenId } from '../rules/format.js';
import type { TokenFacts } from '../rules/token.js';

/** What the rows of a token and of its successor say of the two, as the rules take it. */
export function successionOf(
  rotatedTo: TokenId | null,
  overlapEndsAt: Date | null | undefined,
  drainSeconds: number | null,
  successorFirstUsedAt: Date | null | undefined,
): TokenFacts['succession'] {
  if (rotatedTo === null || !overlapEndsAt) return undefined;
  const firstUsedAt = successorFirstUsedAt ?? undefined;
  return { successorId: rotatedTo, overlapEndsAt, drainSeconds: drainSeconds ?? 0, firstUsedAt };
}
