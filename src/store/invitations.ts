import { newId, printId } from '../rules/format.js';
import { addSeconds, INVITATION_HOURS } from '../rules/lifetime.js';
import { accept, type Result, refuse } from '../rules/refusal.js';
import { mayGrantRole, type Role, signInScopes } from '../rules/role.js';
import type { TokenFacts } from '../rules/token.js';
import { SERVICE_WORKFLOW } from '../rules/workflow.js';
import { lockForAct } from './authority.js';
import { type Db, inTransaction } from './database.js';
import { type Origin, recordEvents } from './events.js';
import { acceptInvitation, insertMember, type MemberRow, removeLapsed } from './members.js';
import { drawSecret, insertToken } from './mint.js';
import type { Secrets } from './secret.js';
import { type Issuer, lockWorkspace } from './workspace-lock.js';
import { insertSignIn } from './workspaces.js';

export interface Invitation {
  readonly email: string;
  readonly name: string | null;
  readonly role: Role;
  readonly issuer: Issuer;
  readonly origin: Origin;
  readonly now: Date;
}

/** A member and the printed token that was made for it, which is a secret. */
export interface Entrant {
  readonly member: MemberRow;
  readonly printed: string;
}

/** Puts a person on the list and makes an invitation of 72 hours, good for nothing but to accept it, once. A person whose
 *  own lapsed is taken off the list first: they become another member. */
export async function inviteMember(db: Db, secrets: Secrets, invitation: Invitation): Promise<Result<Entrant>> {
  const { email, name, role, issuer, origin, now } = invitation;
  const { workspaceId } = issuer;
  const minted = await drawSecret(secrets, newId('tok', now));
  return inTransaction(db, async (tx) => {
    const by = await lockForAct(tx, issuer, 'issue', 'members:write');
    if (!by.ok) return by;
    if (!mayGrantRole(by.value, role)) {
      return refuse({ kind: 'not_allowed', detail: `the role ${by.value} may not invite into the role ${role}` });
    }
    const draft = { workspaceId, email, name, role, status: 'invited' } as const;
    const isFree = async () => removeLapsed(tx, { workspaceId, email, by: by.value, origin }, now);
    const member =
      (await insertMember(tx, draft, now)) ?? ((await isFree()) ? await insertMember(tx, draft, now) : undefined);
    if (member === undefined) {
      return refuse({ kind: 'conflict', code: 'member_exists', detail: 'this e-mail address is a member already' });
    }
    await insertToken(
      tx,
      minted,
      {
        workspaceId,
        kind: 'invitation',
        workflow: SERVICE_WORKFLOW,
        creatorId: member.id,
        ownerId: member.id,
        name: 'invitation',
        scopes: signInScopes(role),
        constraints: {},
        notBefore: null,
        expiresAt: addSeconds(now, INVITATION_HOURS * 3600),
        expiresInDays: INVITATION_HOURS / 24,
        lineageId: minted.id,
        rotatedFrom: null,
      },
      now,
    );
    const event = { action: 'member.invited', target: printId('mem', member.id), data: { email, role } } as const;
    await recordEvents(tx, workspaceId, origin, [event], now);
    return accept({ member, printed: minted.printed });
  });
}

/** Makes the invited person a member and gives a token to sign in with. Of two at the same moment one wins; the
 *  invitation is used up. */
export async function enterWorkspace(
  db: Db,
  secrets: Secrets,
  invitation: TokenFacts,
  place: Pick<Origin, 'ip' | 'userAgent' | 'requestId'>,
  now: Date,
): Promise<Result<Entrant>> {
  const { workspaceId, creatorId } = invitation;
  const minted = await drawSecret(secrets, newId('tok', now));
  const origin: Origin = { actorType: 'member', actorId: printId('mem', creatorId), ...place };
  return inTransaction(db, async (tx) => {
    await lockWorkspace(tx, workspaceId, 'issue');
    const member = await acceptInvitation(tx, workspaceId, creatorId, invitation.id, now);
    if (member === undefined) return refuse({ kind: 'unauthenticated', hasCredentials: true });
    await insertSignIn(tx, member, minted, origin, now);
    const event = { action: 'member.accepted', target: origin.actorId, data: { role: member.role } } as const;
    await recordEvents(tx, workspaceId, origin, [event], now);
    return accept({ member, printed: minted.printed });
  });
}
