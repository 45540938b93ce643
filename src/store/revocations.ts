import { and, eq, isNull, lt, type SQL, sql } from 'drizzle-orm';
import { type MemberId, printId, type TokenId, type WorkspaceId } from '../rules/format.js';
import type { RevokeReason } from '../rules/token.js';
import { type Db, inTransaction, type Tx } from './database.js';
import { type NewEvent, type Origin, recordEvents } from './events.js';
import { notifyChange } from './notifications.js';
import { isOfUse } from './of-use.js';
import { tokens } from './schema.js';
import { lockWorkspace } from './workspace-lock.js';

/** Why tokens are revoked and by whom: the public id of a member, or of the token itself. */
export interface Cause {
  readonly reason: RevokeReason;
  readonly note: string | undefined;
  readonly origin: Origin;
}

/** Which tokens are meant, in one workspace. */
export type Selection =
  | { readonly by: 'workflow'; readonly workflow: string }
  | { readonly by: 'creator'; readonly creatorId: MemberId }
  | { readonly by: 'lineage'; readonly lineageId: TokenId }
  | { readonly by: 'issued_before'; readonly at: Date }
  | { readonly by: 'workspace' };

const SHOWN_IDS = 200;
const EVENTS_AT_ONCE = 10_000;

/** Revokes one token, for good. Gives false when it was revoked before: nothing changes then. In effect when it returns. */
export function revokeToken(db: Db, workspaceId: WorkspaceId, id: TokenId, cause: Cause, now: Date): Promise<boolean> {
  return inTransaction(db, async (tx) => {
    const ids = await revokeWhere(tx, workspaceId, eq(tokens.id, id), cause, now);
    return ids.length > 0;
  });
}

/** Revokes all that are meant and of any use, in one transaction. Gives how many, and the first 200, oldest first. */
export function revokeTokens(
  db: Db,
  workspaceId: WorkspaceId,
  selection: Selection,
  cause: Cause,
  now: Date,
): Promise<{ readonly count: number; readonly ids: readonly TokenId[] }> {
  return inTransaction(db, async (tx) => {
    await lockWorkspace(tx, workspaceId, 'end');
    const ids = await revokeWhere(tx, workspaceId, and(selected(workspaceId, selection), isOfUse(now)), cause, now);
    return { count: ids.length, ids: ids.slice(0, SHOWN_IDS) };
  });
}

/** What {@link revokeTokens} would revoke. */
export async function countTokens(
  db: Db,
  workspaceId: WorkspaceId,
  selection: Selection,
  now: Date,
): Promise<{ readonly count: number; readonly ids: readonly TokenId[] }> {
  const isMeant = and(selected(workspaceId, selection), isOfUse(now));
  const where = and(eq(tokens.workspaceId, workspaceId), isNull(tokens.revokedAt), isMeant);
  const [total] = await db.select({ count: sql<string>`count(*)` }).from(tokens).where(where);
  const rows = await db.select({ id: tokens.id }).from(tokens).where(where).orderBy(tokens.id).limit(SHOWN_IDS);
  return { count: Number(total?.count ?? 0), ids: rows.map((row) => row.id) };
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

function selected(workspaceId: WorkspaceId, selection: Selection): SQL | undefined {
  switch (selection.by) {
    case 'workflow':
      return eq(tokens.workflow, selection.workflow);
    case 'creator':
      return eq(tokens.creatorId, selection.creatorId);
    case 'lineage':
      // Whichever of its tokens names it: who panics has the id of the one that leaked.
      return sql`${tokens.lineageId} = (select named.lineage_id from ${tokens} named
        where named.workspace_id = ${workspaceId} and named.id = ${selection.lineageId})`;
    case 'issued_before':
      return lt(tokens.createdAt, selection.at);
    case 'workspace':
      return sql`true`;
  }
}
