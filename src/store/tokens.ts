import { and, desc, eq, getTableColumns, lt, or, type SQL, sql } from 'drizzle-orm';
import { alias } from 'drizzle-orm/pg-core';
import type { MemberId, TokenId, WorkspaceId } from '../rules/format.js';
import type { Role } from '../rules/role.js';
import { overlapEnd } from '../rules/rotation.js';
import { type TokenStatus, tokenStatus } from '../rules/token.js';
import type { Db, Tx } from './database.js';
import { members, tokens, workflows, workspaces } from './schema.js';
import { successionOf } from './succession.js';

const creators = alias(members, 'creators');
const owners = alias(members, 'owners');
const successors = alias(tokens, 'successors');

const { digest: _digest, pepperKid: _kid, verifier: _verifier, ...TOKEN_COLUMNS } = getTableColumns(tokens);

const COLUMNS = {
  token: TOKEN_COLUMNS,
  creator: {
    id: creators.id,
    email: creators.email,
    name: creators.name,
    role: creators.role,
    status: creators.status,
  },
  owner: { id: owners.id, email: owners.email, name: owners.name },
  workspaceSuspendedAt: workspaces.suspendedAt,
  workflowPausedAt: workflows.pausedAt,
  successorFirstUsedAt: successors.firstUsedAt,
};

export type TokenColumns = Omit<typeof tokens.$inferSelect, 'digest' | 'pepperKid' | 'verifier'>;

/** A token as it is shown: with its people and all that its state hangs on, without its verifiers. */
export interface TokenView {
  readonly token: TokenColumns;
  readonly creator: {
    readonly id: MemberId;
    readonly email: string;
    readonly name: string | null;
    readonly role: Role;
  };
  readonly owner: { readonly id: MemberId; readonly email: string; readonly name: string | null };
  readonly status: TokenStatus;
  readonly overlapEndsAt: Date | undefined;
}

/** What a list of tokens is narrowed to. `visibleTo` shows only what that member made or owns; `before` is exclusive. */
export interface TokenQuery {
  readonly limit: number;
  readonly before?: TokenId | undefined;
  readonly visibleTo?: MemberId | undefined;
  readonly workflow?: string | undefined;
  readonly creatorId?: MemberId | undefined;
  readonly ownerId?: MemberId | undefined;
  readonly status?: TokenStatus | undefined;
  readonly expiresBefore?: Date | undefined;
  readonly unusedSince?: Date | undefined;
}

/** One token of a workspace. Invitations are none. */
export async function findToken(
  db: Db | Tx,
  workspaceId: WorkspaceId,
  id: TokenId,
  now: Date,
): Promise<TokenView | undefined> {
  const [row] = await viewQuery(db, and(eq(tokens.workspaceId, workspaceId), eq(tokens.id, id)));
  return row && view(row, now);
}

/** Tokens of a workspace, newest first. */
export async function listTokens(db: Db, workspaceId: WorkspaceId, query: TokenQuery, now: Date): Promise<TokenView[]> {
  const rows = await viewQuery(
    db,
    and(
      eq(tokens.workspaceId, workspaceId),
      query.before && lt(tokens.id, query.before),
      query.visibleTo && or(eq(tokens.creatorId, query.visibleTo), eq(tokens.ownerId, query.visibleTo)),
      query.workflow === undefined ? undefined : eq(tokens.workflow, query.workflow),
      query.creatorId && eq(tokens.creatorId, query.creatorId),
      query.ownerId && eq(tokens.ownerId, query.ownerId),
      query.expiresBefore && lt(tokens.expiresAt, query.expiresBefore),
      query.unusedSince &&
        sql`coalesce(${tokens.lastUsedAt}, ${tokens.createdAt}) < ${query.unusedSince.toISOString()}::timestamptz`,
      query.status && sql`${statusAt(now)} = ${query.status}`,
    ),
  )
    .orderBy(desc(tokens.id))
    .limit(query.limit);
  return rows.map((row) => view(row, now));
}

function viewQuery(db: Db | Tx, where: SQL | undefined) {
  return db
    .select(COLUMNS)
    .from(tokens)
    .innerJoin(workspaces, eq(workspaces.id, tokens.workspaceId))
    .innerJoin(workflows, and(eq(workflows.workspaceId, tokens.workspaceId), eq(workflows.label, tokens.workflow)))
    .innerJoin(creators, and(eq(creators.workspaceId, tokens.workspaceId), eq(creators.id, tokens.creatorId)))
    .innerJoin(owners, and(eq(owners.workspaceId, tokens.workspaceId), eq(owners.id, tokens.ownerId)))
    .leftJoin(successors, and(eq(successors.workspaceId, tokens.workspaceId), eq(successors.id, tokens.rotatedTo)))
    .where(and(where, eq(tokens.kind, 'access')));
}

/** The rule of `tokenStatus` in SQL, so that a list can be narrowed by it. A test holds the two together. */
function statusAt(now: Date): SQL {
  const at = sql`${now.toISOString()}::timestamptz`;
  return sql`case
    when ${tokens.revokedAt} is not null or ${creators.status} = 'removed' then 'revoked'
    when ${tokens.expiresAt} <= ${at} then 'expired'
    when ${tokens.rotatedTo} is not null and least(${tokens.overlapEndsAt},
      ${successors.firstUsedAt} + ${tokens.drainSeconds} * interval '1 second') <= ${at} then 'superseded'
    when ${workspaces.suspendedAt} is not null or ${workflows.pausedAt} is not null or ${creators.status} <> 'active'
      then 'suspended'
    when ${tokens.notBefore} > ${at} then 'not_yet_valid'
    when ${tokens.rotatedTo} is not null then 'rotating'
    else 'active' end`;
}

type Row = Awaited<ReturnType<typeof viewQuery>>[number];

function view(row: Row, now: Date): TokenView {
  const { token } = row;
  const { rotatedTo, overlapEndsAt, drainSeconds } = token;
  const succession = successionOf(rotatedTo, overlapEndsAt, drainSeconds, row.successorFirstUsedAt);
  return {
    token,
    creator: row.creator,
    owner: row.owner,
    status: tokenStatus(
      {
        isRevoked: token.revokedAt !== null,
        creatorStatus: row.creator.status,
        isWorkspaceSuspended: row.workspaceSuspendedAt !== null,
        isWorkflowPaused: row.workflowPausedAt !== null,
        notBefore: token.notBefore ?? undefined,
        expiresAt: token.expiresAt,
        succession,
      },
      now,
    ),
    overlapEndsAt: succession && overlapEnd(succession),
  };
}
