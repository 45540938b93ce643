import { and, eq, isNull } from 'drizzle-orm';
import type { TokenId } from '../rules/format.js';
import { accept, type Result, refuse } from '../rules/refusal.js';
import { coversRole, type Role, roleScopes } from '../rules/role.js';
import type { ServiceScope } from '../rules/scope.js';
import type { Tx } from './database.js';
import { members, tokens, workflows, workspaces } from './schema.js';
import { type Issuer, lockWorkspace } from './workspace-lock.js';

/** A token that acts, and the role by which it was decided what it may do. */
export interface Actor extends Issuer {
  readonly role: Role;
}

const ENDED = refuse({ kind: 'unauthenticated', hasCredentials: true });

/** Locks the workspace, and gives the role that the caller has behind that lock: for an act that is decided there. Neither the
 *  role nor the token can be taken away before the transaction ends. Refuses who was ended since the request arrived, and whose
 *  role has no such scope any more. */
export async function lockForAct(
  tx: Tx,
  caller: Issuer,
  purpose: 'issue' | 'end',
  scope: ServiceScope,
): Promise<Result<Role>> {
  await lockWorkspace(tx, caller.workspaceId, purpose);
  const role = await roleOf(tx, caller);
  if (role === undefined) return ENDED;
  return roleScopes(role).includes(scope) ? accept(role) : refuse({ kind: 'insufficient_scope', scope });
}

/** Locks the workspace for an act that was decided before, by the role that the caller had when it was looked up: which things
 *  it sees, whose they may be, what it hands on. Neither can be taken away before the transaction ends. Refuses who was ended
 *  since, and whose role is a lesser one by now, though it might allow the same. `target` is the token that the act is about. */
export async function lockAsDecided(
  tx: Tx,
  actor: Actor,
  purpose: 'issue' | 'end',
  target?: TokenId,
): Promise<Result<undefined>> {
  await lockWorkspace(tx, actor.workspaceId, purpose);
  const role = await roleOf(tx, actor, target === actor.tokenId);
  if (role === undefined) return ENDED;
  if (coversRole(role, actor.role)) return accept(undefined);
  return refuse({ kind: 'not_allowed', detail: `your role is ${role} since this was asked` });
}

/** Locks for issuing something on the word of a token, and tells whether it is still good for it: one that was revoked or frozen
 *  since it was looked up must not leave another behind. */
export async function lockForIssue(tx: Tx, caller: Issuer): Promise<boolean> {
  await lockWorkspace(tx, caller.workspaceId, 'issue');
  return (await roleOf(tx, caller)) !== undefined;
}

/** The role behind a token that is neither revoked nor frozen, nor its maker's who is not active, nor of a workflow that is
 *  paused or a workspace that is suspended; the workspace is locked already. It cannot be revoked before the transaction ends.
 *  When that changes the token itself, it `isChanged`: who held it together with others first would wait for them in a circle. */
export async function roleOf(tx: Tx, caller: Issuer, isChanged = false): Promise<Role | undefined> {
  const [row] = await tx
    .select({ role: members.role })
    .from(tokens)
    .innerJoin(workspaces, eq(workspaces.id, tokens.workspaceId))
    .innerJoin(workflows, and(eq(workflows.workspaceId, tokens.workspaceId), eq(workflows.label, tokens.workflow)))
    .innerJoin(members, and(eq(members.workspaceId, tokens.workspaceId), eq(members.id, tokens.creatorId)))
    .where(
      and(
        eq(tokens.workspaceId, caller.workspaceId),
        eq(tokens.id, caller.tokenId),
        isNull(tokens.revokedAt),
        isNull(tokens.frozenAt),
        isNull(workspaces.suspendedAt),
        isNull(workflows.pausedAt),
        eq(members.status, 'active'),
      ),
    )
    .for(isChanged ? 'update' : 'share', { of: tokens });
  return row?.role;
}
