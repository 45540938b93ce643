import { and, desc, eq, inArray } from 'drizzle-orm';
import { printId } from '../rules/format.js';
import type { Tx } from './database.js';
import { auditEvents, type members } from './schema.js';

type Member = Pick<typeof members.$inferSelect, 'workspaceId' | 'id' | 'status'>;

// A suspension by hand and one by a provider, each once, are two.
const LOOKED_BACK = 10;

/** Whether one of the suspensions that go on was somebody's own act, and not a word from outside, within a transaction. */
export async function isSuspendedByHand(tx: Tx, { workspaceId, id, status }: Member): Promise<boolean> {
  if (status !== 'suspended') return false;
  const latest = await tx
    .select({ action: auditEvents.action, data: auditEvents.data })
    .from(auditEvents)
    .where(
      and(
        eq(auditEvents.workspaceId, workspaceId),
        eq(auditEvents.target, printId('mem', id)),
        inArray(auditEvents.action, ['member.suspended', 'member.reactivated']),
      ),
    )
    .orderBy(desc(auditEvents.seq))
    .limit(LOOKED_BACK);
  const end = latest.findIndex(({ action }) => action === 'member.reactivated');
  const goingOn = end < 0 ? latest : latest.slice(0, end);
  return goingOn.some(({ data }) => data['left'] !== true);
}
