import { and, eq, ne, sql } from 'drizzle-orm';
import type { MemberId, WorkspaceId } from '../rules/format.js';
import type { Db, Tx } from './database.js';
import type { MemberRow } from './members.js';
import { identities, members, workspaces } from './schema.js';

/** Who somebody is at an OpenID provider. The pair never means another person (OpenID Connect Core 1.0 section 5.7). */
export interface Identity {
  readonly issuer: string;
  readonly subject: string;
}

/** A workspace that knows somebody, and how they stand there. */
export interface Acquaintance {
  readonly slug: string;
  readonly status: MemberRow['status'];
}

/** The member that an identity is in a workspace, within a transaction. Who was removed is nobody's any more. */
export async function findByIdentity(
  tx: Tx,
  workspaceId: WorkspaceId,
  { issuer, subject }: Identity,
): Promise<MemberRow | undefined> {
  const [row] = await tx
    .select({ member: members })
    .from(identities)
    .innerJoin(members, and(eq(members.workspaceId, identities.workspaceId), eq(members.id, identities.memberId)))
    .where(and(eq(identities.workspaceId, workspaceId), isOf(issuer, subject), ne(members.status, 'removed')));
  return row?.member;
}

/** Whether a member is somebody of a provider already, within a transaction. */
export async function hasIdentity(
  tx: Tx,
  workspaceId: WorkspaceId,
  memberId: MemberId,
  issuer: string,
): Promise<boolean> {
  const [row] = await tx
    .select({ subject: identities.subject })
    .from(identities)
    .where(
      and(eq(identities.workspaceId, workspaceId), eq(identities.memberId, memberId), eq(identities.issuer, issuer)),
    )
    .limit(1);
  return row !== undefined;
}

/** Says that an identity is a member from now on, and was here now, within a transaction. Gives whether that is new. */
export async function linkIdentity(tx: Tx, member: MemberRow, identity: Identity, now: Date): Promise<boolean> {
  const { workspaceId, id: memberId } = member;
  const known = and(
    eq(identities.workspaceId, workspaceId),
    isOf(identity.issuer, identity.subject),
    eq(identities.memberId, memberId),
  );
  const seen = await tx
    .update(identities)
    .set({ lastSignInAt: now })
    .where(known)
    .returning({ memberId: identities.memberId });
  if (seen.length > 0) return false;
  await tx
    .insert(identities)
    .values({ workspaceId, ...identity, memberId, createdAt: now, lastSignInAt: now })
    // It led to a member who was removed.
    .onConflictDoUpdate({
      target: [identities.workspaceId, identities.issuer, identities.subject],
      set: { memberId, createdAt: now, lastSignInAt: now },
    });
  return true;
}

/** The workspaces that know somebody by identity or by e-mail address, by slug. Suspended workspaces know nobody. */
export async function acquaintances(
  db: Db,
  { issuer, subject }: Identity,
  address: string | undefined,
): Promise<Acquaintance[]> {
  const columns = { slug: workspaces.slug, status: members.status };
  const inWorkspace = and(eq(workspaces.id, members.workspaceId), sql`${workspaces.suspendedAt} is null`);
  const byIdentity = db
    .select(columns)
    .from(identities)
    .innerJoin(members, and(eq(members.workspaceId, identities.workspaceId), eq(members.id, identities.memberId)))
    .innerJoin(workspaces, inWorkspace)
    .where(and(isOf(issuer, subject), isPresent));
  const byAddress = db
    .select(columns)
    .from(members)
    .innerJoin(workspaces, inWorkspace)
    .where(and(sql`lower(${members.email}) = lower(${address ?? null})`, isPresent));
  const found = new Map<string, Acquaintance>();
  for (const one of [...(await byAddress), ...(await byIdentity)]) found.set(one.slug, one);
  return [...found.values()].sort((a, b) => (a.slug < b.slug ? -1 : 1));
}

function isOf(issuer: string, subject: string) {
  return and(eq(identities.issuer, issuer), eq(identities.subject, subject));
}

// Written out, as the indexes of it are.
const isPresent = sql`${members.status} <> 'removed'`;
