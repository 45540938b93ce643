import type { TransactionSql } from './connect.js';
import type { Db } from './database.js';
import { dpopProofs } from './schema.js';

/** Takes a proof of possession, for good: of those that bring the same one, on whichever node, one is told that it was
 *  the first. RFC 9449 section 11.1. */
export async function claimProof(db: Db, jtiHash: Buffer, expiresAt: Date): Promise<boolean> {
  const rows = await db
    .insert(dpopProofs)
    .values({ jtiHash, expiresAt })
    .onConflictDoNothing()
    .returning({ expiresAt: dpopProofs.expiresAt });
  return rows.length === 1;
}

/** Forgets the proofs that would not be taken any more for their age alone. */
export async function dropOldProofs(tx: TransactionSql, now: Date): Promise<void> {
  await tx`delete from dpop_proofs where expires_at < ${now.toISOString()}`;
}
