import { createHash } from 'node:crypto';
import { eq } from 'drizzle-orm';
import type { TransactionSql } from './connect.js';
import type { Db, Tx } from './database.js';
import { seenOnce } from './schema.js';

/** What is taken once. The kind keeps two things of the same name apart. */
export type OnceKind =
  | 'sign_in_state'
  | 'webauthn_challenge'
  | 'passkey_link'
  | 'federated_jti'
  | 'logout_jti'
  | 'revocation_journal'
  | 'provider_logout';

/** Takes a thing, for good: of those that bring the same one, on whichever node, one is told that it was the first. It is
 *  remembered until `expiresAt`: from then on it must be refused for its age. */
export async function takeOnce(db: Db | Tx, kind: OnceKind, name: string, expiresAt: Date): Promise<boolean> {
  const rows = await db
    .insert(seenOnce)
    .values({ digest: seenDigest(kind, name), expiresAt })
    .onConflictDoNothing()
    .returning({ expiresAt: seenOnce.expiresAt });
  return rows.length === 1;
}

/** Whether a thing was taken. Somebody may take it right after: to take it is to know. */
export async function wasTaken(db: Db | Tx, kind: OnceKind, name: string): Promise<boolean> {
  const rows = await db
    .select({ expiresAt: seenOnce.expiresAt })
    .from(seenOnce)
    .where(eq(seenOnce.digest, seenDigest(kind, name)));
  return rows.length === 1;
}

/** Forgets what would not be taken any more for its age alone. */
export async function dropOldSeen(tx: TransactionSql, now: Date): Promise<void> {
  await tx`delete from seen_once where expires_at < ${now.toISOString()}`;
}

/** What a thing is remembered by. */
export function seenDigest(kind: OnceKind, name: string): Buffer {
  return createHash('sha256').update(`${kind}\n${name}`, 'utf8').digest();
}
