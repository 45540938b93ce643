import { and, count, eq, gt, lt, sql } from 'drizzle-orm';
import { type EnrolmentId, newId } from '../rules/format.js';
import { addSeconds } from '../rules/lifetime.js';
import { accept, type Result, refuse } from '../rules/refusal.js';
import { ENROLMENT_SECONDS, MAX_CODE_TRIES } from '../rules/runner.js';
import { newUserCode, printUserCode, type UserCode, type UserCodeSecret } from '../rules/user-code.js';
import type { TransactionSql } from './connect.js';
import { type Db, inTransaction, type Tx } from './database.js';
import { runnerEnrolments } from './schema.js';
import type { Secrets } from './secret.js';

export type EnrolmentRow = typeof runnerEnrolments.$inferSelect;

/** How many enrolments may wait at the same time, of all hosts together: they are made without credentials. */
const MAX_PENDING = 1_000;
const LOCATOR_DRAWS = 8;

/** Notes that a host asks to become a runner. `printed` is its user code, a secret. Refuses `busy` when too many wait. */
export async function openEnrolment(
  db: Db,
  secrets: Secrets,
  draft: Pick<EnrolmentRow, 'name' | 'labels' | 'jkt' | 'ip'>,
  now: Date,
): Promise<Result<{ readonly row: EnrolmentRow; readonly printed: string }>> {
  const [waiting] = await db.select({ count: count() }).from(runnerEnrolments).where(isPending(now));
  if ((waiting?.count ?? 0) >= MAX_PENDING) return refuse({ kind: 'busy', retryAfterSeconds: 60 });
  const { codeSecret } = newUserCode();
  const verifier = await secrets.hash(codeSecret);
  for (let draw = 0; draw < LOCATOR_DRAWS; draw += 1) {
    const { locator } = newUserCode();
    const row = await insert(db, { ...draft, locator, verifier }, now);
    if (row) return accept({ row, printed: printUserCode({ locator, codeSecret }) });
  }
  return refuse({ kind: 'busy', retryAfterSeconds: 1 });
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

/** Finds the waiting enrolment that a user code is of. A code that is not the right one gives `undefined`, whether it is
 *  mistyped, expired, used, or was tried too often. Each try is on record before its code is weighed, so that many at the
 *  same moment get no more than five in all; a right one is not counted. */
export async function enrolmentByCode(
  db: Db,
  secrets: Secrets,
  { locator, codeSecret }: UserCode,
  now: Date,
): Promise<EnrolmentRow | undefined> {
  const [row] = await db
    .update(runnerEnrolments)
    .set({ tries: sql`${runnerEnrolments.tries} + 1` })
    .where(and(eq(runnerEnrolments.locator, locator), isPending(now), lt(runnerEnrolments.tries, MAX_CODE_TRIES)))
    .returning();
  if (row === undefined) {
    await weighNothing(secrets, codeSecret);
    return undefined;
  }
  if (!(await secrets.verify(row.verifier, codeSecret))) return undefined;
  await db
    .update(runnerEnrolments)
    .set({ tries: sql`${runnerEnrolments.tries} - 1` })
    .where(eq(runnerEnrolments.id, row.id));
  return row;
}

/** Whether an enrolment can still be approved. */
export function isOpen(row: EnrolmentRow, now: Date): boolean {
  return row.status === 'pending' && row.expiresAt > now && row.tries < MAX_CODE_TRIES;
}

/** Forgets the enrolments that nobody can approve or fetch any more. */
export async function dropOldEnrolments(tx: TransactionSql, now: Date): Promise<void> {
  await tx`delete from runner_enrolments where expires_at < ${addSeconds(now, -ENROLMENT_SECONDS).toISOString()}`;
}

let decoy: Promise<string> | undefined;

/** Takes as long as weighing a code does, so that the time tells nobody which first halves wait. */
async function weighNothing(secrets: Secrets, codeSecret: UserCodeSecret): Promise<void> {
  decoy ??= secrets.hash(newUserCode().codeSecret);
  const verifier = await decoy.catch((error: unknown) => {
    decoy = undefined;
    throw error;
  });
  await secrets.verify(verifier, codeSecret);
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
