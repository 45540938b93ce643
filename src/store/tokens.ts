import {
  and,
  desc,
  eq,
  getTableColumns,
  gt,
  gte,
  inArray,
  isNotNull,
  isNull,
  lt,
  lte,
  ne,
  or,
  type SQL,
  sql,
} from 'drizzle-orm';
import { alias } from 'drizzle-orm/pg-core';
import type { MemberId, TokenId, WorkspaceId } from '../rules/format.js';
import type { Role } from '../rules/role.js';
import { overlapEnd } from '../rules/rotation.js';
import { type MemberStatus, type TokenStatus, tokenStatus } from '../rules/token.js';
import { policyFaults } from '../rules/workspace-policy.js';
import { blockingPolicy, isBlocking, policedConstraints } from './blocking-policy.js';
import type { Db, Tx } from './database.js';
import { type LastRun, lastRuns } from './last-runs.js';
import { isSuccessor, lives, overlapEndsAt, successors } from './live-tokens.js';
import { members, runners, tokens, workflows, workspaces } from './schema.js';
import { MAX_SEARCHED, onAll, type Path, pathsOf, searchEnd } from './search.js';
import { successionOf } from './succession.js';

const creators = alias(members, 'creators');

/** Who is accountable for tokens. */
export const owners = alias(members, 'owners');

/** How many rows one page looks through when each must be weighed by the workspace's policy. */
const MAX_POLICED = 1_000;

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
  owner: { id: owners.id, email: owners.email, name: owners.name, status: owners.status },
  workspaceSuspendedAt: workspaces.suspendedAt,
  blockingPolicy,
  workflowConstraints: policedConstraints,
  workflowPausedAt: workflows.pausedAt,
  successorFirstUsedAt: successors.firstUsedAt,
  runner: { id: runners.id, status: runners.status },
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
  readonly owner: {
    readonly id: MemberId;
    readonly email: string;
    readonly name: string | null;
    readonly status: MemberStatus;
  };
  readonly status: TokenStatus;
  /** What it would be without the workspace's policy. */
  readonly statusApartFromPolicy: TokenStatus;
  readonly overlapEndsAt: Date | undefined;
  readonly lastRun: LastRun | undefined;
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
  const rows = await viewQuery(db, and(eq(tokens.workspaceId, workspaceId), eq(tokens.id, id)));
  const [found] = await viewsOf(db, rows, now);
  return found;
}

/** Some tokens of a workspace, by their ids. */
export async function findTokens(
  db: Db,
  workspaceId: WorkspaceId,
  ids: readonly TokenId[],
  now: Date,
): Promise<ReadonlyMap<TokenId, TokenView>> {
  const found = await viewQuery(db, and(eq(tokens.workspaceId, workspaceId), inArray(tokens.id, [...ids])));
  return new Map((await viewsOf(db, found, now)).map((one) => [one.token.id, one]));
}

/** The newest tokens of a lineage. */
export function lineageOf(
  db: Db,
  workspaceId: WorkspaceId,
  lineageId: TokenId,
  limit: number,
  now: Date,
): Promise<TokenView[]> {
  return findViews(db, and(eq(tokens.workspaceId, workspaceId), eq(tokens.lineageId, lineageId)), limit, now);
}

/** Tokens as they are listed. What lies before `end`, where there is one, was not looked at. */
export interface TokenList {
  readonly views: readonly TokenView[];
  readonly end: TokenId | undefined;
}

/** Tokens of a workspace, newest first. Gives fewer than `limit` when it looked through as many as one page may. */
export async function listTokens(db: Db, workspaceId: WorkspaceId, query: TokenQuery, now: Date): Promise<TokenList> {
  const within = and(eq(tokens.workspaceId, workspaceId), query.before && lt(tokens.id, query.before));
  const paths = orderedBy(query);
  const isPoliced = hangsOnPolicy(query.status) && (await isBlocking(db, workspaceId));
  const weighed = weighedBy(query, isPoliced, now);
  const isSearch = weighed.length > 0 || paths.length > 1;
  const rows = isSearch ? MAX_SEARCHED : query.limit;
  // One condition alone is an index's order: its page stops by itself.
  const isOrdered = !isSearch && paths.every((path) => path.length === 1);
  const searched = { table: tokens, id: tokens.id, within, paths };
  const end = isOrdered ? undefined : await searchEnd<TokenId>(db, searched, rows);
  const all = and(within, end && gte(tokens.id, end), onAll(paths), ...weighed);
  const most = isPoliced ? Math.max(MAX_POLICED, query.limit) : query.limit;
  const views = await findViews(db, all, most, now);
  if (!isPoliced) return { views, end };
  const wanted = views.filter(({ status }) => status === query.status).slice(0, query.limit);
  return { views: wanted, end: views.length < most ? end : views.at(-1)?.token.id };
}

/** The newest of the tokens that a condition means, unless another order is said. It may speak of {@link owners}. */
export async function findViews(
  db: Db,
  where: SQL | undefined,
  limit: number,
  now: Date,
  order: readonly SQL[] = [desc(tokens.id)],
): Promise<TokenView[]> {
  return viewsOf(
    db,
    await viewQuery(db, where)
      .orderBy(...order)
      .limit(limit),
    now,
  );
}

/** The views of rows of one workspace, each with the last run. */
async function viewsOf(db: Db | Tx, rows: readonly Row[], now: Date): Promise<TokenView[]> {
  const [first] = rows;
  if (first === undefined) return [];
  const ids = rows.flatMap(({ token }) => token.lastUsedCheckId ?? []);
  const runs = await lastRuns(db, first.token.workspaceId, ids);
  return rows.map((row) => {
    const { lastUsedCheckId } = row.token;
    return { ...view(row, now), lastRun: lastUsedCheckId === null ? undefined : runs.get(lastUsedCheckId) };
  });
}

/** Whether a status says something of a policy that blocks. SQL knows none: what it finds is weighed again. */
function hangsOnPolicy(status: TokenStatus | undefined): boolean {
  return status !== undefined && status !== 'revoked' && status !== 'expired' && status !== 'superseded';
}

/** What an index of its own answers, in the order of the ids. */
function orderedBy({ workflow, creatorId, ownerId, visibleTo, status }: TokenQuery): Path[] {
  const known = status && STORED_FACTS[status];
  return pathsOf([
    workflow === undefined ? undefined : [eq(tokens.workflow, workflow)],
    creatorId && [eq(tokens.creatorId, creatorId)],
    ownerId && [eq(tokens.ownerId, ownerId)],
    visibleTo && [eq(tokens.creatorId, visibleTo), eq(tokens.ownerId, visibleTo)],
    known && [known],
  ]);
}

/** What a status needs that few rows have and that stays. For `revoked` it is all: the tokens of a member are revoked with
 *  its removal. */
const STORED_FACTS: Partial<Record<TokenStatus, SQL>> = {
  revoked: isNotNull(tokens.revokedAt),
  not_yet_valid: isNotNull(tokens.notBefore),
};

/** What is weighed row by row. */
function weighedBy({ status, expiresBefore, unusedSince }: TokenQuery, isPoliced: boolean, now: Date): SQL[] {
  const conditions = [
    expiresBefore && lt(tokens.expiresAt, expiresBefore),
    unusedSince && sql`coalesce(${tokens.lastUsedAt}, ${tokens.createdAt}) < ${unusedSince.toISOString()}::timestamptz`,
    ...(status ? hasStatus(status, isPoliced, now) : []),
  ];
  return conditions.filter((condition) => condition !== undefined);
}

function viewQuery(db: Db | Tx, where: SQL | undefined) {
  return db
    .select(COLUMNS)
    .from(tokens)
    .innerJoin(workspaces, eq(workspaces.id, tokens.workspaceId))
    .innerJoin(workflows, and(eq(workflows.workspaceId, tokens.workspaceId), eq(workflows.label, tokens.workflow)))
    .innerJoin(creators, and(eq(creators.workspaceId, tokens.workspaceId), eq(creators.id, tokens.creatorId)))
    .innerJoin(owners, and(eq(owners.workspaceId, tokens.workspaceId), eq(owners.id, tokens.ownerId)))
    .leftJoin(successors, isSuccessor)
    .leftJoin(runners, and(eq(runners.workspaceId, tokens.workspaceId), eq(runners.id, tokens.runnerId)))
    .where(and(where, ne(tokens.kind, 'invitation')));
}

/** The rule of `tokenStatus` in SQL, so that a list can be narrowed by it: what ends a token before what holds it back. A
 *  test holds the two together. Condition by condition, because of a `case` the planner knows nothing. Where a policy
 *  blocks, it lets through all that may have the status. */
function hasStatus(status: TokenStatus, isPoliced: boolean, now: Date): (SQL | undefined)[] {
  const lasts = [isNull(tokens.revokedAt), gt(tokens.expiresAt, now)];
  const goesOn = lives(now);
  const isPaused = or(isNotNull(workspaces.suspendedAt), isNotNull(workflows.pausedAt));
  const isFree = [
    isNull(tokens.frozenAt),
    isNull(workspaces.suspendedAt),
    isNull(workflows.pausedAt),
    eq(creators.status, 'active'),
    // Nearly every token is of none, which the planner knows of the token's column and not of the joined one.
    or(isNull(tokens.runnerId), eq(runners.status, 'active')),
  ];
  const hasBegun = or(isNull(tokens.notBefore), lte(tokens.notBefore, now));
  switch (status) {
    case 'revoked':
      return [];
    case 'expired':
      return [isNull(tokens.revokedAt), lte(tokens.expiresAt, now)];
    case 'superseded':
      return [...lasts, isNotNull(tokens.rotatedTo), lte(overlapEndsAt, now.toISOString())];
    case 'suspended':
      if (isPoliced) return goesOn;
      return [
        ...goesOn,
        or(isNotNull(tokens.frozenAt), isPaused, ne(creators.status, 'active'), eq(runners.status, 'suspended')),
      ];
    case 'not_yet_valid':
      return [...goesOn, ...isFree, gt(tokens.notBefore, now)];
    case 'rotating':
      return [...goesOn, ...isFree, hasBegun, isNotNull(tokens.rotatedTo)];
    case 'active':
      return [...goesOn, ...isFree, hasBegun, isNull(tokens.rotatedTo)];
  }
}

type Row = Awaited<ReturnType<typeof viewQuery>>[number];

function view(row: Row, now: Date): Omit<TokenView, 'lastRun'> {
  const { token } = row;
  const { rotatedTo, drainSeconds } = token;
  const succession = successionOf(rotatedTo, token.overlapEndsAt, drainSeconds, row.successorFirstUsedAt);
  const life = {
    isRevoked: token.revokedAt !== null,
    isFrozen: token.frozenAt !== null,
    creatorStatus: row.creator.status,
    isWorkspaceSuspended: row.workspaceSuspendedAt !== null,
    isWorkflowPaused: row.workflowPausedAt !== null,
    policyFaults: [],
    notBefore: token.notBefore ?? undefined,
    expiresAt: token.expiresAt,
    succession,
    runner: row.runner ?? undefined,
  };
  const statusApartFromPolicy = tokenStatus(life, now);
  return {
    token,
    creator: row.creator,
    owner: row.owner,
    status: row.blockingPolicy ? tokenStatus({ ...life, policyFaults: faultsOf(row) }, now) : statusApartFromPolicy,
    statusApartFromPolicy,
    overlapEndsAt: succession && overlapEnd(succession),
  };
}

function faultsOf({ token, creator, blockingPolicy: policy, workflowConstraints }: Row): string[] {
  if (policy === null) return [];
  const policed = {
    ...token,
    workflowLabel: token.workflow,
    workflowConstraints: workflowConstraints ?? {},
    creatorRole: creator.role,
  };
  return policyFaults(policed, policy).map(({ detail }) => detail);
}
