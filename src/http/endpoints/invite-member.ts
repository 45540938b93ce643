import { printId } from '../../rules/format.js';
import { mayHandOnRole } from '../../rules/grant.js';
import { accept, refuse } from '../../rules/refusal.js';
import { mayGrantRole } from '../../rules/role.js';
import { isGuardedRole } from '../../rules/step-up.js';
import { inviteMember } from '../../store/invitations.js';
import { inviteMemberOperation } from '../../wire/members.js';
import { endpoint, originOf } from '../endpoint.js';
import { presentMember } from '../present.js';
import { requireStepUp } from '../step-up.js';
import { grantorOf } from '../visible.js';

/** Invites a person into a role that is the caller's to give, by its own role and by its token. */
export const inviteMemberRoute = endpoint(inviteMemberOperation, async (deps, call) => {
  const { caller, body, now } = call;
  if (!mayGrantRole(caller.creatorRole, body.role)) {
    return refuse({
      kind: 'not_allowed',
      detail: `the role ${caller.creatorRole} may not invite into the role ${body.role}`,
    });
  }
  if (!mayHandOnRole(grantorOf(caller), body.role)) {
    return refuse({
      kind: 'not_allowed',
      detail: `the calling token may not hand on what the role ${body.role} may do`,
    });
  }
  if (isGuardedRole(body.role)) {
    const confirmed = await requireStepUp(deps, caller, call, `invite ${body.email} as ${body.role}`);
    if (!confirmed.ok) return confirmed;
  }
  const invited = await inviteMember(deps.db, deps.secrets, {
    email: body.email,
    name: body.name ?? null,
    role: body.role,
    issuer: { workspaceId: caller.workspaceId, tokenId: caller.id },
    origin: originOf(caller, call),
    now,
  });
  if (!invited.ok) return invited;
  const { member, printed } = invited.value;
  const headers = { location: `/v1/members/${printId('mem', member.id)}` };
  return accept({ status: 201, headers, body: { ...presentMember(member), invitation: printed } });
});
