import { and, asc, eq, getTableColumns, gt, inArray, ne } from 'drizzle-orm';
import { type MemberId, newId, type PasskeyId, parsePublicId, printId, type WorkspaceId } from '../rules/format.js';
import { addSeconds } from '../rules/lifetime.js';
import { isCounterBack, LINK_SECONDS, MAX_PASSKEYS } from '../rules/passkey.js';
import { accept, type Result, refuse } from '../rules/refusal.js';
import type { Role } from '../rules/role.js';
import { STEP_UP_SECONDS } from '../rules/step-up.js';
import { type Actor, lockAsDecided, lockForIssue } from './authority.js';
import { type Db, inTransaction, type Tx } from './database.js';
import { type Origin, recordEvents } from './events.js';
import { findPerson, type Person } from './people.js';
import { members, passkeys, sessions, stepUps, tokens } from './schema.js';
import type { Secrets } from './secret.js';
import { takeOnce } from './seen.js';
import { endSessions, holdSession, type SignedIn, startSession } from './sessions.js';
import { type Issuer, lockWorkspace } from './workspace-lock.js';

export type PasskeyRow = typeof passkeys.$inferSelect;

/** A passkey to be. */
export type PasskeyDraft = Pick<
  PasskeyRow,
  'workspaceId' | 'memberId' | 'credentialId' | 'publicKey' | 'counter' | 'transports' | 'name'
>;

/** The link that a passkey is added by, and the public id of the token or session that asked for it: it is good once, until `expiresAt`. `isConfirmed`: somebody has confirmed that there
 *  be one more, so that it may come beside others. */
export interface PasskeyLink {
  readonly id: string;
  readonly via: string;
  readonly isConfirmed: boolean;
  readonly expiresAt: Date;
}

/** A proof of a passkey whose signature was verified, and what its authenticator has counted. */
export interface PasskeyProof {
  readonly workspaceId: WorkspaceId;
  readonly id: PasskeyId;
  readonly counter: number;
}

/** A person's passkeys, the oldest first. */
export function listPasskeys(db: Db | Tx, workspaceId: WorkspaceId, memberId: MemberId): Promise<PasskeyRow[]> {
  return db
    .select()
    .from(passkeys)
    .where(and(eq(passkeys.workspaceId, workspaceId), eq(passkeys.memberId, memberId)))
    .orderBy(asc(passkeys.id));
}

/** A passkey and whose it is. */
export interface PasskeyOfMember {
  readonly passkey: PasskeyRow;
  readonly member: { readonly id: MemberId; readonly email: string; readonly role: Role };
}

/** A passkey of a workspace, and its person's role. */
export async function findPasskey(
  db: Db,
  workspaceId: WorkspaceId,
  id: PasskeyId,
): Promise<PasskeyOfMember | undefined> {
  const [row] = await db
    .select({
      passkey: getTableColumns(passkeys),
      member: { id: members.id, email: members.email, role: members.role },
    })
    .from(passkeys)
    .innerJoin(members, and(eq(members.workspaceId, passkeys.workspaceId), eq(members.id, passkeys.memberId)))
    .where(and(eq(passkeys.workspaceId, workspaceId), eq(passkeys.id, id)));
  return row;
}

/** The passkey of a credential, in whichever workspace. */
export async function passkeyByCredential(db: Db, credentialId: string): Promise<PasskeyRow | undefined> {
  const [row] = await db.select().from(passkeys).where(eq(passkeys.credentialId, credentialId));
  return row;
}

/** Adds a passkey and uses up the link to do so. Of two that come by the same link one does. Refuses a credential that is
 *  somebody's already, one too many, one beside others that nobody confirmed, a person who may not act, and a link whose token
 *  or session is not good any more. */
export function addPasskey(
  db: Db,
  draft: PasskeyDraft,
  link: PasskeyLink,
  origin: Origin,
  now: Date,
): Promise<Result<PasskeyRow>> {
  const { workspaceId, memberId } = draft;
  return inTransaction(db, async (tx) => {
    if (!(await holdAsker(tx, workspaceId, link.via, now))) {
      return refuse({ kind: 'not_allowed', detail: 'what asked for the link is not good any more' });
    }
    const held = await holdMember(tx, workspaceId, memberId);
    if (held === undefined) return wrongState('the member cannot sign in');
    const known = await listPasskeys(tx, workspaceId, memberId);
    if (known.length > 0 && !link.isConfirmed) {
      return wrongState('a passkey was added since the link was made; ask for a new one');
    }
    if (known.length >= MAX_PASSKEYS) return wrongState(`a person may have ${MAX_PASSKEYS} passkeys at most`);
    // Another node may be a little behind.
    const forgetAt = addSeconds(link.expiresAt, LINK_SECONDS);
    if (!(await takeOnce(tx, 'passkey_link', link.id, forgetAt))) return wrongState('the link was used');
    const [row] = await tx
      .insert(passkeys)
      .values({ ...draft, id: newId('pky', now), createdAt: now, lastUsedAt: null })
      .onConflictDoNothing()
      .returning();
    if (row === undefined) return wrongState('the passkey is on record already');
    const data = { member: printId('mem', memberId), name: row.name };
    const event = { action: 'passkey.added', target: printId('pky', row.id), data } as const;
    await recordEvents(tx, workspaceId, origin, [event], now);
    return accept(row);
  });
}

/** Forgets a passkey on the word of a token, and ends what may rest on it: the person's sessions that a passkey began, but for
 *  the one in which that token was approved, and what was confirmed for other tokens of the person. Refuses one that is not there, and a token that is not good any more. */
export function removePasskey(
  db: Db,
  { workspaceId, id, memberId }: PasskeyRow,
  { actor, origin }: { readonly actor: Actor; readonly origin: Origin },
  now: Date,
): Promise<Result<undefined>> {
  return inTransaction(db, async (tx) => {
    const allowed = await lockAsDecided(tx, actor, 'issue');
    if (!allowed.ok) return allowed;
    const gone = await deletePasskeys(tx, workspaceId, { id }, origin, now);
    if (gone === 0) return refuse({ kind: 'not_found' });
    await endProofs(tx, { workspaceId, memberId }, actor, origin, now);
    return accept(undefined);
  });
}

/** Nobody keeps which passkey it was: whoever has it could otherwise go on, or add another one. */
async function endProofs(
  tx: Tx,
  { workspaceId, memberId }: Pick<PasskeyRow, 'workspaceId' | 'memberId'>,
  { tokenId }: Issuer,
  origin: Origin,
  now: Date,
): Promise<void> {
  const [asking] = await tx
    .select({ sessionId: tokens.sessionId })
    .from(tokens)
    .where(and(eq(tokens.workspaceId, workspaceId), eq(tokens.id, tokenId)));
  const others = asking?.sessionId ? ne(sessions.id, asking.sessionId) : undefined;
  const theirs = and(eq(sessions.memberId, memberId), eq(sessions.method, 'passkey'), others);
  await endSessions(tx, workspaceId, theirs, origin, now);
  // By what was asked lately: a person may have made a million tokens.
  const confirmed = tx
    .select({ id: stepUps.tokenId })
    .from(stepUps)
    .where(
      and(
        eq(stepUps.workspaceId, workspaceId),
        eq(stepUps.memberId, memberId),
        eq(stepUps.status, 'confirmed'),
        gt(stepUps.expiresAt, addSeconds(now, -STEP_UP_SECONDS)),
      ),
    );
  await tx
    .update(tokens)
    .set({ steppedUpUntil: null })
    .where(and(eq(tokens.workspaceId, workspaceId), ne(tokens.id, tokenId), inArray(tokens.id, confirmed)));
}

/** Forgets a passkey, or all of a person, within a transaction. Gives how many there were. */
export async function deletePasskeys(
  tx: Tx,
  workspaceId: WorkspaceId,
  which: { readonly id: PasskeyId } | { readonly memberId: MemberId },
  origin: Origin,
  now: Date,
): Promise<number> {
  const meant = 'id' in which ? eq(passkeys.id, which.id) : eq(passkeys.memberId, which.memberId);
  const rows = await tx
    .delete(passkeys)
    .where(and(eq(passkeys.workspaceId, workspaceId), meant))
    .returning();
  const events = rows.map((row) => {
    const data = { member: printId('mem', row.memberId), name: row.name };
    return { action: 'passkey.removed', target: printId('pky', row.id), data } as const;
  });
  await recordEvents(tx, workspaceId, origin, events, now);
  return rows.length;
}

/** Starts a session for the person of a passkey, and ends the one that the browser had before. Gives its cookie, a secret; `undefined` when the person may not act, the
 *  passkey was removed meanwhile, or its counter went back. */
export function signInWithPasskey(
  db: Db,
  secrets: Secrets,
  proof: PasskeyProof,
  place: Pick<Origin, 'ip' | 'userAgent' | 'requestId'>,
  before: SignedIn | undefined,
  now: Date,
): Promise<{ readonly printed: string; readonly person: Person } | undefined> {
  return inTransaction(db, async (tx) => {
    await lockWorkspace(tx, proof.workspaceId, 'issue');
    const used = await usePasskey(tx, proof, place, now);
    if (used === undefined) return undefined;
    if (before !== undefined) {
      const actor: Origin = { actorType: 'member', actorId: printId('mem', before.member.id), ...place };
      await endSessions(tx, before.workspace.id, eq(sessions.id, before.session.id), actor, now);
    }
    const { workspaceId, memberId } = used.passkey;
    const draft = { workspaceId, memberId, method: 'passkey' } as const;
    const { printed } = await startSession(tx, secrets, draft, used.origin, now);
    return { printed, person: used.person };
  });
}

/** Puts the use of a passkey on record, within a transaction that has locked the workspace. One whose counter went back has a
 *  copy: that is put on record instead. Gives who uses it; `undefined` when that is nobody who may act. */
export async function usePasskey(
  tx: Tx,
  { workspaceId, id, counter }: PasskeyProof,
  place: Omit<Origin, 'actorType' | 'actorId'>,
  now: Date,
): Promise<{ readonly passkey: PasskeyRow; readonly person: Person; readonly origin: Origin } | undefined> {
  const isIt = and(eq(passkeys.workspaceId, workspaceId), eq(passkeys.id, id));
  const [passkey] = await tx.select().from(passkeys).where(isIt).for('update');
  const person = passkey && (await findPerson(tx, workspaceId, passkey.memberId));
  if (passkey === undefined || person === undefined) return undefined;
  const origin: Origin = { ...place, actorType: 'member', actorId: printId('mem', passkey.memberId) };
  if (isCounterBack(passkey.counter, counter)) {
    const data = { member: origin.actorId, name: passkey.name, counter, before: passkey.counter };
    const event = { action: 'passkey.cloned', target: printId('pky', id), data } as const;
    await recordEvents(tx, workspaceId, origin, [event], now);
    return undefined;
  }
  await tx.update(passkeys).set({ counter, lastUsedAt: now }).where(isIt);
  return { passkey, person, origin };
}

/** Holds the token or the session that asked for a link, if it is good: neither ends before the transaction does. */
async function holdAsker(tx: Tx, workspaceId: WorkspaceId, via: string, now: Date): Promise<boolean> {
  const tokenId = parsePublicId('tok', via);
  if (tokenId !== undefined) return lockForIssue(tx, { workspaceId, tokenId });
  const id = parsePublicId('ses', via);
  if (id === undefined) return false;
  await lockWorkspace(tx, workspaceId, 'issue');
  return (await holdSession(tx, { workspaceId, id }, now)) !== undefined;
}

/** Holds a member who may act to the end of the transaction, so that two passkeys are added one after the other. */
async function holdMember(tx: Tx, workspaceId: WorkspaceId, id: MemberId): Promise<Person | undefined> {
  const isIt = and(eq(members.workspaceId, workspaceId), eq(members.id, id));
  await tx.select({ id: members.id }).from(members).where(isIt).for('no key update');
  return findPerson(tx, workspaceId, id);
}

function wrongState(detail: string) {
  return refuse({ kind: 'conflict', code: 'passkey_state', detail });
}
