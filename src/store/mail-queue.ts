import { and, asc, eq, type SQL, sql } from 'drizzle-orm';
import { newId, printId, type TokenId, type WorkspaceId } from '../rules/format.js';
import type { MailedToken, MailPayload } from '../rules/mail.js';
import { isSameAddress } from '../rules/workflow.js';
import type { Tx } from './database.js';
import { notifyDue } from './notifications.js';
import { mailDeliveries, members, tokens, workflows, workspaces } from './schema.js';

/** A mail to one address. Of the same `occasion` an address has one. */
export interface DueMail {
  readonly workspaceId: WorkspaceId;
  readonly recipient: string;
  readonly occasion: string;
  readonly payload: MailPayload;
  /** When it is sent first (default: at once). */
  readonly dueAt?: Date | undefined;
}

/** Who is told, and as what. */
export interface Recipient {
  readonly address: string;
  readonly to: MailPayload['to'];
}

/** A token with those who hear of it. */
export interface ToldToken {
  readonly workspaceId: WorkspaceId;
  readonly workspace: string;
  readonly token: MailedToken;
  /** Each address once. */
  readonly recipients: readonly Recipient[];
}

/** How many of those who look after a workspace are told. */
const MAX_KEEPERS = 50;
const ROWS_AT_ONCE = 1_000;

/** Queues mails within a transaction, and wakes the senders with its commit. Call it only where somebody sends them. */
export async function queueMails(tx: Tx, mails: readonly DueMail[], now: Date): Promise<void> {
  const rows = mails.map(({ dueAt, ...mail }) => ({
    ...mail,
    id: newId('dlv', now),
    event: mail.payload.type,
    status: 'pending' as const,
    attempts: 0,
    createdAt: now,
    nextAttemptAt: dueAt ?? now,
  }));
  for (let at = 0; at < rows.length; at += ROWS_AT_ONCE) {
    await tx
      .insert(mailDeliveries)
      .values(rows.slice(at, at + ROWS_AT_ONCE))
      .onConflictDoNothing();
  }
  if (rows.length > 0) await notifyDue(tx);
}

/** Who hears of tokens: the owner, unless they are not with the workspace any more; then its owners in that place. And the
 *  contacts of the workflow. */
export async function toldOf(
  tx: Tx,
  some: readonly { readonly workspaceId: WorkspaceId; readonly id: TokenId }[],
): Promise<readonly ToldToken[]> {
  if (some.length === 0) return [];
  const rows = await tx
    .select({
      workspaceId: tokens.workspaceId,
      workspace: workspaces.slug,
      id: tokens.id,
      name: tokens.name,
      workflow: tokens.workflow,
      expiresAt: tokens.expiresAt,
      owner: members.email,
      ownerStatus: members.status,
      contacts: workflows.contacts,
    })
    .from(tokens)
    .innerJoin(workspaces, eq(workspaces.id, tokens.workspaceId))
    .innerJoin(members, and(eq(members.workspaceId, tokens.workspaceId), eq(members.id, tokens.ownerId)))
    .leftJoin(workflows, and(eq(workflows.workspaceId, tokens.workspaceId), eq(workflows.label, tokens.workflow)))
    .where(
      and(
        sql`${tokens.workspaceId} = any(${sql.param([...new Set(some.map((one) => one.workspaceId))])}::uuid[])`,
        sql`${tokens.id} = any(${sql.param(some.map(({ id }) => id))}::uuid[])`,
      ),
    );
  const orphaned = rows.filter(({ ownerStatus }) => ownerStatus !== 'active').map((row) => row.workspaceId);
  const owners = new Map<WorkspaceId, readonly string[]>();
  for (const id of new Set(orphaned)) owners.set(id, await ownersOf(tx, id));
  return rows.map((row) => ({
    workspaceId: row.workspaceId,
    workspace: row.workspace,
    token: {
      id: printId('tok', row.id),
      name: row.name,
      workflow: row.workflow,
      owner: row.owner,
      expiresAt: row.expiresAt.toISOString(),
    },
    recipients: eachOnce([
      ...(row.contacts ?? []).map((address) => ({ address, to: 'contact' as const })),
      ...asMembers(row.ownerStatus === 'active' ? [row.owner] : (owners.get(row.workspaceId) ?? [])),
    ]),
  }));
}

/** The addresses of the owners of a workspace, the oldest first. */
export function ownersOf(tx: Tx, workspaceId: WorkspaceId): Promise<readonly string[]> {
  return activeOf(tx, workspaceId, sql`${members.role} = 'owner'`);
}

/** The addresses of its owners and admins. */
export function keepersOf(tx: Tx, workspaceId: WorkspaceId): Promise<readonly string[]> {
  return activeOf(tx, workspaceId, sql`${members.role} in ('owner', 'admin')`);
}

async function activeOf(tx: Tx, workspaceId: WorkspaceId, isOne: SQL): Promise<readonly string[]> {
  const rows = await tx
    .select({ email: members.email })
    .from(members)
    .where(and(eq(members.workspaceId, workspaceId), isOne, sql`${members.status} = 'active'`))
    .orderBy(asc(members.id))
    .limit(MAX_KEEPERS);
  return rows.map(({ email }) => email);
}

/** Each address once, whatever its case, as what it comes first. */
export function eachOnce(some: readonly Recipient[]): readonly Recipient[] {
  return some.filter((one, at) => some.findIndex((other) => isSameAddress(one.address, other.address)) === at);
}

/** Those who are told as members. */
export function asMembers(addresses: readonly string[]): readonly Recipient[] {
  return addresses.map((address) => ({ address, to: 'member' }));
}

/** What one address hears of at a time. */
export interface AddressGroup {
  readonly workspaceId: WorkspaceId;
  readonly workspace: string;
  readonly recipient: Recipient;
  readonly tokens: readonly MailedToken[];
}

/** Puts together what goes to the same address of the same workspace. */
export function byAddress(told: readonly ToldToken[]): readonly AddressGroup[] {
  const groups = new Map<string, AddressGroup & { readonly tokens: MailedToken[] }>();
  for (const { workspaceId, workspace, token, recipients } of told) {
    for (const recipient of recipients) {
      const key = `${workspaceId} ${recipient.address.toLowerCase()}`;
      const group = groups.get(key) ?? { workspaceId, workspace, recipient, tokens: [] };
      group.tokens.push(token);
      groups.set(key, group);
    }
  }
  return [...groups.values()];
}
