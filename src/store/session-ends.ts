import { and, eq, isNull, ne, or, sql } from 'drizzle-orm';
import type { SessionId, WorkspaceId } from '../rules/format.js';
import { accept, type Result } from '../rules/refusal.js';
import { type Actor, lockAsDecided } from './authority.js';
import { type Db, inTransaction } from './database.js';
import type { Origin } from './events.js';
import { noteLogout, type ProviderLogout } from './provider-logouts.js';
import { sessions } from './schema.js';
import { takeOnce } from './seen.js';
import { endSessions, type SessionRow, sessionColumns } from './sessions.js';

/** One session, of whomever in the workspace. */
export async function findSessionById(
  db: Db,
  workspaceId: WorkspaceId,
  id: SessionId,
): Promise<SessionRow | undefined> {
  const [row] = await db
    .select(sessionColumns)
    .from(sessions)
    .where(and(eq(sessions.workspaceId, workspaceId), eq(sessions.id, id)));
  return row;
}

/** Ends one session and the tokens that were approved in it. Again changes nothing. */
export function endSession(
  db: Db,
  { workspaceId, id }: Pick<SessionRow, 'workspaceId' | 'id'>,
  origin: Origin,
  now: Date,
): Promise<number> {
  return inTransaction(db, (tx) => endSessions(tx, workspaceId, eq(sessions.id, id), origin, now));
}

/** Ends one session on the word of a token, as {@link endSession}. */
export function endSessionFor(
  db: Db,
  id: SessionId,
  { actor, origin }: { readonly actor: Actor; readonly origin: Origin },
  now: Date,
): Promise<Result<number>> {
  return inTransaction(db, async (tx) => {
    const allowed = await lockAsDecided(tx, actor, 'issue');
    return allowed.ok ? accept(await endSessions(tx, actor.workspaceId, eq(sessions.id, id), origin, now)) : allowed;
  });
}

/** Ends a person's other sessions. Gives how many. */
export function endOtherSessions(
  db: Db,
  { workspaceId, memberId, id }: Pick<SessionRow, 'workspaceId' | 'memberId' | 'id'>,
  origin: Origin,
  now: Date,
): Promise<number> {
  const others = and(eq(sessions.memberId, memberId), ne(sessions.id, id));
  return inTransaction(db, (tx) => endSessions(tx, workspaceId, others, origin, now));
}

/** Ends what a provider means, in every workspace, in one transaction, and what is about to start. Gives how many sessions; `undefined` when this logout
 *  was taken before. `until` is when one of its age would not be taken any more. */
export function endProviderSessions(
  db: Db,
  logout: ProviderLogout,
  until: Date,
  origin: Origin,
  now: Date,
): Promise<number | undefined> {
  return inTransaction(db, async (tx) => {
    if (!(await takeOnce(tx, 'logout_jti', `${logout.issuer}\n${logout.jti}`, until))) return undefined;
    await noteLogout(tx, logout);
    const meant = meantBy(logout);
    const places = await tx
      .selectDistinct({ workspaceId: sessions.workspaceId })
      .from(sessions)
      .where(and(isNull(sessions.endedAt), meant))
      .orderBy(sessions.workspaceId);
    let ended = 0;
    for (const { workspaceId } of places) ended += await endSessions(tx, workspaceId, meant, origin, now);
    return ended;
  });
}

/** With both, the session named by `sid`, and those of the person of which the provider told no `sid`. */
function meantBy({ issuer, subject, sid }: ProviderLogout) {
  const ofSid = sid === undefined ? undefined : eq(sessions.sid, sid);
  const ofSubject = subject === undefined ? undefined : eq(sessions.subject, subject);
  // Never both undefined: a logout names one of them, else nothing is meant.
  if (ofSid === undefined && ofSubject === undefined) return sql`false`;
  const named = ofSid && ofSubject ? or(ofSid, isNull(sessions.sid)) : ofSid;
  return and(eq(sessions.issuer, issuer), ofSubject, named);
}
