import { inArray, sql } from 'drizzle-orm';
import { addSeconds } from '../rules/lifetime.js';
import type { Tx } from './database.js';
import { seenOnce } from './schema.js';
import { seenDigest } from './seen.js';

/** Whose sessions a provider ends, as it says itself, and when it said so: all of a person's there, or those of one session
 *  there. */
export interface ProviderLogout {
  readonly issuer: string;
  readonly jti: string;
  readonly subject: string | undefined;
  readonly sid: string | undefined;
  /** By the provider's clock. */
  readonly at: Date;
}

/** Somebody who comes from a provider, and when it proved who that is, by its clock. */
export interface Proof {
  readonly issuer: string;
  readonly subject: string;
  readonly sid: string | undefined;
  readonly provenAt: Date;
}

/** How long a logout is remembered, in seconds: longer than somebody may take from the proof to the session. */
const KEPT_SECONDS = 3600;
// Any pair of numbers does that nobody else uses as an advisory lock in this database.
const LOCK_CLASS = 4_837_202;

/** Holds off the logouts of a provider to the end of the transaction, beside other sign-ins, and tells whether the provider
 *  has ended since what it proved: then no session must start. One that starts here is there for the next logout to see. */
export async function isLoggedOut(tx: Tx, { issuer, subject, sid, provenAt }: Proof): Promise<boolean> {
  await tx.execute(sql`select pg_advisory_xact_lock_shared(${LOCK_CLASS}::int, hashtext(${issuer}))`);
  const names = [ofPerson(subject), ...(sid === undefined ? [ofNoSid(subject)] : [ofSid(sid), ofSid(sid, subject)])];
  const rows = await tx
    .select({ expiresAt: seenOnce.expiresAt })
    .from(seenOnce)
    .where(
      inArray(
        seenOnce.digest,
        names.map((name) => digestOf(issuer, name)),
      ),
    );
  return rows.some(({ expiresAt }) => expiresAt >= addSeconds(provenAt, KEPT_SECONDS));
}

/** Remembers a logout for those who have proven who they are and have no session yet, within a transaction. It waits for the
 *  sign-ins under way. */
export async function noteLogout(tx: Tx, { issuer, subject, sid, at }: ProviderLogout): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(${LOCK_CLASS}::int, hashtext(${issuer}))`);
  const ofBoth = subject === undefined ? [] : sid === undefined ? [ofPerson(subject)] : [ofNoSid(subject)];
  const names = [...ofBoth, ...(sid === undefined ? [] : [ofSid(sid, subject)])];
  const expiresAt = addSeconds(at, KEPT_SECONDS);
  for (const name of names) {
    await tx
      .insert(seenOnce)
      .values({ digest: digestOf(issuer, name), expiresAt })
      .onConflictDoUpdate({
        target: seenOnce.digest,
        set: { expiresAt: sql`greatest(${seenOnce.expiresAt}, excluded.expires_at)` },
      });
  }
}

function digestOf(issuer: string, name: readonly string[]): Buffer {
  return seenDigest('provider_logout', JSON.stringify([issuer, ...name]));
}

/** Everything of a person. */
const ofPerson = (subject: string) => ['person', subject];
/** What a person has of which the provider told no `sid`. */
const ofNoSid = (subject: string) => ['no sid', subject];
/** A session at the provider, of a person where the logout names one. */
const ofSid = (sid: string, subject?: string) => ['sid', sid, ...(subject === undefined ? [] : [subject])];
