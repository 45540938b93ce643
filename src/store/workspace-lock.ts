import { eq } from 'drizzle-orm';
import type { TokenId, WorkspaceId } from '../rules/format.js';
import type { Tx } from './database.js';
import { workspaces } from './schema.js';

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
