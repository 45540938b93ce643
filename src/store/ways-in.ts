import { and, gt, isNull, sql } from 'drizzle-orm';
import type { Db } from './database.js';
import { passkeys, sessions } from './schema.js';

/** Whether anybody could sign in on the pages without an identity provider: somebody has a passkey, or is signed in now. */
export async function hasWayIn(db: Db, now: Date): Promise<boolean> {
  const somebody = db.select({ one: sql`1` }).from(passkeys).limit(1);
  const isOpen = and(isNull(sessions.endedAt), gt(sessions.expiresAt, now));
  const signedIn = db.select({ one: sql`1` }).from(sessions).where(isOpen).limit(1);
  return (await somebody).length > 0 || (await signedIn).length > 0;
}
