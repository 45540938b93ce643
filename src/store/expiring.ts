import { and, asc, eq, gt, isNull, lte, or, type SQL, type SQLWrapper, sql } from 'drizzle-orm';
import type { MemberId, TokenId, WorkspaceId } from '../rules/format.js';
import type { Db } from './database.js';
import { isOfWorkflow } from './live-tokens.js';
import { members, tokens } from './schema.js';
import { MAX_SEARCHED } from './search.js';
import { findViews, type TokenView } from './tokens.js';

/** A place in the order of ends. */
export interface EndPlace {
  readonly expiresAt: Date;
  readonly id: TokenId;
}

/** Which tokens that come to an end: until when, inclusive, and behind which place. `visibleTo` shows only what that member
 *  made or owns. */
export interface ExpiringQuery {
  readonly until: Date;
  readonly limit: number;
  readonly after?: EndPlace | undefined;
  readonly visibleTo?: MemberId | undefined;
}

/** Tokens by their ends. What lies behind `end`, where there is one, was not looked at. */
export interface ExpiringTokens<Found> {
  readonly found: readonly Found[];
  readonly end: EndPlace | undefined;
}

/** The tokens of workflows that end next and have no successor, the soonest first. Gives fewer than `limit` when it looked
 *  through as many as one page may. */
export async function listExpiring(
  db: Db,
  workspaceId: WorkspaceId,
  query: ExpiringQuery,
  now: Date,
): Promise<ExpiringTokens<TokenView>> {
  const within = comesToAnEnd(workspaceId, query, now);
  const end = await lookedUntil(db, within, MAX_SEARCHED);
  const wanted = and(within, end && isUntil(end), isOfWorkflow(tokens), isVisibleTo(tokens, query.visibleTo));
  return { found: await findViews(db, wanted, query.limit, now, SOONEST_FIRST), end };
}

/** What a calendar tells of a token. */
export interface ExpiringToken extends EndPlace {
  readonly name: string | null;
  readonly workflow: string;
  readonly createdAt: Date;
  readonly ownerEmail: string | undefined;
}

/** How many rows one calendar looks through. */
const MAX_LOOKED_AT = 10_000;

/** As {@link listExpiring}, without those that are frozen, and with no more than a calendar tells. */
export async function expiringForCalendar(
  db: Db,
  workspaceId: WorkspaceId,
  query: ExpiringQuery,
  now: Date,
): Promise<ExpiringTokens<ExpiringToken>> {
  const within = comesToAnEnd(workspaceId, query, now);
  const end = await lookedUntil(db, within, MAX_LOOKED_AT);
  // What is weighed row by row is weighed outside, so that no other index looks better than that of the ends.
  const looked = db
    .select(TOLD)
    .from(tokens)
    .where(within)
    .orderBy(...SOONEST_FIRST)
    .limit(MAX_LOOKED_AT)
    .as('looked');
  const found = await db
    .select({
      id: looked.id,
      name: looked.name,
      workflow: looked.workflow,
      createdAt: looked.createdAt,
      expiresAt: looked.expiresAt,
      ownerId: looked.ownerId,
    })
    .from(looked)
    .where(and(isOfWorkflow(looked), isVisibleTo(looked, query.visibleTo), isNull(looked.frozenAt)))
    .orderBy(asc(looked.expiresAt), asc(looked.id))
    .limit(query.limit);
  const emails = await emailsOf(db, workspaceId, [...new Set(found.map(({ ownerId }) => ownerId))]);
  return { found: found.map((token) => ({ ...token, ownerEmail: emails.get(token.ownerId) })), end };
}

async function emailsOf(
  db: Db,
  workspaceId: WorkspaceId,
  ids: readonly MemberId[],
): Promise<ReadonlyMap<MemberId, string>> {
  if (ids.length === 0) return new Map();
  const rows = await db
    .select({ id: members.id, email: members.email })
    .from(members)
    .where(and(eq(members.workspaceId, workspaceId), sql`${members.id} = any(${sql.param(ids)}::uuid[])`));
  return new Map(rows.map(({ id, email }) => [id, email]));
}

/** What a calendar tells, and what says whether it does. */
const TOLD = {
  id: tokens.id,
  kind: tokens.kind,
  name: tokens.name,
  workflow: tokens.workflow,
  creatorId: tokens.creatorId,
  ownerId: tokens.ownerId,
  createdAt: tokens.createdAt,
  expiresAt: tokens.expiresAt,
  frozenAt: tokens.frozenAt,
};

const SOONEST_FIRST = [asc(tokens.expiresAt), asc(tokens.id)];

/** What the index has in the order of ends. Its own conditions are written as it has them: a parameter would hide them. */
function comesToAnEnd(workspaceId: WorkspaceId, { until, after }: ExpiringQuery, now: Date): SQL | undefined {
  return and(
    eq(tokens.workspaceId, workspaceId),
    isNull(tokens.revokedAt),
    isNull(tokens.rotatedTo),
    sql`${tokens.expiresInDays} > 0`,
    gt(tokens.expiresAt, now),
    lte(tokens.expiresAt, until),
    after && sql`(${tokens.expiresAt}, ${tokens.id}) > ${placed(after)}`,
  );
}

/** The place of the last of so many rows, when there are more. */
async function lookedUntil(db: Db, within: SQL | undefined, rows: number): Promise<EndPlace | undefined> {
  const [last] = await db
    .select({ expiresAt: tokens.expiresAt, id: tokens.id })
    .from(tokens)
    .where(within)
    .orderBy(...SOONEST_FIRST)
    .offset(rows)
    .limit(1);
  return last;
}

function isUntil(end: EndPlace): SQL {
  return sql`(${tokens.expiresAt}, ${tokens.id}) <= ${placed(end)}`;
}

function placed({ expiresAt, id }: EndPlace): SQL {
  return sql`(${expiresAt.toISOString()}::timestamptz, ${id}::uuid)`;
}

function isVisibleTo(
  { creatorId, ownerId }: { creatorId: SQLWrapper; ownerId: SQLWrapper },
  member: MemberId | undefined,
): SQL | undefined {
  return member && or(sql`${creatorId} = ${member}`, sql`${ownerId} = ${member}`);
}
