import { and, eq, sql } from 'drizzle-orm';
import type { TokenId, WorkspaceId } from '../rules/format.js';
import type { Tx } from './database.js';
import { members, tokens, workspaces } from './schema.js';

/** The token that asks for another to be issued. */
export interface Issuer {
  readonly workspaceId: WorkspaceId;
  readonly tokenId: TokenId;
}

/** Holds the workspace to the end of the transaction. Who issues tokens may do so beside others; who ends many at once,
 *  or changes who may act, waits for them and lets none begin: no token slips through a revocation that was confirmed. */
export async function lockWorkspace(tx: Tx, workspaceId: WorkspaceId, purpose: 'issue' | 'end'): Promise<void> {
  await tx
    .select({ id: workspaces.id })
    .from(workspaces)
    .where(eq(workspaces.id, workspaceId))
    .for(purpose === 'issue' ? 'share' : 'no key update');
}

/** Locks for issuing a token, and tells whether the calling token is still good for it: one that was revoked or frozen since
 *  it was looked up must not leave another behind. The caller cannot be so before the transaction ends, unless `isSelf`:
 *  then the transaction locks it itself. */
export async function lockForIssue(tx: Tx, caller: Issuer, isSelf: boolean): Promise<boolean> {
  await lockWorkspace(tx, caller.workspaceId, 'issue');
  const query = tx
    .select({
      isGood: sql<boolean>`${tokens.revokedAt} is null and ${tokens.frozenAt} is null
        and ${members.status} = 'active'`,
    })
    .from(tokens)
    .innerJoin(members, and(eq(members.workspaceId, tokens.workspaceId), eq(members.id, tokens.creatorId)))
    .where(and(eq(tokens.workspaceId, caller.workspaceId), eq(tokens.id, caller.tokenId)));
  const [row] = await (isSelf ? query : query.for('share', { of: tokens }));
  return row?.isGood === true;
}
