import { and, asc, count, eq, gt, lte, type SQL, sql } from 'drizzle-orm';
import type { MemberId, TokenId, WorkspaceId } from '../rules/format.js';
import { addDays, addSeconds } from '../rules/lifetime.js';
import { isFaultless, type PolicyFault, policyFaults, type WorkspacePolicy } from '../rules/workspace-policy.js';
import type { Db } from './database.js';
import { isPoliced, isSuccessor, lives, successors } from './live-tokens.js';
import { members, tokens, workflows } from './schema.js';

/** A token that does not comply, with each bound that it does not keep to. */
export interface BeyondPolicyView {
  readonly token: {
    readonly id: TokenId;
    readonly name: string | null;
    readonly workflow: string;
    readonly expiresAt: Date;
  };
  readonly creator: { readonly id: MemberId; readonly email: string; readonly name: string | null };
  readonly faults: readonly PolicyFault[];
}

/** What does not comply with a policy: how many tokens that have not ended, the first 200, oldest first, and the first 200
 *  workflows with more of them than it allows. */
export interface BeyondPolicy {
  readonly count: number;
  readonly first: readonly BeyondPolicyView[];
  readonly crowded: readonly { readonly workflow: string; readonly tokens: number }[];
}

const SHOWN = 200;
/** How many rows one statement looks through. */
const ROWS_AT_ONCE = 20_000;

/** Looks through all tokens of a workspace that have not ended, beside all that goes on: nothing is locked. PostgreSQL puts
 *  those together that the rules cannot tell apart, which are far fewer than tokens, and the rules decide about each kind
 *  once. A million tokens are 50 statements, one after the other, of some tens of milliseconds each. */
export async function findBeyondPolicy(
  db: Db,
  workspaceId: WorkspaceId,
  policy: WorkspacePolicy,
  now: Date,
  rowsAtOnce = ROWS_AT_ONCE,
): Promise<BeyondPolicy> {
  const crowded = await crowdedWorkflows(db, workspaceId, policy, now);
  if (isFaultless(policy)) return { count: 0, first: [], crowded };
  const ids: TokenId[] = [];
  let total = 0;
  let after: TokenId | undefined;
  do {
    const wanted = and(isPoliced(workspaceId, now), after && gt(tokens.id, after));
    const end = await pageEnd(db, wanted, rowsAtOnce);
    for (const kind of await kindsOf(db, and(wanted, end && lte(tokens.id, end)), policy, ids.length < SHOWN, now)) {
      if (policyFaults(kind, policy).length === 0) continue;
      total += kind.tokens;
      ids.push(...kind.first);
    }
    after = end;
  } while (after !== undefined);
  const first = await viewsOf(db, workspaceId, ids.sort().slice(0, SHOWN), policy);
  return { count: total, first, crowded };
}

/** The last of so many rows; `undefined` when there are no more. */
async function pageEnd(db: Db, wanted: SQL | undefined, rows: number): Promise<TokenId | undefined> {
  const [row] = await db
    .select({ id: tokens.id })
    .from(tokens)
    .where(wanted)
    .orderBy(asc(tokens.id))
    .offset(rows - 1)
    .limit(1);
  return row?.id;
}

/** The tokens that have not ended, put together by what a policy looks at. Of their lives it matters only whether they are
 *  longer than the policy allows. */
async function kindsOf(db: Db, wanted: SQL | undefined, policy: WorkspacePolicy, isShown: boolean, now: Date) {
  const longest = policy.longestExpiryDays;
  const isLong =
    longest === undefined
      ? sql<boolean>`false`
      : sql<boolean>`${tokens.expiresAt} - ${tokens.createdAt} > make_interval(hours => ${24 * longest})`;
  const rows = await db
    .select({
      workflowLabel: tokens.workflow,
      scopes: tokens.scopes,
      constraints: tokens.constraints,
      workflowConstraints: workflows.constraints,
      creatorRole: members.role,
      isLong,
      tokens: count(),
      first: isShown
        ? sql<TokenId[]>`(array_agg(${tokens.id} order by ${tokens.id}))[1:${SHOWN}]`
        : sql<TokenId[]>`'{}'::uuid[]`,
    })
    .from(tokens)
    .innerJoin(workflows, and(eq(workflows.workspaceId, tokens.workspaceId), eq(workflows.label, tokens.workflow)))
    .innerJoin(members, and(eq(members.workspaceId, tokens.workspaceId), eq(members.id, tokens.creatorId)))
    .leftJoin(successors, isSuccessor)
    .where(and(wanted, ...lives(now)))
    .groupBy(tokens.workflow, tokens.scopes, tokens.constraints, workflows.constraints, members.role, sql`6`);
  return rows.map((row) => ({
    ...row,
    kind: 'access' as const,
    createdAt: now,
    expiresAt: addSeconds(addDays(now, longest ?? 0), row.isLong ? 1 : 0),
  }));
}

async function viewsOf(
  db: Db,
  workspaceId: WorkspaceId,
  ids: readonly TokenId[],
  policy: WorkspacePolicy,
): Promise<BeyondPolicyView[]> {
  const rows = await db
    .select({
      token: {
        id: tokens.id,
        kind: tokens.kind,
        name: tokens.name,
        workflow: tokens.workflow,
        scopes: tokens.scopes,
        constraints: tokens.constraints,
        createdAt: tokens.createdAt,
        expiresAt: tokens.expiresAt,
      },
      creator: { id: members.id, email: members.email, name: members.name, role: members.role },
      workflowConstraints: workflows.constraints,
    })
    .from(tokens)
    .innerJoin(workflows, and(eq(workflows.workspaceId, tokens.workspaceId), eq(workflows.label, tokens.workflow)))
    .innerJoin(members, and(eq(members.workspaceId, tokens.workspaceId), eq(members.id, tokens.creatorId)))
    .where(and(eq(tokens.workspaceId, workspaceId), sql`${tokens.id} = any(${sql.param([...ids])}::uuid[])`))
    .orderBy(asc(tokens.id));
  return rows.map(({ token, creator, workflowConstraints }) => {
    const surroundings = { workflowLabel: token.workflow, workflowConstraints, creatorRole: creator.role };
    return { token, creator, faults: policyFaults({ ...token, ...surroundings }, policy) };
  });
}

async function crowdedWorkflows(db: Db, workspaceId: WorkspaceId, policy: WorkspacePolicy, now: Date) {
  const most = policy.maxTokensPerWorkflow;
  if (most === undefined) return [];
  const lines = sql<string>`count(distinct ${tokens.lineageId})`;
  const rows = await db
    .select({ workflow: tokens.workflow, tokens: lines })
    .from(tokens)
    .leftJoin(successors, isSuccessor)
    .where(and(isPoliced(workspaceId, now), ...lives(now)))
    .groupBy(tokens.workflow)
    .having(gt(lines, most))
    .orderBy(asc(tokens.workflow))
    .limit(SHOWN);
  return rows.map((row) => ({ workflow: row.workflow, tokens: Number(row.tokens) }));
}
