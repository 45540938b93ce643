import { printId } from '../rules/format.js';
import { type Grantor, mayProvision } from '../rules/grant.js';
import { accept, type Result, refuse } from '../rules/refusal.js';
import { mayChangeRole, mayManage, type Role } from '../rules/role.js';
import { foldCase } from '../rules/scim-user.js';
import { roleOf } from './authority.js';
import { sqlState } from './connect.js';
import { type Db, inTransaction, type Tx } from './database.js';
import { type AuditAction, type Origin, recordEvents } from './events.js';
import { applyLeaverRules } from './leavers.js';
import {
  type Change,
  changeMember,
  insertMember,
  isLastOwner,
  lastOwner,
  type MemberRow,
  notAllowed,
  recordChange,
  suspend,
  updateMember,
} from './members.js';
import { isSuspendedByHand } from './suspensions.js';
import { type Issuer, lockWorkspace } from './workspace-lock.js';

/** A person as an identity provider brings it in. */
export interface NewPerson {
  readonly email: string;
  readonly externalId: string | null;
  readonly name: string | null;
  readonly role: Role;
  readonly isActive: boolean;
}

/** What a provider asks of a person. What is `undefined` stays as it is. */
export interface PersonChange {
  readonly email?: string | undefined;
  readonly externalId?: string | null | undefined;
  readonly name?: string | null | undefined;
  readonly role?: Role | undefined;
  readonly isActive?: boolean | undefined;
}

// PostgreSQL's unique_violation.
const TAKEN = '23505';

/** Puts a person into the workspace who is active at once, since the provider knows them. A removed person who comes again is
 *  another member: nothing revives. Refuses `member_exists` for an address, or a provider's id, that is a member's. */
export function provisionMember(
  db: Db,
  person: NewPerson,
  by: { readonly issuer: Issuer; readonly grantor: Grantor; readonly origin: Origin },
  now: Date,
): Promise<Result<MemberRow>> {
  const { workspaceId } = by.issuer;
  return inTransaction(db, async (tx) => {
    await lockWorkspace(tx, workspaceId, 'issue');
    const role = await roleOf(tx, by.issuer);
    if (role === undefined) return refuse({ kind: 'unauthenticated', hasCredentials: true });
    if (!mayProvision({ ...by.grantor, role }, person.role)) return notToGive(person.role);
    const { isActive, ...draft } = person;
    const status = isActive ? 'active' : 'suspended';
    const member = await insertMember(tx, { ...draft, workspaceId, status }, now);
    if (member === undefined) return taken();
    const data = { email: person.email, role: person.role, external_id: person.externalId, active: isActive };
    const event = { action: 'member.provisioned', target: printId('mem', member.id), data } as const;
    await recordEvents(tx, workspaceId, by.origin, [event], now);
    return accept(member);
  });
}

/** Makes of a person what the provider says, all of it or nothing. `plan` says what that is, of the person as it stands behind
 *  the lock. Again changes nothing. */
export async function changePerson(
  db: Db,
  change: Change,
  grantor: Grantor,
  plan: (member: MemberRow) => Result<PersonChange>,
): Promise<Result<MemberRow>> {
  try {
    return await changeMember(db, change, async (tx, member, role) => {
      const asked = plan(member);
      if (!asked.ok) return asked;
      const allowed = await permitted(tx, member, asked.value, { ...grantor, role });
      return allowed.ok ? accept(await carryOut(tx, change, member, allowed.value)) : allowed;
    });
  } catch (error) {
    if (sqlState(error) === TAKEN) return taken();
    throw error;
  }
}

/** What of a change may be made; refuses before anything is written. */
async function permitted(
  tx: Tx,
  member: MemberRow,
  asked: PersonChange,
  grantor: Grantor,
): Promise<Result<PersonChange>> {
  if (!mayManage(grantor.role, member.role)) return notAllowed(`a member of the role ${member.role}`);
  const role = asked.role ?? member.role;
  if (role !== member.role) {
    if (!mayChangeRole(grantor.role, member.role, role)) {
      return notAllowed(`a member's role from ${member.role} to ${role}`);
    }
    if (!mayProvision(grantor, role)) return notToGive(role);
  }
  const isEnded = asked.isActive === false || role !== 'owner';
  if (member.role === 'owner' && isEnded && (await isLastOwner(tx, member))) return lastOwner();
  // Letter case does not tell addresses apart.
  const isSameAddress = asked.email === undefined || foldCase(asked.email) === foldCase(member.email);
  if (isSameAddress || mayProvision(grantor, member.role)) return accept(asked);
  // Whoever has the address can sign in as the person. But an account that is renamed as it is closed has to be closed.
  if (asked.isActive === false) return accept({ ...asked, email: undefined });
  const detail = `the calling token may not give another address to a member of the role ${member.role}`;
  return refuse({ kind: 'not_allowed', detail });
}

type News = readonly [isNew: boolean, action: AuditAction, data: Record<string, unknown>];

async function carryOut(tx: Tx, change: Change, member: MemberRow, asked: PersonChange): Promise<MemberRow> {
  let row = member;
  if (asked.isActive === false) row = await suspend(tx, change, row, 'left');
  if (asked.isActive === true) row = await comeBack(tx, change, row);
  const { email = row.email, externalId = row.externalId, name = row.name, role = row.role } = asked;
  const facts: readonly News[] = [
    [email !== row.email, 'member.email_changed', { from: row.email, to: email }],
    [externalId !== row.externalId, 'member.external_id_changed', { external_id: externalId }],
    [name !== row.name, 'member.renamed', { name }],
    [role !== row.role, 'member.role_changed', { from: row.role, to: role }],
  ];
  const news = facts.filter(([isNew]) => isNew);
  if (news.length === 0) return row;
  row = await updateMember(tx, row, { email, externalId, name, role });
  for (const [, action, data] of news) await recordChange(tx, change, action, data);
  return row;
}

/** Lets a person be active again whom the provider took out, or who was only invited. Whom somebody suspended by hand stays
 *  so: a provider says `active` with every change of a profile. What ended stays ended. */
async function comeBack(tx: Tx, change: Change, member: MemberRow): Promise<MemberRow> {
  if (member.status === 'active' || (await isSuspendedByHand(tx, member))) return member;
  // Nothing is good again: neither the invitation, nor what a suspension only held back.
  await applyLeaverRules(tx, {
    workspaceId: member.workspaceId,
    memberId: member.id,
    departure: 'left',
    origin: change.origin,
    now: change.now,
  });
  const row = await updateMember(tx, member, { status: 'active' });
  if (member.status === 'invited') await recordChange(tx, change, 'member.accepted', { role: member.role });
  else await recordChange(tx, change, 'member.reactivated', {});
  return row;
}

function taken() {
  const detail = 'the e-mail address, or the externalId, is a member’s already';
  return refuse({ kind: 'conflict', code: 'member_exists', detail });
}

function notToGive(role: Role) {
  const detail = `the calling token may not hand on what the role ${role} may do`;
  return refuse({ kind: 'not_allowed', detail });
}
