import { and, asc, desc, eq, gt, gte, isNotNull, isNull, lt, lte, or, type SQL, sql } from 'drizzle-orm';
import { idFloor, parsePublicId, printId, type TokenId, type WorkspaceId } from '../rules/format.js';
import { addDays } from '../rules/lifetime.js';
import { type Db, inTransaction, type Tx } from './database.js';
import { type NewEvent, recordEvents, SYSTEM } from './events.js';
import { isPoliced } from './live-tokens.js';
import { notifyChange } from './notifications.js';
import { auditEvents, execChecks, tokens, workspaces } from './schema.js';
import { lockWorkspace } from './workspace-lock.js';
import { findPolicy } from './workspace-policy.js';

const FREEZE_LOCK = 4_837_201_188;
const ROWS_AT_ONCE = 1_000;
/** How many rows one pass looks through in a workspace. */
const ROWS_A_PASS = 5_000;
const ROWS_COUNTED_AT_ONCE = 20_000;
/** How many unfreezings are remembered, the newest. */
const MAX_UNFROZEN = 10_000;

/** Freezes the tokens that nobody uses, where the policy of the workspace says so. */
export interface UnusedFreezer {
  /** Looks through the next few thousand tokens of each such workspace, and begins anew at the end. Gives how many it
   *  froze. Of all processes on a database one at a time freezes; each token is frozen once. */
  pass(now: Date): Promise<number>;
}

/** Remembers where it is in memory: a process that starts anew begins anew. */
export function createUnusedFreezer(db: () => Db): UnusedFreezer {
  const places = new Map<WorkspaceId, TokenId>();

  async function passOf(workspaceId: WorkspaceId, days: number, now: Date): Promise<number> {
    let frozen = 0;
    for (let looked = 0; looked < ROWS_A_PASS; looked += ROWS_AT_ONCE) {
      const after = places.get(workspaceId);
      const within = and(isOldEnough(workspaceId, days, now), after && gt(tokens.id, after));
      const end = await sliceEnd(db(), within, ROWS_AT_ONCE);
      frozen += await freezeSome(db(), workspaceId, and(within, end && lte(tokens.id, end)), days, now);
      if (end === undefined) {
        places.delete(workspaceId);
        break;
      }
      places.set(workspaceId, end);
    }
    return frozen;
  }

  return {
    pass: async (now) => {
      const held = await db()
        .select({ id: workspaces.id, policy: workspaces.policy })
        .from(workspaces)
        .where(isNotNull(workspaces.policy));
      let frozen = 0;
      for (const { id, policy } of held) {
        const days = policy?.freezeUnusedAfterDays;
        if (days !== undefined) frozen += await passOf(id, days, now);
      }
      return frozen;
    },
  };
}

/** How many tokens would be frozen now. Reads all tokens of the workspace that are old enough, in slices. */
export async function countUnused(db: Db, workspaceId: WorkspaceId, days: number, now: Date): Promise<number> {
  const unfrozen = [...(await unfrozenSince(db, workspaceId, addDays(now, -days))).keys()];
  const isUnfrozen = sql`${tokens.id} = any(${sql.param(unfrozen)}::uuid[])`;
  let total = 0;
  let after: TokenId | undefined;
  do {
    const within = and(isOldEnough(workspaceId, days, now), after && gt(tokens.id, after));
    const end = await sliceEnd(db, within, ROWS_COUNTED_AT_ONCE);
    const [found] = await db
      .select({ due: sql<number>`count(*)::int` })
      .from(tokens)
      .where(and(within, end && lte(tokens.id, end), isDue(days, now), sql`not ${isUnfrozen}`));
    total += found?.due ?? 0;
    after = end;
  } while (after !== undefined);
  return total;
}

/** When tokens were unfrozen, since an instant: that counts as a use. */
export async function unfrozenSince(
  db: Db | Tx,
  workspaceId: WorkspaceId,
  since: Date,
): Promise<ReadonlyMap<TokenId, Date>> {
  const rows = await db
    .select({ target: auditEvents.target, at: auditEvents.at })
    .from(auditEvents)
    .where(
      and(
        eq(auditEvents.workspaceId, workspaceId),
        eq(auditEvents.action, 'token.unfrozen'),
        gt(auditEvents.at, since),
      ),
    )
    .orderBy(desc(auditEvents.seq))
    .limit(MAX_UNFROZEN);
  const latest = new Map<TokenId, Date>();
  for (const { target, at } of rows) {
    const id = parsePublicId('tok', target);
    if (id !== undefined && !latest.has(id)) latest.set(id, at);
  }
  return latest;
}

/** The last of so many rows; `undefined` when there are no more. */
async function sliceEnd(db: Db, within: SQL | undefined, rows: number): Promise<TokenId | undefined> {
  const [row] = await db
    .select({ id: tokens.id })
    .from(tokens)
    .where(within)
    .orderBy(asc(tokens.id))
    .offset(rows - 1)
    .limit(1);
  return row?.id;
}

function freezeSome(db: Db, workspaceId: WorkspaceId, slice: SQL | undefined, days: number, now: Date) {
  return inTransaction(db, async (tx) => {
    const [lock] = await tx.execute<{ taken: boolean }>(
      sql`select pg_try_advisory_xact_lock(${FREEZE_LOCK}::bigint) as taken`,
    );
    if (lock?.taken !== true) return 0;
    // The workspace before its tokens, as everybody locks them; a policy that was lifted freezes nothing more.
    await lockWorkspace(tx, workspaceId, 'issue');
    if ((await findPolicy(tx, workspaceId))?.freezeUnusedAfterDays !== days) return 0;
    // Whoever used, froze or revoked one meanwhile was first: the condition is weighed again behind its lock. In the order
    // of their ids, so that two that lock tokens never wait for each other in a circle.
    const locked = await tx
      .select({ id: tokens.id, lastUsedAt: tokens.lastUsedAt })
      .from(tokens)
      .where(and(slice, isDue(days, now)))
      .orderBy(asc(tokens.id))
      .for('update');
    if (locked.length === 0) return 0;
    // Read behind the locks, so that nobody unfreezes one of them in between.
    const unfrozen = await unfrozenSince(tx, workspaceId, addDays(now, -days));
    const due = locked.filter(({ id }) => !unfrozen.has(id));
    if (due.length === 0) return 0;
    const ids = due.map(({ id }) => id);
    await tx
      .update(tokens)
      .set({ frozenAt: now, frozenReason: 'unused' })
      .where(and(eq(tokens.workspaceId, workspaceId), sql`${tokens.id} = any(${sql.param(ids)}::uuid[])`));
    await notifyChange(tx, workspaceId);
    const events = due.map(({ id, lastUsedAt }): NewEvent => {
      const data = { reason: 'unused', after_days: days, last_used_at: lastUsedAt?.toISOString() ?? null };
      return { action: 'token.frozen', target: printId('tok', id), data };
    });
    await recordEvents(tx, workspaceId, SYSTEM, events, now);
    return due.length;
  });
}

/** The tokens that a policy speaks of and that were made so many days ago. */
function isOldEnough(workspaceId: WorkspaceId, days: number, now: Date): SQL | undefined {
  return and(isPoliced(workspaceId, now), lt(tokens.id, idFloor('tok', new Date(addDays(now, -days).getTime() + 1))));
}

/** What is left to freeze, as the rules have it (`freezesAt`), but for what was unfrozen. Last uses are written down a
 *  moment after the use; an exec check is on record before its answer, and counts too. */
function isDue(days: number, now: Date): SQL | undefined {
  const since = addDays(now, -days).toISOString();
  const isChecked = sql`exists (select 1 from ${execChecks} where ${and(
    eq(execChecks.workspaceId, tokens.workspaceId),
    eq(execChecks.tokenId, tokens.id),
    gte(execChecks.id, idFloor('chk', addDays(now, -days))),
    eq(execChecks.decision, 'allow'),
  )})`;
  return and(
    isNull(tokens.revokedAt),
    isNull(tokens.frozenAt),
    isNull(tokens.rotatedTo),
    isNull(tokens.sessionId),
    isNull(tokens.trustRuleId),
    gt(tokens.expiresAt, now),
    sql`coalesce(${tokens.lastUsedAt}, greatest(${tokens.createdAt}, ${tokens.notBefore})) <= ${since}::timestamptz`,
    or(isNull(tokens.firstUsedAt), sql`not ${isChecked}`),
  );
}
