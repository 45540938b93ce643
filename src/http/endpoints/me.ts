import { printId } from '../../rules/format.js';
import { accept, refuse } from '../../rules/refusal.js';
import { mayUse, roleScopes } from '../../rules/role.js';
import { findMember } from '../../store/members.js';
import { findToken } from '../../store/tokens.js';
import { meOperation } from '../../wire/members.js';
import { endpoint } from '../endpoint.js';
import { presentMember, presentToken } from '../present.js';

export const meRoute = endpoint(meOperation, async (deps, { caller, now }) => {
  const member = await findMember(deps.db, caller.workspaceId, caller.creatorId);
  const view = await findToken(deps.db, caller.workspaceId, caller.id, now);
  if (member === undefined || view === undefined) return refuse({ kind: 'not_found' });
  return accept({
    status: 200,
    body: {
      ...presentMember(member),
      workspace: { id: printId('ws', caller.workspaceId), slug: caller.workspaceSlug },
      permissions: roleScopes(caller.creatorRole).filter((scope) => mayUse(caller.creatorRole, caller.scopes, scope)),
      token: presentToken(view),
    },
  });
});
