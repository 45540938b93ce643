import { and, eq, isNull, lt, type SQL, sql } from 'drizzle-orm';
import type { MemberId, TokenId, WorkspaceId } from '../rules/format.js';
import { accept, type Result } from '../rules/refusal.js';
import { type Actor, lockAsDecided } from './authority.js';
import { type Db, inTransaction } from './database.js';
import { isOfUse } from './of-use.js';
import { type Cause, revokeWhere } from './revocations.js';
import { sessions, tokens } from './schema.js';
import { endSessions } from './sessions.js';

/** Which tokens are meant, in one workspace. */
export type Selection =
  | { readonly by: 'workflow'; readonly workflow: string }
  | { readonly by: 'creator'; readonly creatorId: MemberId }
  | { readonly by: 'lineage'; readonly lineageId: TokenId }
  | { readonly by: 'issued_before'; readonly at: Date }
  | { readonly by: 'workspace' };

/** How many tokens, and the first of them. */
export interface Revoked {
  readonly count: number;
  readonly ids: readonly TokenId[];
}

const SHOWN_IDS = 200;

/** Revokes all that are meant and of any use, in one transaction, and ends the sessions in which the same people could make
 *  others. Gives how many tokens, and the first 200, oldest first. */
export function revokeTokens(
  db: Db,
  actor: Actor,
  selection: Selection,
  cause: Cause,
  now: Date,
): Promise<Result<Revoked>> {
  const { workspaceId } = actor;
  return inTransaction(db, async (tx) => {
    const allowed = await lockAsDecided(tx, actor, 'end');
    if (!allowed.ok) return allowed;
    const ids = await revokeWhere(tx, workspaceId, and(selected(workspaceId, selection), isOfUse(now)), cause, now);
    const signedIn = sessionsOf(selection);
    if (signedIn) await endSessions(tx, workspaceId, signedIn, cause.origin, now);
    return accept({ count: ids.length, ids: ids.slice(0, SHOWN_IDS) });
  });
}

/** What {@link revokeTokens} would revoke. */
export async function countTokens(db: Db, workspaceId: WorkspaceId, selection: Selection, now: Date): Promise<Revoked> {
  const isMeant = and(selected(workspaceId, selection), isOfUse(now));
  const where = and(eq(tokens.workspaceId, workspaceId), isNull(tokens.revokedAt), isMeant);
  const [total] = await db.select({ count: sql<string>`count(*)` }).from(tokens).where(where);
  const rows = await db.select({ id: tokens.id }).from(tokens).where(where).orderBy(tokens.id).limit(SHOWN_IDS);
  return { count: Number(total?.count ?? 0), ids: rows.map((row) => row.id) };
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

/** The sessions that go with a selection of people's tokens: who has a leaked cookie would only approve another device in
 *  it. A workflow and a lineage say nothing of people. */
function sessionsOf(selection: Selection): SQL | undefined {
  switch (selection.by) {
    case 'creator':
      return eq(sessions.memberId, selection.creatorId);
    case 'issued_before':
      return lt(sessions.createdAt, selection.at);
    case 'workspace':
      return sql`true`;
    case 'workflow':
    case 'lineage':
      return undefined;
  }
}
