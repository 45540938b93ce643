import { accept, refuse } from '../../rules/refusal.js';
import type { TokenFacts } from '../../rules/token.js';
import { enterWorkspace } from '../../store/invitations.js';
import { acceptInvitationOperation } from '../../wire/members.js';
import { presented } from '../authenticate.js';
import { endpoint, placeOf } from '../endpoint.js';
import { presentMember } from '../present.js';

/** Accepts an invitation, which is the Bearer token: the only thing that an invitation is good for. */
export const acceptInvitationRoute = endpoint(acceptInvitationOperation, async (deps, call) => {
  const invitation = await presented(deps, call);
  if (!invitation.ok) return invitation;
  if (!isOpen(invitation.value.facts, call.now)) return refuse({ kind: 'unauthenticated', hasCredentials: true });
  const entered = await enterWorkspace(deps.db, deps.secrets, invitation.value.facts, placeOf(call), call.now);
  if (!entered.ok) return entered;
  const { member, printed } = entered.value;
  return accept({ status: 201, body: { ...presentMember(member), token: printed } });
});

function isOpen(token: TokenFacts, now: Date): boolean {
  if (token.kind !== 'invitation') return false;
  if (token.isRevoked || token.isWorkspaceSuspended || now >= token.expiresAt) return false;
  return token.creatorStatus === 'invited';
}
