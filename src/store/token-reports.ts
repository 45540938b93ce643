import { and, eq, gte, lt, ne, type SQL, sql } from 'drizzle-orm';
import { idFloor, type MemberId, type TokenId, type WorkspaceId } from '../rules/format.js';
import { addDays, MAX_EXPIRY_DAYS } from '../rules/lifetime.js';
import { type Finding, policyFindings, type ReportKind } from '../rules/token-report.js';
import { freezesAt } from '../rules/unused.js';
import type { Db } from './database.js';
import { type ExpiringQuery, type ExpiringTokens, listExpiring } from './expiring.js';
import { isPoliced, lives } from './live-tokens.js';
import { tokens, workflows } from './schema.js';
import { MAX_SEARCHED, onAll, pathsOf, searchEnd } from './search.js';
import { findViews, owners, type TokenView } from './tokens.js';
import { unfrozenSince } from './unused.js';
import { findPolicy } from './workspace-policy.js';

/** Those that are listed newest first. */
export type SearchedReport = Exclude<ReportKind, 'expiring'>;

/** Which report, over how many days where it speaks of days. `visibleTo` shows only what that member made or owns; `before`
 *  is exclusive. */
export interface ReportQuery {
  readonly kind: SearchedReport;
  readonly days: number;
  readonly limit: number;
  readonly before?: TokenId | undefined;
  readonly visibleTo?: MemberId | undefined;
}

/** A token of a report, and why it is in it. */
export interface ReportedToken {
  readonly view: TokenView;
  readonly why: readonly Finding[];
}

/** A page of a report. What lies before `end`, where there is one, was not looked at. */
export interface ReportPage {
  readonly rows: readonly ReportedToken[];
  readonly end: TokenId | undefined;
}

/** How many rows one page looks through when each must be measured by the policies. */
const MAX_MEASURED = 1_000;

/** Tokens that somebody should look at, newest first: of those that have not ended, without what people sign in with and
 *  runners prove themselves with. Gives fewer than `limit` when it looked through as many as one page may. */
export async function reportTokens(
  db: Db,
  workspaceId: WorkspaceId,
  query: ReportQuery,
  now: Date,
): Promise<ReportPage> {
  const { kind, days, visibleTo } = query;
  const within = and(
    eq(tokens.workspaceId, workspaceId),
    query.before && lt(tokens.id, query.before),
    // What is older than the longest life has ended, and what is younger has not been unused for so long.
    gte(tokens.id, idFloor('tok', addDays(now, -MAX_EXPIRY_DAYS - 1))),
    kind === 'unused' ? lt(tokens.id, idFloor('tok', new Date(addDays(now, -days).getTime() + 1))) : undefined,
  );
  const paths = pathsOf([visibleTo && [eq(tokens.creatorId, visibleTo), eq(tokens.ownerId, visibleTo)]]);
  const isMeasured = kind === 'beyond_policy';
  const most = isMeasured ? MAX_MEASURED : query.limit;
  const searched = { table: tokens, id: tokens.id, within, paths };
  const end = await searchEnd<TokenId>(db, searched, isMeasured ? MAX_MEASURED : MAX_SEARCHED);
  const wanted = and(isPoliced(workspaceId, now), ...lives(now), weighedBy(kind, days, now));
  const views = await findViews(db, and(within, end && gte(tokens.id, end), onAll(paths), wanted), most, now);
  if (!isMeasured) {
    const freezing = kind === 'unused' ? await freezingOf(db, workspaceId, now) : undefined;
    return { rows: views.map((view) => ({ view, why: [reasonOf(view, kind, freezing, now)] })), end };
  }
  return { rows: (await measured(db, workspaceId, views)).slice(0, query.limit), end };
}

function weighedBy(kind: SearchedReport, days: number, now: Date): SQL | undefined {
  switch (kind) {
    case 'ownerless':
      return ne(owners.status, 'active');
    case 'unused': {
      const since = sql`coalesce(${tokens.lastUsedAt}, greatest(${tokens.createdAt}, ${tokens.notBefore}))`;
      return sql`${since} <= ${addDays(now, -days).toISOString()}::timestamptz`;
    }
    case 'beyond_policy':
      return undefined;
  }
}

/** What freezes unused tokens: after how many days, and which were unfrozen since. */
interface Freezing {
  readonly days: number;
  readonly unfrozen: ReadonlyMap<TokenId, Date>;
}

async function freezingOf(db: Db, workspaceId: WorkspaceId, now: Date): Promise<Freezing | undefined> {
  const days = (await findPolicy(db, workspaceId))?.freezeUnusedAfterDays;
  return days === undefined ? undefined : { days, unfrozen: await unfrozenSince(db, workspaceId, addDays(now, -days)) };
}

function reasonOf(
  { token, owner }: TokenView,
  kind: Exclude<SearchedReport, 'beyond_policy'>,
  freezing: Freezing | undefined,
  now: Date,
): Finding {
  switch (kind) {
    case 'ownerless':
      return { code: 'owner_not_active', detail: `its owner is ${owner.status}` };
    case 'unused': {
      const ago = `${wholeDays(token.lastUsedAt ?? token.createdAt, now)} days ago`;
      const used = token.lastUsedAt ? `last used ${ago}` : `never used; made ${ago}`;
      const at = freezing && freezesAt(token, freezing.days, freezing.unfrozen.get(token.id));
      const frozen =
        at === undefined
          ? ''
          : `; frozen ${at <= now ? 'soon' : `on ${at.toISOString().slice(0, 10)}`}, unless it is used`;
      return { code: 'unused', detail: `${used}${frozen}` };
    }
  }
}

/** Tokens that end within so many days and have no successor, the soonest first: one that has one is on its way out, and one
 *  that was made for hours is not kept. */
export async function reportExpiring(
  db: Db,
  workspaceId: WorkspaceId,
  { days, ...query }: Omit<ExpiringQuery, 'until'> & { readonly days: number },
  now: Date,
): Promise<ExpiringTokens<ReportedToken>> {
  const { found, end } = await listExpiring(db, workspaceId, { ...query, until: addDays(now, days) }, now);
  const why = ({ token }: TokenView) => ({
    code: 'expiring',
    detail: `ends in ${wholeDays(now, token.expiresAt)} days`,
  });
  return { found: found.map((view) => ({ view, why: [why(view)] })), end };
}

const DAY_MS = 86_400_000;

function wholeDays(from: Date, to: Date): number {
  return Math.floor((to.getTime() - from.getTime()) / DAY_MS);
}

async function measured(db: Db, workspaceId: WorkspaceId, views: readonly TokenView[]): Promise<ReportedToken[]> {
  const labels = [...new Set(views.map(({ token }) => token.workflow))];
  const rows = await db
    .select({
      label: workflows.label,
      allowedScopes: workflows.allowedScopes,
      allowedExpiryDays: workflows.allowedExpiryDays,
      constraints: workflows.constraints,
    })
    .from(workflows)
    .where(and(eq(workflows.workspaceId, workspaceId), sql`${workflows.label} = any(${sql.param(labels)}::text[])`));
  const byLabel = new Map(rows.map((row) => [row.label, row]));
  const policy = await findPolicy(db, workspaceId);
  return views.flatMap((view) => {
    const workflow = byLabel.get(view.token.workflow);
    const creatorRole = view.creator.role;
    const why = workflow === undefined ? [] : policyFindings(view.token, workflow, { policy, creatorRole });
    return why.length === 0 ? [] : [{ view, why }];
  });
}
