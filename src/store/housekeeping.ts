import { dropOldPartitions, ensurePartitions } from './checks.js';
import type { Sql, TransactionSql } from './connect.js';
import { dropOldDeliveries } from './delivery-queue.js';
import { dropOldDevices } from './devices.js';
import { dropOldEnrolments } from './enrolments.js';
import { dropOldKeys } from './idempotency.js';
import { unlessLost } from './pool.js';
import { dropOldProofs } from './proofs.js';
import { dropOldSeen } from './seen.js';
import { dropOldSessions } from './sessions.js';
import { dropOldStepUps } from './step-ups.js';
import { dropOldDecisions } from './tool-decisions.js';

const HOUSEKEEPING_LOCK = 4_837_201_185;

/** Makes the partitions that come next, and deletes what is too old. Of all processes on a database one at a time does it:
 *  who comes meanwhile leaves it to that one, who comes later finds it done. Gives the names of dropped partitions. */
export async function keepHouse(sql: Sql, now: Date): Promise<string[]> {
  await ensurePartitions(sql, now);
  await alone(sql, async (tx) => {
    await dropOldKeys(tx, now);
    await dropOldProofs(tx, now);
    await dropOldEnrolments(tx, now);
    await dropOldDevices(tx, now);
    await dropOldSeen(tx, now);
    await dropOldSessions(tx, now);
    await dropOldStepUps(tx, now);
  });
  // In steps, so that none holds its locks for long.
  let isMore = true;
  while (isMore) {
    isMore = false;
    await alone(sql, async (tx) => {
      isMore = await dropOldDecisions(tx, now);
      isMore = (await dropOldDeliveries(tx, 'webhook_deliveries', now)) || isMore;
      isMore = (await dropOldDeliveries(tx, 'mail_deliveries', now)) || isMore;
    });
  }
  // Apart, so that a drop that gives up takes nothing else back.
  let dropped: string[] = [];
  await alone(sql, async (tx) => {
    dropped = await dropOldPartitions(tx, now);
  });
  return dropped;
}

// A lock of the transaction, which a transaction-mode pooler keeps on one connection.
async function alone(sql: Sql, act: (tx: TransactionSql) => Promise<void>): Promise<void> {
  await sql.begin((tx) =>
    unlessLost(async () => {
      const [lock] = await tx`select pg_try_advisory_xact_lock(${HOUSEKEEPING_LOCK}) as taken`;
      if (lock?.['taken'] === true) await act(tx);
    }),
  );
}
