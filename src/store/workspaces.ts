import { asc, eq } from 'drizzle-orm';
import { newId, printId, type TokenId } from '../rules/format.js';
import { addDays, SIGN_IN_DAYS } from '../rules/lifetime.js';
import { accept, type Result, refuse } from '../rules/refusal.js';
import { signInScopes } from '../rules/role.js';
import { DEFAULT_MAX_RUN_SECONDS, SERVICE_WORKFLOW } from '../rules/workflow.js';
import { type Db, inTransaction, type Tx } from './database.js';
import { type Origin, recordEvents, startChain } from './events.js';
import { findMemberByEmail, insertMember, type MemberRow } from './members.js';
import { drawSecret, insertToken, type Minted } from './mint.js';
import { notifyChange } from './notifications.js';
import { deletePasskeys } from './passkeys.js';
import { sessions, workspaces } from './schema.js';
import type { Secrets } from './secret.js';
import { endSessions } from './sessions.js';
import { insertWorkflow } from './workflows.js';
import { lockWorkspace } from './workspace-lock.js';

export type WorkspaceRow = typeof workspaces.$inferSelect;

/** A member with a fresh token to sign in with. `printed` is a secret. */
export interface SignIn {
  readonly workspace: WorkspaceRow;
  readonly member: MemberRow;
  readonly tokenId: TokenId;
  readonly printed: string;
  readonly expiresAt: Date;
}

/** What people's own tokens may be: no agent scope, renewed every 7 days. */
const SERVICE_POLICY = {
  description: "People's own sign-in tokens",
  allowedScopes: [],
  allowedExpiryDays: [SIGN_IN_DAYS],
  constraints: {},
  maxRunSeconds: DEFAULT_MAX_RUN_SECONDS,
  maxConcurrentRuns: undefined,
  maxConcurrentRunsPerToken: undefined,
};

/** The host's operator, who has the database and needs no token. */
const HOST: Origin = { actorType: 'host', actorId: 'host' };

/** All workspaces, oldest first. */
export function listWorkspaces(db: Db): Promise<WorkspaceRow[]> {
  return db.select().from(workspaces).orderBy(asc(workspaces.id));
}

/** Suspends a workspace, or lets it go on: meanwhile none of its tokens is active, nobody is signed in and its jobs stop.
 *  For the host's operator. In effect when it returns; the same again changes nothing. Gives `undefined` when there is no
 *  such workspace. */
export function setSuspended(db: Db, slug: string, isSuspended: boolean, now: Date): Promise<WorkspaceRow | undefined> {
  return inTransaction(db, async (tx) => {
    const [known] = await tx.select({ id: workspaces.id }).from(workspaces).where(eq(workspaces.slug, slug));
    if (known === undefined) return undefined;
    await lockWorkspace(tx, known.id, 'end');
    const [before] = await tx.select().from(workspaces).where(eq(workspaces.id, known.id));
    if (before === undefined || (before.suspendedAt !== null) === isSuspended) return before;
    const suspendedAt = isSuspended ? now : null;
    await tx.update(workspaces).set({ suspendedAt }).where(eq(workspaces.id, known.id));
    await notifyChange(tx, known.id);
    const action = isSuspended ? 'workspace.suspended' : 'workspace.resumed';
    await recordEvents(tx, known.id, HOST, [{ action, target: printId('ws', known.id), data: { slug } }], now);
    return { ...before, suspendedAt };
  });
}

/** Makes a workspace, its owner and the owner's token. Gives `undefined` when the slug is taken. */
export async function createWorkspace(
  db: Db,
  secrets: Secrets,
  draft: { readonly slug: string; readonly ownerEmail: string },
  now: Date,
): Promise<SignIn | undefined> {
  const minted = await drawSecret(secrets, newId('tok', now));
  return inTransaction(db, async (tx) => {
    const [workspace] = await tx
      .insert(workspaces)
      .values({ id: newId('ws', now), slug: draft.slug, createdAt: now })
      .onConflictDoNothing()
      .returning();
    if (workspace === undefined) return undefined;
    const workspaceId = workspace.id;
    await startChain(tx, workspaceId);
    const owner = { workspaceId, email: draft.ownerEmail, name: null, role: 'owner', status: 'active' } as const;
    const member = await insertMember(tx, owner, now);
    if (member === undefined) throw new Error('a new workspace has no members');
    const created = {
      action: 'workspace.created',
      target: printId('ws', workspaceId),
      data: { slug: draft.slug },
    } as const;
    const accepted = { action: 'member.accepted', target: printId('mem', member.id), data: { role: 'owner' } } as const;
    await recordEvents(tx, workspaceId, HOST, [created, accepted], now);
    await insertWorkflow(tx, workspaceId, SERVICE_WORKFLOW, SERVICE_POLICY, HOST, now);
    const expiresAt = await insertSignIn(tx, member, minted, HOST, now);
    return { workspace, member, tokenId: minted.id, printed: minted.printed, expiresAt };
  });
}

/** Gives a member a fresh sign-in token, for the host's operator, and forgets the member's passkeys, and ends the sessions,
 *  if they are lost. Refuses when there is no such member or it is not
 *  active. */
export async function recoverMember(
  db: Db,
  secrets: Secrets,
  workspace: WorkspaceRow,
  email: string,
  now: Date,
  { removesPasskeys = false }: { readonly removesPasskeys?: boolean } = {},
): Promise<Result<SignIn>> {
  const minted = await drawSecret(secrets, newId('tok', now));
  return inTransaction(db, async (tx) => {
    await lockWorkspace(tx, workspace.id, 'issue');
    const member = await findMemberByEmail(tx, workspace.id, email);
    if (member === undefined) return refuse({ kind: 'not_found' });
    if (member.status !== 'active') {
      return refuse({ kind: 'conflict', code: 'member_state', detail: `the member is ${member.status}` });
    }
    const expiresAt = await insertSignIn(tx, member, minted, HOST, now);
    const event = { action: 'member.recovered', target: printId('mem', member.id) } as const;
    if (removesPasskeys) {
      await deletePasskeys(tx, workspace.id, { memberId: member.id }, HOST, now);
      await endSessions(tx, workspace.id, eq(sessions.memberId, member.id), HOST, now);
    }
    await recordEvents(tx, workspace.id, HOST, [event], now);
    return accept({ workspace, member, tokenId: minted.id, printed: minted.printed, expiresAt });
  });
}

/** Inserts the token that a member signs in with, and its event, within a transaction. Gives its expiry. */
export async function insertSignIn(
  tx: Tx,
  member: MemberRow,
  minted: Minted,
  origin: Origin,
  now: Date,
): Promise<Date> {
  const scopes = signInScopes(member.role);
  const expiresAt = addDays(now, SIGN_IN_DAYS);
  await insertToken(
    tx,
    minted,
    {
      workspaceId: member.workspaceId,
      kind: 'access',
      workflow: SERVICE_WORKFLOW,
      creatorId: member.id,
      ownerId: member.id,
      name: 'sign-in',
      scopes,
      constraints: {},
      notBefore: null,
      expiresAt,
      expiresInDays: SIGN_IN_DAYS,
      lineageId: minted.id,
      rotatedFrom: null,
    },
    now,
  );
  const data = { workflow: SERVICE_WORKFLOW, scopes, expires_at: expiresAt.toISOString() };
  const event = { action: 'token.minted', target: printId('tok', minted.id), data } as const;
  await recordEvents(tx, member.workspaceId, origin, [event], now);
  return expiresAt;
}
