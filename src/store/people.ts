import { and, eq } from 'drizzle-orm';
import type { MemberId, WorkspaceId } from '../rules/format.js';
import type { Db, Tx } from './database.js';
import { members, workspaces } from './schema.js';
import type { SignedIn } from './sessions.js';

/** Somebody who may act: an active member of a workspace that is not suspended. */
export type Person = Pick<SignedIn, 'member' | 'workspace'>;

/** The person behind a member's id; `undefined` when nobody may act as that member. */
export async function findPerson(db: Db | Tx, workspaceId: WorkspaceId, id: MemberId): Promise<Person | undefined> {
  const [row] = await db
    .select({
      member: { id: members.id, email: members.email, name: members.name, role: members.role, status: members.status },
      workspace: { id: workspaces.id, slug: workspaces.slug, suspendedAt: workspaces.suspendedAt },
    })
    .from(members)
    .innerJoin(workspaces, eq(workspaces.id, members.workspaceId))
    .where(and(eq(members.workspaceId, workspaceId), eq(members.id, id)));
  return row?.member.status === 'active' && row.workspace.suspendedAt === null ? row : undefined;
}
