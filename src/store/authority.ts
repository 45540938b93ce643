import { accept, type Result, refuse } from '../rules/refusal.js';
import { type Role, roleScopes } from '../rules/role.js';
import type { ServiceScope } from '../rules/scope.js';
import type { Tx } from './database.js';
import { roleOf } from './members.js';
import { type Issuer, lockWorkspace } from './workspace-lock.js';

/** Locks the workspace, and gives the role that the caller has behind that lock. Neither the role nor the token can be taken
 *  away before the transaction ends. Refuses who was ended since the request arrived, and whose role has no such scope any
 *  more. */
export async function lockForAct(
  tx: Tx,
  caller: Issuer,
  purpose: 'issue' | 'end',
  scope: ServiceScope,
): Promise<Result<Role>> {
  await lockWorkspace(tx, caller.workspaceId, purpose);
  const role = await roleOf(tx, caller);
  if (role === undefined) return refuse({ kind: 'unauthenticated', hasCredentials: true });
  return roleScopes(role).includes(scope) ? accept(role) : refuse({ kind: 'insufficient_scope', scope });
}
