import { and, eq, sql } from 'drizzle-orm';
import type { TokenFacts } from '../rules/token.js';
import type { Db } from './database.js';
import { passkeys, tokens } from './schema.js';

/** Whether a token's person has a passkey, and until when the token may do dangerous things. */
export async function stepUpStanding(
  db: Db,
  { workspaceId, id, creatorId }: Pick<TokenFacts, 'workspaceId' | 'id' | 'creatorId'>,
): Promise<{ readonly hasPasskey: boolean; readonly steppedUpUntil: Date | null }> {
  const owned = db
    .select({ one: sql`1` })
    .from(passkeys)
    .where(and(eq(passkeys.workspaceId, workspaceId), eq(passkeys.memberId, creatorId)));
  const [row] = await db
    .select({ hasPasskey: sql<boolean>`exists ${owned}`, steppedUpUntil: tokens.steppedUpUntil })
    .from(tokens)
    .where(and(eq(tokens.workspaceId, workspaceId), eq(tokens.id, id)));
  if (row === undefined) throw new Error('a calling token is not there');
  return row;
}
