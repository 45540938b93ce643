import { and, eq, or, type SQL, sql } from 'drizzle-orm';
import { idFloor, type MemberId, type RunnerId, type TokenId, type WorkspaceId } from '../rules/format.js';
import { MAX_COUNTED_CHECKS, MAX_COUNTED_TOKENS, MAX_USED_PLACES, type UsageWindow } from '../rules/token-usage.js';
import type { Db } from './database.js';
import { execChecks, runners, tokens } from './schema.js';
import { findViews, type TokenView } from './tokens.js';

/** What a place of use is: what the job said of itself, or the caller's address. */
export type PlaceKind = 'repository' | 'ref' | 'environment' | 'job' | 'address';

/** Checks of one day (`2026-01-31`, UTC), or from one place. */
export interface Counts {
  readonly allowed: number;
  readonly denied: number;
}

export interface UsedPlace extends Counts {
  readonly value: string;
  readonly firstAt: Date;
  readonly lastAt: Date;
}

/** A runner that has proven itself. */
export interface UsedRunner extends Omit<UsedPlace, 'value'> {
  readonly id: RunnerId;
  readonly name: string;
}

/** What has used some tokens, as far as exec checks tell. Before `completeSince` nothing was counted, or not all. */
export interface Usage {
  readonly completeSince: Date;
  readonly days: ReadonlyMap<string, Counts>;
  /** The latest first: at most one more of a kind than are told of. */
  readonly places: ReadonlyMap<PlaceKind, readonly UsedPlace[]>;
  readonly runners: readonly UsedRunner[];
}

/** The newest tokens of a lineage that a member may see, one more than are counted together. `visibleTo` is absent for
 *  who sees all. */
export function visibleLineage(
  db: Db,
  { token }: TokenView,
  visibleTo: MemberId | undefined,
  now: Date,
): Promise<TokenView[]> {
  const { workspaceId, lineageId } = token;
  const isTheirs =
    visibleTo &&
    or(
      eq(tokens.id, token.id),
      eq(tokens.creatorId, visibleTo),
      eq(tokens.ownerId, visibleTo),
      eq(tokens.takeoverBy, visibleTo),
    );
  const isOfLineage = and(eq(tokens.workspaceId, workspaceId), eq(tokens.lineageId, lineageId), isTheirs);
  return findViews(db, isOfLineage, MAX_COUNTED_TOKENS + 1, now);
}

/** Counts the checks of tokens in a window, the latest first and no more than so many: beyond that it says from when on it
 *  has all of them. The times in the ids bound the partitions that are read. */
export async function usageOf(
  db: Db,
  workspaceId: WorkspaceId,
  ids: readonly TokenId[],
  window: UsageWindow,
): Promise<Usage> {
  const rows = await db.execute<Row>(usageQuery(workspaceId, ids, window));
  const days = new Map<string, Counts>();
  const places = new Map<PlaceKind, UsedPlace[]>();
  const onRunners: UsedPlace[] = [];
  let completeSince = window.from;
  for (const { kind, value, ...row } of rows) {
    const counts = { allowed: Number(row.allowed), denied: Number(row.denied) };
    const place = { value, firstAt: new Date(Number(row.first_ms)), lastAt: new Date(Number(row.last_ms)), ...counts };
    if (kind === 'day') days.set(value, counts);
    // What lies in the same millisecond as the first that was not counted may not be counted either.
    else if (kind === 'beyond') completeSince = new Date(place.lastAt.getTime() + 1);
    else if (kind === 'runner') onRunners.push(place);
    else places.set(kind, [...(places.get(kind) ?? []), place]);
  }
  return { completeSince, days, places, runners: await named(db, workspaceId, onRunners) };
}

interface Row extends Record<string, unknown> {
  readonly kind: PlaceKind | 'runner' | 'day' | 'beyond';
  readonly value: string;
  readonly first_ms: string;
  readonly last_ms: string;
  readonly allowed: string;
  readonly denied: string;
}

/** One statement, so that days and places are counted over the same rows. Each token's checks come from the index in the
 *  order of their ids and are merged, so that no more are read than are counted. */
function usageQuery(workspaceId: WorkspaceId, ids: readonly TokenId[], { from, to }: UsageWindow): SQL {
  const ofToken = (id: TokenId) => sql`
    (select id, as_of, decision, context ->> 'repository' as repository, context ->> 'ref' as ref,
       context ->> 'environment' as environment, context ->> 'job' as job, runner_id, ip
     from ${execChecks}
     where workspace_id = ${workspaceId} and token_id = ${id}
       and id >= ${idFloor('chk', from)} and id < ${idFloor('chk', to)}
     order by id desc limit ${MAX_COUNTED_CHECKS + 1})`;
  const latest = sql.join(ids.map(ofToken), sql` union all `);
  return sql`
    with found as materialized (
      select *, row_number() over (order by id desc) as place from (
        select * from (${latest}) each order by id desc limit ${MAX_COUNTED_CHECKS + 1}
      ) merged
    ), counted as (
      select *, (extract(epoch from as_of) * 1000)::bigint as ms from found where place <= ${MAX_COUNTED_CHECKS}
    ), grouped as (
      select kind, value, min(ms) as first_ms, max(ms) as last_ms,
        count(*) filter (where decision = 'allow') as allowed, count(*) filter (where decision = 'deny') as denied
      from counted cross join lateral (values
        ('day', to_char(as_of at time zone 'UTC', 'YYYY-MM-DD')), ('repository', repository), ('ref', ref),
        ('environment', environment), ('job', job), ('runner', runner_id::text), ('address', ip)
      ) told (kind, value)
      where value is not null group by kind, value
    ), ranked as (
      select *, row_number() over (partition by kind order by last_ms desc, value) as rank from grouped
    )
    select kind, value, first_ms, last_ms, allowed, denied, rank from ranked
      where kind = 'day' or rank <= ${MAX_USED_PLACES + 1}
    union all
    select 'beyond', '', 0, (extract(epoch from as_of) * 1000)::bigint, 0, 0, 0 from found
      where place > ${MAX_COUNTED_CHECKS}
    order by kind, rank`;
}

/** Runners with their names: those that were removed have one, too. */
async function named(db: Db, workspaceId: WorkspaceId, places: readonly UsedPlace[]): Promise<UsedRunner[]> {
  if (places.length === 0) return [];
  const ids = places.map(({ value }) => value);
  const rows = await db
    .select({ id: runners.id, name: runners.name })
    .from(runners)
    .where(and(eq(runners.workspaceId, workspaceId), sql`${runners.id} = any(${sql.param(ids)}::uuid[])`));
  const known = new Map<string, (typeof rows)[number]>(rows.map((row) => [row.id, row]));
  return places.flatMap(({ value, ...place }) => {
    const runner = known.get(value);
    return runner === undefined ? [] : [{ ...runner, ...place }];
  });
}
