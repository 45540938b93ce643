import { createHash } from 'node:crypto';
import { and, eq, inArray, lt, sql } from 'drizzle-orm';
import type { MemberId, TokenId, WorkspaceId } from '../rules/format.js';
import { addDays } from '../rules/lifetime.js';
import { accept, type Result, refuse } from '../rules/refusal.js';
import type { TransactionSql } from './connect.js';
import type { Db, Tx } from './database.js';
import { idempotencyKeys } from './schema.js';

/** A retry of a mint is known by its member, its key and its body. The key is kept as a hash. */
export interface IdempotentRequest {
  readonly key: string;
  readonly body: string;
}

/** Whose key it is: another member's is another one. */
export interface KeyOwner {
  readonly workspaceId: WorkspaceId;
  readonly memberId: MemberId;
}

/** How long a retried mint is recognised, in days. */
const IDEMPOTENCY_DAYS = 1;

/** The tokens that the same request got before, in its order; `undefined` when there was none. `count` is how many it asks
 *  for. Refuses `conflict` when the key was another request's. */
export async function findRetried(
  db: Db | Tx,
  owner: KeyOwner,
  request: IdempotentRequest,
  count: number,
  now: Date,
): Promise<Result<readonly TokenId[]> | undefined> {
  const hashes = keyHashes(request, count);
  const found = await db
    .select({
      key: idempotencyKeys.key,
      tokenId: idempotencyKeys.tokenId,
      bodyHash: idempotencyKeys.bodyHash,
      at: idempotencyKeys.createdAt,
    })
    .from(idempotencyKeys)
    .where(keysAre(owner, hashes));
  const rows = new Map(found.filter(({ at }) => at >= addDays(now, -IDEMPOTENCY_DAYS)).map((row) => [row.key, row]));
  if (rows.size === 0) return undefined;
  const bodyHash = sha256(request.body);
  const ids = hashes.flatMap((hash) => rows.get(hash) ?? []).filter((row) => row.bodyHash.equals(bodyHash));
  if (ids.length === count) return accept(ids.map(({ tokenId }) => tokenId));
  const detail = 'this Idempotency-Key was used for another request';
  return refuse({ kind: 'conflict', code: 'idempotency_key_reused', detail });
}

/** Takes the key for tokens, or tells which ones have it. A concurrent holder is waited for. */
export async function claimKey(
  tx: Tx,
  owner: KeyOwner,
  request: IdempotentRequest,
  ids: readonly TokenId[],
  now: Date,
): Promise<Result<readonly TokenId[]>> {
  const hashes = keyHashes(request, ids.length);
  const isOld = lt(idempotencyKeys.createdAt, addDays(now, -IDEMPOTENCY_DAYS));
  await tx.delete(idempotencyKeys).where(and(keysAre(owner, hashes.slice(0, 1)), isOld));
  const bodyHash = sha256(request.body);
  const rows = ids.map((tokenId, at) => ({ ...owner, key: hashes[at] ?? '', bodyHash, tokenId, createdAt: now }));
  // Whoever has the first one has the others: what is there of them is as old as that was.
  const first = tx.insert(idempotencyKeys).values(rows.slice(0, 1)).onConflictDoNothing();
  const claimed = await first.returning({ tokenId: idempotencyKeys.tokenId });
  if (claimed.length > 0) {
    if (rows.length > 1) await replaceAll(tx, rows.slice(1));
    return accept(ids);
  }
  const held = await findRetried(tx, owner, request, ids.length, now);
  if (held === undefined) throw new Error('a key that is taken is nobody’s');
  return held;
}

async function replaceAll(tx: Tx, rows: readonly (typeof idempotencyKeys.$inferInsert)[]): Promise<void> {
  const { workspaceId, memberId, key } = idempotencyKeys;
  const set = {
    bodyHash: sql`excluded.body_hash`,
    tokenId: sql`excluded.token_id`,
    createdAt: sql`excluded.created_at`,
  };
  await tx
    .insert(idempotencyKeys)
    .values([...rows])
    .onConflictDoUpdate({ target: [workspaceId, memberId, key], set });
}

/** Forgets the keys that no retry can mean any more. */
export async function dropOldKeys(tx: TransactionSql, now: Date): Promise<void> {
  await tx`delete from idempotency_keys where created_at < ${addDays(now, -IDEMPOTENCY_DAYS).toISOString()}`;
}

function keysAre({ workspaceId, memberId }: KeyOwner, hashes: readonly string[]) {
  return and(
    eq(idempotencyKeys.workspaceId, workspaceId),
    eq(idempotencyKeys.memberId, memberId),
    inArray(idempotencyKeys.key, [...hashes]),
  );
}

/** One for each token. The first is the key's own, so that no other mint takes it; a line break is in no key. */
function keyHashes({ key }: IdempotentRequest, count: number): string[] {
  return Array.from({ length: count }, (_, at) => sha256(at === 0 ? key : `${key}\n${at}`).toString('hex'));
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text, 'utf8').digest();
}
