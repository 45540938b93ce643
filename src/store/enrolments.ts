import { and, count, eq, gt, lt, sql } from 'drizzle-orm';
import { type EnrolmentId, newId } from '../rules/format.js';
import { addSeconds } from '../rules/lifetime.js';
import { type Result, refuse } from '../rules/refusal.js';
import { ENROLMENT_SECONDS } from '../rules/runner.js';
import { MAX_CODE_TRIES, type UserCode } from '../rules/user-code.js';
import type { TransactionSql } from './connect.js';
import { type Db, inTransaction, type Tx } from './database.js';
import { runnerEnrolments } from './schema.js';
import type { Secrets } from './secret.js';
import { drawUserCode, MAX_WAITING_CODES, weighUserCode } from './user-codes.js';

export type EnrolmentRow = typeof runnerEnrolments.$inferSelect;

/** Notes that a host asks to become a runner. `printed` is its user code, a secret. Refuses `busy` when too many wait. */
export async function openEnrolment(
  db: Db,
  secrets: Secrets,
  draft: Pick<EnrolmentRow, 'name' | 'labels' | 'jkt' | 'ip'>,
  now: Date,
): Promise<Result<{ readonly row: EnrolmentRow; readonly printed: string }>> {
  const [waiting] = await db.select({ count: count() }).from(runnerEnrolments).where(isPending(now));
  if ((waiting?.count ?? 0) >= MAX_WAITING_CODES) return refuse({ kind: 'busy', retryAfterSeconds: 60 });
  return drawUserCode(secrets, (code) => insert(db, { ...draft, ...code }, now));
}

/** The enrolment; of it alone it is not known whether it has ended. */
export async function findEnrolment(db: Db, id: EnrolmentId): Promise<EnrolmentRow | undefined> {
  const [row] = await db.select().from(runnerEnrolments).where(eq(runnerEnrolments.id, id));
  return row;
}

/** Holds an enrolment to the end of the transaction. */
export async function lockEnrolment(tx: Tx, id: EnrolmentId): Promise<EnrolmentRow | undefined> {
  const [row] = await tx.select().from(runnerEnrolments).where(eq(runnerEnrolments.id, id)).for('update');
  return row;
}

/** Changes an enrolment, within a transaction that has locked it. */
export async function updateEnrolment(tx: Tx, id: EnrolmentId, set: Partial<EnrolmentRow>): Promise<void> {
  await tx.update(runnerEnrolments).set(set).where(eq(runnerEnrolments.id, id));
}

/** Finds the waiting enrolment that a user code is of, as {@link weighUserCode} does. */
export function enrolmentByCode(
  db: Db,
  secrets: Secrets,
  code: UserCode,
  now: Date,
): Promise<EnrolmentRow | undefined> {
  const { tries } = runnerEnrolments;
  return weighUserCode(secrets, code, {
    take: async (locator) => {
      const isTaken = and(eq(runnerEnrolments.locator, locator), isPending(now), lt(tries, MAX_CODE_TRIES));
      const counted = { tries: sql`${tries} + 1` };
      const [row] = await db.update(runnerEnrolments).set(counted).where(isTaken).returning();
      return row;
    },
    giveBack: async ({ id }) => {
      const uncounted = { tries: sql`${tries} - 1` };
      await db.update(runnerEnrolments).set(uncounted).where(eq(runnerEnrolments.id, id));
    },
  });
}

/** Whether an enrolment can still be approved. */
export function isOpen(row: EnrolmentRow, now: Date): boolean {
  return row.status === 'pending' && row.expiresAt > now && row.tries < MAX_CODE_TRIES;
}

/** Forgets the enrolments that nobody can approve or fetch any more. */
export async function dropOldEnrolments(tx: TransactionSql, now: Date): Promise<void> {
  await tx`delete from runner_enrolments where expires_at < ${addSeconds(now, -ENROLMENT_SECONDS).toISOString()}`;
}

/** Gives `undefined` when another one that waits has the same locator; one that has expired makes room. */
function insert(
  db: Db,
  draft: Pick<EnrolmentRow, 'name' | 'labels' | 'jkt' | 'ip' | 'locator' | 'verifier'>,
  now: Date,
): Promise<EnrolmentRow | undefined> {
  return inTransaction(db, async (tx) => {
    await tx
      .delete(runnerEnrolments)
      .where(
        and(
          eq(runnerEnrolments.locator, draft.locator),
          eq(runnerEnrolments.status, 'pending'),
          lt(runnerEnrolments.expiresAt, now),
        ),
      );
    const id = newId('enr', now);
    const values = { ...draft, id, tries: 0, createdAt: now, expiresAt: addSeconds(now, ENROLMENT_SECONDS) };
    const [row] = await tx
      .insert(runnerEnrolments)
      .values({ ...values, status: 'pending' })
      .onConflictDoNothing()
      .returning();
    return row;
  });
}

function isPending(now: Date) {
  return and(eq(runnerEnrolments.status, 'pending'), gt(runnerEnrolments.expiresAt, now));
}
