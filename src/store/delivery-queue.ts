import { type SQL, sql } from 'drizzle-orm';
import type { DeliveryId, WorkspaceId } from '../rules/format.js';
import { addDays } from '../rules/lifetime.js';
import type { DeliveryStatus } from '../rules/webhook.js';
import type { TransactionSql } from './connect.js';
import type { Tx } from './database.js';

/** A table of messages that are on their way. */
export interface DeliveryQueue {
  readonly table: 'webhook_deliveries' | 'mail_deliveries';
  /** To whom a message goes: one who is slow holds up no other. */
  readonly receiver: SQL;
  /** How many messages to one receiver are under way at a time, of one process. */
  readonly atOncePerReceiver: number;
}

// Longer than an attempt may take: what was not settled by then belonged to a process that died.
const LEASE_SECONDS = 60;
const RETENTION_DAYS = 30;
const MAX_PER_DELETION = 10_000;

/** Takes messages that are due, a few of each receiver, those to `busy` left out. What is taken is nobody else's for a
 *  minute, and counts as attempted: a process that dies meanwhile loses none. */
export async function claimDue(
  tx: Tx,
  { table, receiver, atOncePerReceiver }: DeliveryQueue,
  query: { readonly limit: number; readonly busy: readonly string[] },
  now: Date,
): Promise<readonly { readonly workspace_id: WorkspaceId; readonly id: DeliveryId }[]> {
  const at = sql`${now.toISOString()}::timestamptz`;
  const name = sql.identifier(table);
  return tx.execute<{ workspace_id: WorkspaceId; id: DeliveryId }>(sql`
    with ranked as (
      select workspace_id, id, row_number() over (partition by ${receiver} order by next_attempt_at, id) as place
      from ${name} where status = 'pending' and next_attempt_at <= ${at}
        and (${receiver})::text <> all(${sql.param([...query.busy])}::text[])),
    taken as (
      select d.workspace_id, d.id from ${name} d join ranked r using (workspace_id, id)
      where r.place <= ${atOncePerReceiver} and d.status = 'pending' and d.next_attempt_at <= ${at}
      order by r.place, d.next_attempt_at limit ${query.limit} for update of d skip locked)
    update ${name} d set attempts = d.attempts + 1, last_attempt_at = ${at},
      next_attempt_at = ${at} + ${LEASE_SECONDS} * interval '1 second'
    from taken t where d.workspace_id = t.workspace_id and d.id = t.id
    returning d.workspace_id, d.id`);
}

/** Where a message stands after an attempt. */
export interface Standing {
  readonly status: DeliveryStatus;
  readonly nextAttemptAt: Date | null;
  readonly lastFault: string | null;
}

/** It has arrived. */
export const DELIVERED: Standing = { status: 'delivered', nextAttemptAt: null, lastFault: null };

/** It is not sent again by itself. */
export function dead(fault: string): Standing {
  return { status: 'dead', nextAttemptAt: null, lastFault: fault };
}

/** It is sent again at a time; without one it is dead. */
export function failed(fault: string, retryAt: Date | undefined): Standing {
  return retryAt === undefined ? dead(fault) : { status: 'pending', nextAttemptAt: retryAt, lastFault: fault };
}

/** It is on its way once more, with all its attempts anew. */
export function replayed(now: Date): Standing & { readonly attempts: number } {
  return { status: 'pending', attempts: 0, nextAttemptAt: now, lastFault: null };
}

/** Deletes messages that were made more than 30 days ago, 10 000 at most. Gives whether there may be more of them. */
export async function dropOldDeliveries(
  tx: TransactionSql,
  table: DeliveryQueue['table'],
  now: Date,
): Promise<boolean> {
  const oldest = addDays(now, -RETENTION_DAYS).toISOString();
  const { count: deleted } = await tx`
    delete from ${tx(table)} where ctid = any(array(
      select ctid from ${tx(table)} where created_at < ${oldest} order by created_at limit ${MAX_PER_DELETION}))`;
  return deleted === MAX_PER_DELETION;
}
