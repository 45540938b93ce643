import { and, asc, eq, lte, sql } from 'drizzle-orm';
import type { TokenId, WorkspaceId } from '../rules/format.js';
import { type Db, inTransaction } from './database.js';
import { SYSTEM } from './events.js';
import { revokeWhere } from './revocations.js';
import { tokens } from './schema.js';

const OFFERS_LOCK = 4_837_201_187;
const MAX_AT_ONCE = 1_000;

/** Ends the tokens that nobody took over in time, a thousand at once. Of all processes on a database one at a time does it.
 *  Gives how many ended. */
export async function endLapsedOffers(db: Db, now: Date): Promise<number> {
  let ended = 0;
  for (;;) {
    const lapsed = await db
      .select({ workspaceId: tokens.workspaceId, id: tokens.id })
      .from(tokens)
      .where(isLapsed(now))
      .orderBy(asc(tokens.takeoverUntil))
      .limit(MAX_AT_ONCE);
    let closed = 0;
    for (const workspaceId of new Set(lapsed.map((token) => token.workspaceId))) {
      const ids = lapsed.filter((token) => token.workspaceId === workspaceId).map(({ id }) => id);
      const done = await endSome(db, workspaceId, ids, now);
      ended += done.ended;
      closed += done.closed;
    }
    // Another process is at it, or nothing is left.
    if (lapsed.length < MAX_AT_ONCE || closed === 0) return ended;
  }
}

function endSome(db: Db, workspaceId: WorkspaceId, ids: readonly TokenId[], now: Date) {
  return inTransaction(db, async (tx) => {
    const [lock] = await tx.execute<{ taken: boolean }>(
      sql`select pg_try_advisory_xact_lock(${OFFERS_LOCK}::bigint) as taken`,
    );
    if (lock?.taken !== true) return { ended: 0, closed: 0 };
    const named = and(eq(tokens.workspaceId, workspaceId), sql`${tokens.id} = any(${sql.param([...ids])}::uuid[])`);
    // Whoever took one over, thawed or revoked it meanwhile was first.
    const rows = await tx
      .select({ id: tokens.id })
      .from(tokens)
      .where(and(named, isLapsed(now)))
      .orderBy(asc(tokens.id))
      .for('update');
    const open = sql`${tokens.id} = any(${sql.param(rows.map(({ id }) => id))}::uuid[])`;
    const isOpen = and(eq(tokens.workspaceId, workspaceId), open);
    await tx.update(tokens).set({ takeoverBy: null, takeoverUntil: null }).where(isOpen);
    const cause = { reason: 'owner_left', note: 'nobody took it over in time', origin: SYSTEM } as const;
    const revoked = await revokeWhere(tx, workspaceId, open, cause, now);
    return { ended: revoked.length, closed: rows.length };
  });
}

function isLapsed(now: Date) {
  return lte(tokens.takeoverUntil, now);
}
