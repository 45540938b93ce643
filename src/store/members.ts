import { and, asc, count, eq, gt, isNull, ne, sql } from 'drizzle-orm';
import type { Departure } from '../rules/departure.js';
import { type MemberId, newId, printId, type TokenId, type WorkspaceId } from '../rules/format.js';
import { accept, type Result, refuse } from '../rules/refusal.js';
import { mayChangeRole, mayManage, type Role } from '../rules/role.js';
import { roleOf } from './authority.js';
import { type Db, inTransaction, type Tx } from './database.js';
import { type AuditAction, type Origin, recordEvents } from './events.js';
import { applyLeaverRules, type Leaving } from './leavers.js';
import { notifyChange } from './notifications.js';
import { members, tokens } from './schema.js';
import { isSuspendedByHand } from './suspensions.js';
import { type Issuer, lockWorkspace } from './workspace-lock.js';

export type MemberRow = typeof members.$inferSelect;

/** Which member is changed, and with which token. */
export interface Change {
  readonly workspaceId: WorkspaceId;
  readonly id: MemberId;
  readonly caller: Issuer;
  readonly origin: Origin;
  readonly now: Date;
}

/** Whose invitation may have lapsed, and who wants to know. */
interface Lapsed {
  readonly workspaceId: WorkspaceId;
  readonly email: string;
  readonly by: Role;
  readonly origin: Origin;
}

/** One person, removed or not. */
export async function findMember(db: Db | Tx, workspaceId: WorkspaceId, id: MemberId): Promise<MemberRow | undefined> {
  const [row] = await db.select().from(members).where(idIs(workspaceId, id));
  return row;
}

/** The person behind an e-mail address; removed ones have none. Letter case does not tell people apart. */
export async function findMemberByEmail(
  db: Db | Tx,
  workspaceId: WorkspaceId,
  email: string,
): Promise<MemberRow | undefined> {
  const [row] = await db
    .select()
    .from(members)
    .where(and(eq(members.workspaceId, workspaceId), sql`lower(${members.email}) = lower(${email})`, isPresent));
  return row;
}

/** The people of a workspace, oldest first, without those removed. `after` is exclusive. */
export function listMembers(
  db: Db,
  workspaceId: WorkspaceId,
  query: { readonly limit: number; readonly after: MemberId | undefined },
): Promise<MemberRow[]> {
  return db
    .select()
    .from(members)
    .where(and(eq(members.workspaceId, workspaceId), isPresent, query.after && gt(members.id, query.after)))
    .orderBy(asc(members.id))
    .limit(query.limit);
}

/** Puts a person into the workspace, within a transaction. Gives `undefined` when the e-mail address, or the
 *  provider's id, is a member's. */
export async function insertMember(
  tx: Tx,
  draft: Pick<MemberRow, 'workspaceId' | 'email' | 'name' | 'role' | 'status'> & Partial<Pick<MemberRow, 'externalId'>>,
  now: Date,
): Promise<MemberRow | undefined> {
  const [row] = await tx
    .insert(members)
    .values({ ...draft, id: newId('mem', now), createdAt: now })
    .onConflictDoNothing()
    .returning();
  return row;
}

/** Gives a member another role. Refuses roles that are not the caller's to give, and to leave the workspace without an
 *  active owner. */
export function setRole(db: Db, change: Change, role: Role): Promise<Result<MemberRow>> {
  return changeMember(db, change, async (tx, member, by) => {
    if (!mayChangeRole(by, member.role, role)) return notAllowed(`a member's role from ${member.role} to ${role}`);
    if (member.role === role) return accept(member);
    if (member.role === 'owner' && (await isLastOwner(tx, member))) return lastOwner();
    const row = await updateMember(tx, member, { role });
    await recordChange(tx, change, 'member.role_changed', { from: member.role, to: role });
    return accept(row);
  });
}

/** Gives a member another name. */
export function setName(db: Db, change: Change, name: string): Promise<Result<MemberRow>> {
  return changeMember(db, change, async (tx, member, by) => {
    if (!mayManage(by, member.role)) return notAllowed(`the name of a member of the role ${member.role}`);
    if (member.name === name) return accept(member);
    const row = await updateMember(tx, member, { name });
    await recordChange(tx, change, 'member.renamed', { name });
    return accept(row);
  });
}

/** Makes all tokens of a person inactive at once, ends the person's sessions, and does what the workflows say about
 *  leavers. `left` is for who has left, as a sign from outside tells: nothing is then good again when the person comes back.
 *  Again changes nothing, but that `left` goes beyond a suspension, and that one by hand lasts whatever a provider says. */
export function suspendMember(db: Db, change: Change, as: 'suspended' | 'left'): Promise<Result<MemberRow>> {
  return changeMember(db, change, async (tx, member, by) => {
    if (!mayManage(by, member.role)) return notAllowed(`a member of the role ${member.role}`);
    if (member.status === 'suspended' && as === 'suspended') {
      // On record also for one whom a provider took out: from now on its word does not bring the person back.
      if (!(await isSuspendedByHand(tx, member))) await recordChange(tx, change, 'member.suspended', {});
      return accept(member);
    }
    if (member.status === 'invited')
      return wrongState('the invitation was not accepted yet; remove the member instead');
    if (member.role === 'owner' && (await isLastOwner(tx, member))) return lastOwner();
    return accept(await suspend(tx, change, member, as));
  });
}

/** Suspends a person within a transaction that has seen to it that this is allowed. Somebody who is invited only cannot
 *  accept any more when `left`. */
export async function suspend(tx: Tx, change: Change, member: MemberRow, as: 'suspended' | 'left'): Promise<MemberRow> {
  const row = await updateMember(tx, member, { status: 'suspended' });
  await notifyChange(tx, change.workspaceId);
  const ended = await applyLeaverRules(tx, leaving(change, as));
  const isNews = member.status !== 'suspended' || ended > 0;
  if (isNews) await recordChange(tx, change, 'member.suspended', as === 'left' ? { left: true } : {});
  return row;
}

/** Lets the tokens of a suspended person be active again, those that did not end meanwhile and were not frozen. */
export function reactivateMember(db: Db, change: Change): Promise<Result<MemberRow>> {
  return changeMember(db, change, async (tx, member, by) => {
    if (!mayManage(by, member.role)) return notAllowed(`a member of the role ${member.role}`);
    if (member.status === 'active') return accept(member);
    if (member.status === 'invited') return wrongState('the invitation was not accepted yet');
    const row = await updateMember(tx, member, { status: 'active' });
    await recordChange(tx, change, 'member.reactivated', {});
    return accept(row);
  });
}

/** Removes a person, ends the person's sessions and revokes all tokens that the person made, for good. */
export function removeMember(db: Db, change: Change): Promise<Result<MemberRow>> {
  return changeMember(db, change, async (tx, member, by) => {
    if (!mayManage(by, member.role)) return notAllowed(`a member of the role ${member.role}`);
    if (member.role === 'owner' && (await isLastOwner(tx, member))) return lastOwner();
    const row = await updateMember(tx, member, { status: 'removed' });
    await notifyChange(tx, change.workspaceId);
    await applyLeaverRules(tx, leaving(change, 'removed'));
    await recordChange(tx, change, 'member.removed', { email: member.email });
    return accept(row);
  });
}

/** Takes an invited person off the list, within a transaction, when no invitation of theirs can be accepted any more and
 *  `by` may remove them. Gives whether it did: then the address is free to be invited again. */
export async function removeLapsed(tx: Tx, { workspaceId, email, by, origin }: Lapsed, now: Date): Promise<boolean> {
  const member = await findMemberByEmail(tx, workspaceId, email);
  if (member?.status !== 'invited' || !mayManage(by, member.role)) return false;
  const invitations = await tx
    .select({ revokedAt: tokens.revokedAt, expiresAt: tokens.expiresAt })
    .from(tokens)
    .where(and(eq(tokens.workspaceId, workspaceId), eq(tokens.creatorId, member.id)))
    .for('update');
  if (invitations.some(({ revokedAt, expiresAt }) => revokedAt === null && now < expiresAt)) return false;
  // Whoever accepted or removed it meanwhile was first.
  const removed = await tx
    .update(members)
    .set({ status: 'removed' })
    .where(and(idIs(workspaceId, member.id), eq(members.status, 'invited')))
    .returning({ id: members.id });
  if (removed.length === 0) return false;
  const event = { action: 'member.removed', target: printId('mem', member.id), data: { email: member.email } } as const;
  await recordEvents(tx, workspaceId, origin, [event], now);
  return true;
}

/** Makes an invited person a member, within a transaction, and ends the invitation. Gives `undefined` when another
 *  request was first, or revoked the invitation. */
export async function acceptInvitation(
  tx: Tx,
  workspaceId: WorkspaceId,
  id: MemberId,
  invitationId: TokenId,
  now: Date,
): Promise<MemberRow | undefined> {
  const [used] = await tx
    .update(tokens)
    .set({ revokedAt: now, revokedBy: printId('mem', id), revokedReason: 'other', firstUsedAt: now })
    .where(and(eq(tokens.workspaceId, workspaceId), eq(tokens.id, invitationId), isNull(tokens.revokedAt)))
    .returning({ id: tokens.id });
  if (used === undefined) return undefined;
  const [row] = await tx
    .update(members)
    .set({ status: 'active' })
    .where(and(idIs(workspaceId, id), eq(members.status, 'invited')))
    .returning();
  if (row === undefined) throw new Error('an open invitation without an invited member');
  return row;
}

/** Locks the workspace first, so that two owners cannot end each other at the same moment and no token is issued past
 *  its maker's end, then the member. `by` is the role that the caller has behind that lock: one who was demoted or ended
 *  since the request arrived acts no more. */
export function changeMember(
  db: Db,
  change: Change,
  act: (tx: Tx, member: MemberRow, by: Role) => Promise<Result<MemberRow>>,
): Promise<Result<MemberRow>> {
  return inTransaction(db, async (tx) => {
    await lockWorkspace(tx, change.workspaceId, 'end');
    const by = await roleOf(tx, change.caller);
    if (by === undefined) return refuse({ kind: 'unauthenticated', hasCredentials: true });
    const [member] = await tx.select().from(members).where(idIs(change.workspaceId, change.id)).for('update');
    if (member === undefined || member.status === 'removed') return refuse({ kind: 'not_found' });
    return act(tx, member, by);
  });
}

/** Whether a workspace would be without an active owner if this one were none, within a transaction that holds its lock. */
export async function isLastOwner(tx: Tx, member: MemberRow): Promise<boolean> {
  if (member.status !== 'active') return false;
  const [others] = await tx
    .select({ count: count() })
    .from(members)
    .where(
      and(
        eq(members.workspaceId, member.workspaceId),
        ne(members.id, member.id),
        isOwner,
        eq(members.status, 'active'),
      ),
    );
  return (others?.count ?? 0) === 0;
}

function leaving({ workspaceId, id, origin, now }: Change, departure: Departure): Leaving {
  return { workspaceId, memberId: id, departure, origin, now };
}

/** Writes columns of a person, within a transaction that holds the row. */
export async function updateMember(tx: Tx, member: MemberRow, set: Partial<MemberRow>): Promise<MemberRow> {
  const [row] = await tx.update(members).set(set).where(idIs(member.workspaceId, member.id)).returning();
  if (row === undefined) throw new Error('a member went away');
  return row;
}

/** Puts on record what was done to a person. */
export function recordChange(
  tx: Tx,
  change: Change,
  action: AuditAction,
  data: Record<string, unknown>,
): Promise<void> {
  const event = { action, target: printId('mem', change.id), data };
  return recordEvents(tx, change.workspaceId, change.origin, [event], change.now);
}

// Written out, as the indexes of them are: a value beside the statement would not be known to be theirs.
export const isPresent = sql`${members.status} <> 'removed'`;
const isOwner = sql`${members.role} = 'owner'`;

function idIs(workspaceId: WorkspaceId, id: MemberId) {
  return and(eq(members.workspaceId, workspaceId), eq(members.id, id));
}

/** Refuses a change that is not the caller's to make. */
export function notAllowed(what: string) {
  return refuse({ kind: 'not_allowed', detail: `your role may not change ${what}` });
}

function wrongState(detail: string) {
  return refuse({ kind: 'conflict', code: 'member_state', detail });
}

/** Refuses to leave a workspace without an active owner. */
export function lastOwner() {
  return refuse({ kind: 'conflict', code: 'last_owner', detail: 'a workspace needs at least one active owner' });
}
