import { and, eq, gt } from 'drizzle-orm';
import { printId, type SessionId } from '../rules/format.js';
import type { Role } from '../rules/role.js';
import type { ProviderSettings, SignInFault } from '../rules/sign-in.js';
import { type Db, inTransaction, type Tx } from './database.js';
import { type AuditAction, type Origin, recordEvents } from './events.js';
import { findByIdentity, hasIdentity, type Identity, linkIdentity } from './identities.js';
import { findMemberByEmail, insertMember, isLastOwner, type MemberRow, removeLapsed } from './members.js';
import { isLoggedOut } from './provider-logouts.js';
import { revokeWhere } from './revocations.js';
import { members, tokens, workspaces } from './schema.js';
import type { Secrets } from './secret.js';
import { startSession } from './sessions.js';

/** What a provider has proven of somebody. */
export interface Person extends Identity {
  /** Verified, and of a domain that may sign in. */
  readonly address: string | undefined;
  readonly name: string | undefined;
  /** The session at the provider. OpenID Connect Back-Channel Logout 1.0 section 2.1. */
  readonly sid: string | undefined;
  /** When, by the provider's clock. */
  readonly provenAt: Date;
  /** What the claim of the mapping gives; `undefined` when it gives nothing. */
  readonly role: Role | undefined;
}

/** Somebody who wants to enter a workspace. */
export interface Entry {
  readonly person: Person;
  /** The workspace. */
  readonly slug: string;
  readonly settings: Pick<ProviderSettings, 'workspace' | 'roles'>;
  readonly place: Pick<Origin, 'ip' | 'userAgent' | 'requestId'>;
  readonly now: Date;
}

export type Entered =
  | { readonly ok: true; readonly session: { readonly id: SessionId; readonly printed: string } }
  | { readonly ok: false; readonly fault: SignInFault };

type Workspace = typeof workspaces.$inferSelect;
type Recognised = { readonly member: MemberRow } | { readonly fault: SignInFault };

/** Starts a session for somebody whom the provider has proven: a member known by identity, else by verified e-mail address,
 *  else, in the workspace of the configuration, a new one. One transaction, behind the lock that suspensions and removals
 *  take: nobody slips in while they are put out, nor on what the provider proved before it ended their session there. */
export function enterBySignIn(db: Db, secrets: Secrets, entry: Entry): Promise<Entered> {
  const { person, slug, now } = entry;
  return inTransaction(db, async (tx) => {
    if (await isLoggedOut(tx, person)) return refused('signed_out');
    const [workspace] = await tx.select().from(workspaces).where(eq(workspaces.slug, slug)).for('no key update');
    if (workspace === undefined || workspace.suspendedAt !== null) return refused('not_a_member');
    const recognised = await recognise(tx, workspace, entry);
    if ('fault' in recognised) return refused(recognised.fault);
    if (lacksRole(entry)) return refused('no_role');
    const member = await withRole(tx, recognised.member, entry);
    if (await linkIdentity(tx, member, { issuer: person.issuer, subject: person.subject }, now)) {
      await record(tx, member, entry, 'identity.linked', { issuer: person.issuer, subject: person.subject });
    }
    const { workspaceId, id: memberId } = member;
    const { issuer, subject, sid } = person;
    const draft = { workspaceId, memberId, method: 'oidc', issuer, subject, sid } as const;
    return { ok: true, session: await startSession(tx, secrets, draft, originOf(member, entry), now) };
  });
}

async function recognise(tx: Tx, workspace: Workspace, entry: Entry): Promise<Recognised> {
  const { person } = entry;
  const known = await findByIdentity(tx, workspace.id, person);
  if (known !== undefined) return known.status === 'active' ? { member: known } : { fault: 'not_active' };
  const named = person.address === undefined ? undefined : await findMemberByEmail(tx, workspace.id, person.address);
  if (named === undefined) return join(tx, workspace, entry);
  if (named.status === 'suspended') return { fault: 'not_active' };
  if (await hasIdentity(tx, workspace.id, named.id, person.issuer)) return { fault: 'address_taken' };
  if (named.status === 'active') return { member: named };
  if (lacksRole(entry)) return { fault: 'no_role' };
  const accepted = await acceptedBySignIn(tx, named, entry);
  if (accepted !== undefined) return { member: accepted };
  return workspace.slug === entry.settings.workspace ? join(tx, workspace, entry) : { fault: 'invitation_lapsed' };
}

/** Makes a member of somebody whom nobody invited, or whose invitation lapsed, where the configuration says so. */
async function join(tx: Tx, { id: workspaceId, slug }: Workspace, entry: Entry): Promise<Recognised> {
  const { person, settings, now } = entry;
  const email = person.address;
  if (slug !== settings.workspace) return { fault: 'not_a_member' };
  if (lacksRole(entry)) return { fault: 'no_role' };
  if (email === undefined) return { fault: 'unknown_person' };
  await removeLapsed(tx, { workspaceId, email, by: 'owner', origin: SIGN_IN }, now);
  const role = person.role ?? 'member';
  const draft = { workspaceId, email, name: person.name ?? null, role, status: 'active' } as const;
  const member = await insertMember(tx, draft, now);
  if (member === undefined) return { fault: 'address_taken' };
  await record(tx, member, entry, 'member.joined', { email, role, issuer: person.issuer });
  return { member };
}

/** Makes an invited person a member and ends the invitation; `undefined` when it cannot be accepted any more. */
async function acceptedBySignIn(tx: Tx, member: MemberRow, entry: Entry): Promise<MemberRow | undefined> {
  const { workspaceId, id } = member;
  const open = and(eq(tokens.creatorId, id), eq(tokens.kind, 'invitation'), gt(tokens.expiresAt, entry.now));
  const cause = { reason: 'other', note: 'accepted by signing in', origin: originOf(member, entry) } as const;
  const ended = await revokeWhere(tx, workspaceId, open, cause, entry.now);
  if (ended.length === 0) return undefined;
  const accepted = await changed(tx, member, { status: 'active' });
  await record(tx, accepted, entry, 'member.accepted', { role: accepted.role, issuer: entry.person.issuer });
  return accepted;
}

/** Lets the role follow the claim. A workspace keeps its last owner. */
async function withRole(tx: Tx, member: MemberRow, entry: Entry): Promise<MemberRow> {
  const { role } = entry.person;
  if (!rolesFollow(entry) || role === undefined || role === member.role) return member;
  if (member.role === 'owner' && (await isLastOwner(tx, member))) return member;
  const after = await changed(tx, member, { role });
  await record(tx, member, entry, 'member.role_changed', { from: member.role, to: role, issuer: entry.person.issuer });
  return after;
}

/** Whether the provider gives the roles in this workspace: where it brings people in, everywhere if that is nowhere. What
 *  the owners of another workspace gave is not the provider's to change. */
function rolesFollow({ settings, slug }: Entry): boolean {
  return settings.roles !== undefined && (settings.workspace === undefined || settings.workspace === slug);
}

/** Whether the provider should give a role here and gives none. Who is no member is not told: whether there is such a
 *  workspace is not theirs to know. */
function lacksRole(entry: Entry): boolean {
  return rolesFollow(entry) && entry.person.role === undefined;
}

async function changed(tx: Tx, member: MemberRow, set: Partial<MemberRow>): Promise<MemberRow> {
  const isIt = and(eq(members.workspaceId, member.workspaceId), eq(members.id, member.id));
  const [row] = await tx.update(members).set(set).where(isIt).returning();
  if (row === undefined) throw new Error('a member went away');
  return row;
}

function record(tx: Tx, member: MemberRow, entry: Entry, action: AuditAction, data: Record<string, unknown>) {
  const event = { action, target: printId('mem', member.id), data };
  return recordEvents(tx, member.workspaceId, originOf(member, entry), [event], entry.now);
}

function originOf(member: MemberRow, { place }: Entry): Origin {
  return { actorType: 'member', actorId: printId('mem', member.id), ...place };
}

const SIGN_IN: Origin = { actorType: 'system', actorId: 'sign-in' };

function refused(fault: SignInFault): Entered {
  return { ok: false, fault };
}
