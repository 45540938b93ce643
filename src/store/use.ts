import { and, eq, sql } from 'drizzle-orm';
import { type CheckId, printId, type TokenId } from '../rules/format.js';
import { type Db, inTransaction } from './database.js';
import { recordEvents, SYSTEM } from './events.js';
import type { StoredToken } from './lookup.js';
import { tokens } from './schema.js';

/** One use of a token: when, from which address, and which other token asked about it, if one did. `checkId` is the exec
 *  check that let a run begin by it. */
export interface Use {
  readonly at: Date;
  readonly ip: string | undefined;
  readonly by: TokenId | undefined;
  readonly checkId?: CheckId | undefined;
}

/** Puts the first use of a token on record, before anything is answered. With a successor's first use its predecessor
 *  begins to drain, in the same transaction. Gives false when the token holds another secret by now: it was never used
 *  and a rotation replaced it meanwhile. */
export async function recordFirstUse(db: Db, token: StoredToken, use: Use): Promise<boolean> {
  const { workspaceId, id } = token.facts;
  const key = and(eq(tokens.workspaceId, workspaceId), eq(tokens.id, id));
  return inTransaction(db, async (tx) => {
    const [row] = await tx
      .select({ firstUsedAt: tokens.firstUsedAt, secretSetAt: tokens.secretSetAt })
      .from(tokens)
      .where(key)
      .for('update');
    // Not by the digest: another node may have made that anew, of the same secret.
    if (row?.secretSetAt.getTime() !== token.secretSetAt.getTime()) return false;
    if (row.firstUsedAt) return true;
    const used = { firstUsedAt: use.at, lastUsedAt: use.at, lastUsedIp: use.ip ?? null, lastUsedBy: use.by ?? null };
    await tx.update(tokens).set(used).where(key);
    if (token.rotatedFrom) {
      const target = printId('tok', token.rotatedFrom);
      const data = { successor: printId('tok', id) };
      await recordEvents(tx, workspaceId, SYSTEM, [{ action: 'token.drain_started', target, data }], use.at);
    }
    return true;
  });
}

/** Re-makes a token's digest under the current pepper, after argon2id has verified its secret. Another instance may have
 *  done it already, or the secret was replaced: then nothing is written. */
export async function remakeDigest(
  db: Db,
  token: StoredToken,
  fresh: { readonly digest: Buffer; readonly pepperKid: string },
): Promise<void> {
  const { workspaceId, id } = token.facts;
  await db
    .update(tokens)
    .set(fresh)
    .where(and(eq(tokens.workspaceId, workspaceId), eq(tokens.id, id), eq(tokens.digest, token.stored.digest)));
}

/** The argon2id string of a token; `undefined` for one that carries none. It changes with the secret and only then. */
export async function verifierOf(db: Db, token: StoredToken): Promise<string | undefined> {
  const { workspaceId, id } = token.facts;
  const [row] = await db
    .select({ verifier: tokens.verifier })
    .from(tokens)
    .where(and(eq(tokens.workspaceId, workspaceId), eq(tokens.id, id)));
  return row?.verifier ?? undefined;
}

/** Gathers when and from where tokens were last used, to be written down apart: the hot path pays nothing. */
export interface UseLog {
  note(token: StoredToken, use: Use): void;
  /** Writes the last uses of the 100 tokens that have waited longest, and gives how many of them were written. So few that
   *  no lookup waits long behind them. Throws what the database throws; what was not written is kept. */
  flush(): Promise<number>;
}

const MAX_GATHERED = 10_000;
const MAX_WRITTEN = 100;

interface LastUse {
  atMs: number;
  ip: string | undefined;
  by: TokenId | undefined;
  /** Of the last run, whatever came after it. */
  checkId: CheckId | undefined;
}

export function createUseLog(db: () => Db): UseLog {
  const gathered = new Map<TokenId, LastUse>();

  /** Gives the tokens that were free. One that is locked is not waited for: whoever holds it may wait for another that
   *  this statement holds. */
  async function write(uses: ReadonlyMap<TokenId, LastUse>): Promise<readonly TokenId[]> {
    const rows = [...uses].map(([id, use]) => ({
      id,
      at: new Date(use.atMs).toISOString(),
      ip: use.ip ?? null,
      by: use.by ?? null,
      check_id: use.checkId ?? null,
    }));
    const free = await db().execute<{ id: TokenId }>(sql`
      with free as (
        select k.workspace_id, r.* from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb)
          as r(id uuid, at timestamptz, ip text, by uuid, check_id uuid)
        join tokens k on k.id = r.id for update of k skip locked
      ), written as (
        update tokens t set
          last_used_at = greatest(t.last_used_at, u.at),
          last_used_ip = case when t.last_used_at > u.at then t.last_used_ip else u.ip end,
          last_used_by = case when t.last_used_at > u.at then t.last_used_by else u.by end,
          last_used_check_id = greatest(t.last_used_check_id, u.check_id)
        from free u
        where t.workspace_id = u.workspace_id and t.id = u.id
          and (t.last_used_at is null or t.last_used_at < u.at
            or u.check_id > coalesce(t.last_used_check_id, '00000000-0000-0000-0000-000000000000'))
      )
      select id from free`);
    return free.map((row) => row.id);
  }

  return {
    note(token, { at, ip, by, checkId }) {
      const known = gathered.get(token.facts.id);
      if (known === undefined) {
        if (gathered.size < MAX_GATHERED) gathered.set(token.facts.id, { atMs: at.getTime(), ip, by, checkId });
        return;
      }
      // In place, so that a token in constant use leaves no garbage in the old heap.
      known.atMs = at.getTime();
      if (known.ip !== ip) known.ip = ip;
      if (known.by !== by) known.by = by;
      if (checkId !== undefined) known.checkId = checkId;
    },
    async flush() {
      const uses = new Map<TokenId, LastUse>();
      for (const [id, use] of gathered) {
        if (uses.size === MAX_WRITTEN) break;
        uses.set(id, use);
        gathered.delete(id);
      }
      if (uses.size === 0) return 0;
      let written: ReadonlySet<TokenId> = new Set();
      try {
        written = new Set(await write(uses));
      } finally {
        for (const [id, use] of uses) {
          if (written.has(id)) continue;
          // A use that came meanwhile is newer, and may be no run.
          const newer = gathered.get(id);
          if (newer === undefined) gathered.set(id, use);
          else newer.checkId ??= use.checkId;
        }
      }
      return written.size;
    },
  };
}

// A thousand tokens a second at most, each once however often it is used: a use shows within a second while fewer than that
// are in use at a time, and within ten, which is all that is gathered, while there are more.
const EVERY_MS = 100;
const PAUSE_MS = 1_000;

/** Writes what a log gathers, again and again, and waits a second after an error. What it gives stops that and writes the
 *  rest. */
export function keepWriting(log: UseLog, onError: (error: unknown) => void): () => Promise<void> {
  let isStopped = false;
  let writing = Promise.resolve();
  let timer = later(EVERY_MS);

  function later(ms: number): NodeJS.Timeout {
    return setTimeout(() => {
      writing = beat();
    }, ms).unref();
  }

  async function beat(): Promise<void> {
    const written = await attempt();
    if (!isStopped) timer = later(written === undefined ? PAUSE_MS : EVERY_MS);
  }

  /** Gives how many were written; `undefined` after an error. */
  async function attempt(): Promise<number | undefined> {
    try {
      return await log.flush();
    } catch (error) {
      onError(error);
      return undefined;
    }
  }

  return async () => {
    isStopped = true;
    clearTimeout(timer);
    await writing;
    while (await attempt());
  };
}
