import { and, eq, sql } from 'drizzle-orm';
import type { Constraints } from '../rules/constraint.js';
import type { WorkspaceId } from '../rules/format.js';
import type { WorkspacePolicy } from '../rules/workspace-policy.js';
import type { Db, Tx } from './database.js';
import { workflows, workspaces } from './schema.js';

const isBlockingPolicy = sql`${workspaces.policy}->>'enforcement' = 'block'`;

/** The policy of a joined workspace where it blocks: no row carries one that does not. */
export const blockingPolicy = sql<WorkspacePolicy | null>`case when ${isBlockingPolicy} then ${workspaces.policy} end`;

/** The constraints of a joined workflow, for the policy of its workspace where that blocks. */
export const policedConstraints = sql<Constraints | null>`case when ${isBlockingPolicy} then ${workflows.constraints} end`;

/** Whether the policy of a workspace blocks. */
export async function isBlocking(db: Db | Tx, workspaceId: WorkspaceId): Promise<boolean> {
  const [row] = await db
    .select({ id: workspaces.id })
    .from(workspaces)
    .where(and(eq(workspaces.id, workspaceId), isBlockingPolicy));
  return row !== undefined;
}
