import { and, desc, eq, getTableColumns, inArray, isNull, lt, type SQL } from 'drizzle-orm';
import {
  type MemberId,
  newId,
  newTokenSecret,
  printId,
  printToken,
  type SessionId,
  type TokenId,
  type TokenSecret,
  type WorkspaceId,
} from '../rules/format.js';
import { addDays, addSeconds } from '../rules/lifetime.js';
import type { Role } from '../rules/role.js';
import { isSessionAlive, SESSION_SECONDS, type SessionMethod } from '../rules/session.js';
import type { TransactionSql } from './connect.js';
import type { Db, Tx } from './database.js';
import { type Origin, recordEvents } from './events.js';
import { revokeWhere } from './revocations.js';
import { members, sessions, tokens, workspaces } from './schema.js';
import type { Secrets } from './secret.js';

const { digest: _digest, pepperKid: _kid, ...columns } = getTableColumns(sessions);
/** All of a session but what its cookie is compared with. */
export const sessionColumns = columns;

export type SessionRow = Omit<typeof sessions.$inferSelect, 'digest' | 'pepperKid'>;

/** A live session and the person in it. */
export interface SignedIn {
  readonly session: SessionRow;
  readonly member: {
    readonly id: MemberId;
    readonly email: string;
    readonly name: string | null;
    readonly role: Role;
  };
  readonly workspace: { readonly id: WorkspaceId; readonly slug: string };
}

/** What a new session is made of. `issuer`, `subject` and `sid` are the provider's words for the person and its session
 *  there (OpenID Connect Back-Channel Logout 1.0 section 2.1). */
export interface SessionDraft {
  readonly workspaceId: WorkspaceId;
  readonly memberId: MemberId;
  readonly method: SessionMethod;
  readonly issuer?: string | undefined;
  readonly subject?: string | undefined;
  readonly sid?: string | undefined;
}

/** How long sessions are kept after their end, in days: tokens and events name them. */
const KEPT_DAYS = 30;
/** A use is put on record no oftener, in seconds. */
const TOUCH_SECONDS = 60;

/** Starts a session, within a transaction, and gives what its cookie holds, which is a secret. A cookie that the browser had
 *  before has no part in it: nobody can fix a session for somebody else. The caller has seen to it that the member is
 *  active. */
export async function startSession(
  tx: Tx,
  secrets: Secrets,
  draft: SessionDraft,
  origin: Origin,
  now: Date,
): Promise<{ readonly id: SessionId; readonly printed: string }> {
  const id = newId('ses', now);
  const cookieSecret = newTokenSecret();
  await tx.insert(sessions).values({
    ...draft,
    id,
    ...secrets.digest(keyOf(id), cookieSecret),
    createdAt: now,
    lastUsedAt: now,
    expiresAt: addSeconds(now, SESSION_SECONDS),
    ip: origin.ip ?? null,
    userAgent: origin.userAgent ?? null,
  });
  const data = { session: printId('ses', id), method: draft.method };
  const event = { action: 'session.started', target: printId('mem', draft.memberId), data } as const;
  await recordEvents(tx, draft.workspaceId, origin, [event], now);
  return { id, printed: printToken({ id: keyOf(id), tokenSecret: cookieSecret }) };
}

/** The person behind a cookie, if the session goes on, the person is active and the workspace is not suspended. A use is
 *  put on record once a minute. */
export async function findSession(
  db: Db,
  secrets: Secrets,
  cookie: { readonly id: SessionId; readonly cookieSecret: TokenSecret },
  now: Date,
): Promise<SignedIn | undefined> {
  const [row] = await db
    .select({
      session: sessionColumns,
      stored: { digest: sessions.digest, pepperKid: sessions.pepperKid },
      member: { id: members.id, email: members.email, name: members.name, role: members.role, status: members.status },
      workspace: { id: workspaces.id, slug: workspaces.slug, suspendedAt: workspaces.suspendedAt },
    })
    .from(sessions)
    .innerJoin(members, and(eq(members.workspaceId, sessions.workspaceId), eq(members.id, sessions.memberId)))
    .innerJoin(workspaces, eq(workspaces.id, sessions.workspaceId))
    .where(eq(sessions.id, cookie.id));
  if (row === undefined) return undefined;
  if (secrets.compare(keyOf(cookie.id), cookie.cookieSecret, row.stored) !== 'match') return undefined;
  const isGood = row.member.status === 'active' && row.workspace.suspendedAt === null;
  if (!isGood || !isSessionAlive(row.session, now)) return undefined;
  if (row.session.lastUsedAt < addSeconds(now, -TOUCH_SECONDS)) {
    const touched = and(eq(sessions.id, cookie.id), lt(sessions.lastUsedAt, now), isNull(sessions.endedAt));
    await db.update(sessions).set({ lastUsedAt: now }).where(touched);
  }
  return row;
}

/** Holds a session to the end of the transaction, if it goes on: it cannot be ended meanwhile, nor its person suspended. The
 *  workspace is locked already. Gives the person's role of this moment. */
export async function holdSession(
  tx: Tx,
  { workspaceId, id }: Pick<SessionRow, 'workspaceId' | 'id'>,
  now: Date,
): Promise<{ readonly memberId: MemberId; readonly role: Role } | undefined> {
  const [row] = await tx
    .select({
      session: sessionColumns,
      role: members.role,
      status: members.status,
      suspendedAt: workspaces.suspendedAt,
    })
    .from(sessions)
    .innerJoin(members, and(eq(members.workspaceId, sessions.workspaceId), eq(members.id, sessions.memberId)))
    .innerJoin(workspaces, eq(workspaces.id, sessions.workspaceId))
    .where(and(eq(sessions.workspaceId, workspaceId), eq(sessions.id, id)))
    .for('share', { of: [sessions, members] });
  const isGood = row?.status === 'active' && row.suspendedAt === null && isSessionAlive(row.session, now);
  return isGood ? { memberId: row.session.memberId, role: row.role } : undefined;
}

/** A person's sessions, the newest first, those that ended included. `before` is exclusive. */
export function listSessions(
  db: Db,
  workspaceId: WorkspaceId,
  memberId: MemberId,
  query: { readonly limit: number; readonly before?: SessionId | undefined },
): Promise<SessionRow[]> {
  const before = query.before && lt(sessions.id, query.before);
  return db
    .select(sessionColumns)
    .from(sessions)
    .where(and(eq(sessions.workspaceId, workspaceId), eq(sessions.memberId, memberId), before))
    .orderBy(desc(sessions.id))
    .limit(query.limit);
}

/** Ends the sessions of a workspace that `where` means, within a transaction, and revokes the tokens that were approved in
 *  them. Gives how many ended. */
export async function endSessions(
  tx: Tx,
  workspaceId: WorkspaceId,
  where: SQL | undefined,
  origin: Origin,
  now: Date,
): Promise<number> {
  const open = and(eq(sessions.workspaceId, workspaceId), isNull(sessions.endedAt), where);
  const ended = await tx
    .update(sessions)
    .set({ endedAt: now })
    .where(open)
    .returning({ id: sessions.id, memberId: sessions.memberId });
  const ids = ended.map(({ id }) => id);
  const cause = { reason: 'other', note: 'the session that it was approved in has ended', origin } as const;
  if (ids.length > 0) await revokeWhere(tx, workspaceId, inArray(tokens.sessionId, ids), cause, now);
  const events = ended.map(({ id, memberId }) => {
    const data = { session: printId('ses', id) };
    return { action: 'session.ended', target: printId('mem', memberId), data } as const;
  });
  await recordEvents(tx, workspaceId, origin, events, now);
  return ended.length;
}

/** Forgets sessions that ended long ago, by themselves or not. */
export async function dropOldSessions(tx: TransactionSql, now: Date): Promise<void> {
  await tx`delete from sessions where expires_at < ${addDays(now, -KEPT_DAYS).toISOString()}`;
}

/** The verifiers know their things by the id of a token. */
function keyOf(id: SessionId): TokenId {
  return id as string as TokenId;
}
