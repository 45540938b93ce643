import { and, eq, isNull, type SQL, sql } from 'drizzle-orm';
import { printId, type TokenId, type WorkspaceId } from '../rules/format.js';
import { accept, type Result } from '../rules/refusal.js';
import type { RevokeReason } from '../rules/token.js';
import { type Actor, lockAsDecided } from './authority.js';
import { type Db, inTransaction, type Tx } from './database.js';
import { type NewEvent, type Origin, recordEvents } from './events.js';
import { notifyChange } from './notifications.js';
import { tokens } from './schema.js';

/** Why tokens are revoked and by whom: the public id of a member, or of the token itself. */
export interface Cause {
  readonly reason: RevokeReason;
  readonly note: string | undefined;
  readonly origin: Origin;
}

const EVENTS_AT_ONCE = 10_000;

/** Revokes one token on the word of a member, for good. Gives false when it was revoked before: nothing changes then. In effect
 *  when it returns. */
export function revokeToken(db: Db, actor: Actor, id: TokenId, cause: Cause, now: Date): Promise<Result<boolean>> {
  return inTransaction(db, async (tx) => {
    const allowed = await lockAsDecided(tx, actor, 'issue', id);
    if (!allowed.ok) return allowed;
    return accept((await revokeWhere(tx, actor.workspaceId, eq(tokens.id, id), cause, now)).length > 0);
  });
}

/** As {@link revokeToken}, for whoever holds the token: nobody else is asked, and nobody waited for. */
export function revokeHeld(db: Db, workspaceId: WorkspaceId, id: TokenId, cause: Cause, now: Date): Promise<boolean> {
  return inTransaction(db, async (tx) => {
    return (await revokeWhere(tx, workspaceId, eq(tokens.id, id), cause, now)).length > 0;
  });
}

/** Revokes within a transaction: the tokens, their events, and the word to the watchers. */
export async function revokeWhere(
  tx: Tx,
  workspaceId: WorkspaceId,
  where: SQL | undefined,
  cause: Cause,
  now: Date,
): Promise<TokenId[]> {
  const open = and(eq(tokens.workspaceId, workspaceId), isNull(tokens.revokedAt), where);
  // Locked in the order of their ids, so that two revocations never wait for each other in a circle.
  const rows = await tx.select({ id: tokens.id }).from(tokens).where(open).orderBy(tokens.id).for('update');
  const ids = rows.map((row) => row.id);
  if (ids.length === 0) return [];
  await tx
    .update(tokens)
    .set({
      revokedAt: now,
      revokedBy: cause.origin.actorId,
      revokedReason: cause.reason,
      revokedNote: cause.note ?? null,
      // Whoever ends a token ends the offer to take it over.
      takeoverBy: null,
      takeoverUntil: null,
    })
    .where(and(eq(tokens.workspaceId, workspaceId), sql`${tokens.id} = any(${sql.param(ids)}::uuid[])`));
  await notifyChange(tx, workspaceId);
  const data = { reason: cause.reason, ...(cause.note === undefined ? {} : { note: cause.note }) };
  for (let at = 0; at < ids.length; at += EVENTS_AT_ONCE) {
    const events = ids.slice(at, at + EVENTS_AT_ONCE).map((id): NewEvent => {
      return { action: 'token.revoked', target: printId('tok', id), data };
    });
    await recordEvents(tx, workspaceId, cause.origin, events, now);
  }
  return ids;
}
