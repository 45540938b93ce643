import { and, eq, gt, isNull, sql } from 'drizzle-orm';
import { parsePublicId, type WorkspaceId } from '../rules/format.js';
import { type Db, inTransaction, type Tx } from './database.js';
import type { Ending } from './endings.js';
import { recordEvents, SYSTEM } from './events.js';
import { notifyChange } from './notifications.js';
import { revokeWhere } from './revocations.js';
import {
  auditEvents,
  members,
  passkeys,
  runners,
  sessions,
  tokens,
  trustRules,
  workflows,
  workspaces,
} from './schema.js';
import { endSessions } from './sessions.js';
import { lockWorkspace } from './workspace-lock.js';

const AT_ONCE = 5000;

/** Does again what a journal tells of and the database does not know: it was restored from an older backup. What is not in
 *  the database cannot be active, and only its ending is noted. Each is on record as `journal.replayed`, so that it is done
 *  once. Gives how many there were. */
export async function replayJournal(db: Db, journaled: readonly Ending[], now: Date): Promise<number> {
  const rows = await db.select({ id: workspaces.id }).from(workspaces);
  let count = 0;
  for (const workspaceId of rows.map(({ id }) => id)) {
    const own = journaled.filter(({ workspace }) => parsePublicId('ws', workspace) === workspaceId);
    if ((await unknownOf(db, workspaceId, own)).length === 0) continue;
    count += await inTransaction(db, async (tx) => {
      await lockWorkspace(tx, workspaceId, 'end');
      // Another node may have been faster.
      const unknown = await unknownOf(tx, workspaceId, own);
      for (const one of unknown) await end(tx, workspaceId, one, now);
      await notifyChange(tx, workspaceId);
      const events = unknown.map(({ action, target, seq, hash, at }) => {
        return { action: 'journal.replayed', target, data: { action, seq, hash, at } } as const;
      });
      await recordEvents(tx, workspaceId, SYSTEM, events, now);
      return unknown.length;
    });
  }
  return count;
}

async function unknownOf(db: Db | Tx, workspaceId: WorkspaceId, endings: readonly Ending[]): Promise<Ending[]> {
  const known = new Set<string>();
  const ofWorkspace = eq(auditEvents.workspaceId, workspaceId);
  for (let at = 0; at < endings.length; at += AT_ONCE) {
    const seqs = endings.slice(at, at + AT_ONCE).map(({ seq }) => String(seq));
    const rows = await db
      .select({ hash: auditEvents.hash })
      .from(auditEvents)
      .where(and(ofWorkspace, sql`${auditEvents.seq} = any(${sql.param(seqs)}::text[]::bigint[])`));
    for (const { hash } of rows) known.add(hash);
  }
  const replayed = await db
    .select({ hash: sql<string>`${auditEvents.data} ->> 'hash'` })
    .from(auditEvents)
    .where(and(ofWorkspace, eq(auditEvents.action, 'journal.replayed')));
  for (const { hash } of replayed) known.add(hash);
  const unknown = new Map(endings.filter(({ hash }) => !known.has(hash)).map((one) => [one.hash, one]));
  return [...unknown.values()];
}

async function end(tx: Tx, workspaceId: WorkspaceId, { action, target, until }: Ending, now: Date): Promise<void> {
  const cause = { reason: 'other', note: 'replayed from the revocation journal', origin: SYSTEM } as const;
  switch (action) {
    case 'workspace.suspended':
      await tx
        .update(workspaces)
        .set({ suspendedAt: now })
        .where(and(eq(workspaces.id, workspaceId), isNull(workspaces.suspendedAt)));
      return;
    case 'member.suspended': {
      const id = parsePublicId('mem', target);
      if (id === undefined) return;
      const isOne = and(eq(members.workspaceId, workspaceId), eq(members.id, id), eq(members.status, 'active'));
      await tx.update(members).set({ status: 'suspended' }).where(isOne);
      await endSessions(tx, workspaceId, eq(sessions.memberId, id), SYSTEM, now);
      return;
    }
    case 'member.removed': {
      const id = parsePublicId('mem', target);
      if (id === undefined) return;
      await tx
        .update(members)
        .set({ status: 'removed' })
        .where(and(eq(members.workspaceId, workspaceId), eq(members.id, id)));
      await endSessions(tx, workspaceId, eq(sessions.memberId, id), SYSTEM, now);
      await revokeWhere(tx, workspaceId, eq(tokens.creatorId, id), cause, now);
      return;
    }
    case 'workflow.paused': {
      const id = parsePublicId('wfl', target);
      if (id === undefined) return;
      const isOne = and(eq(workflows.workspaceId, workspaceId), eq(workflows.id, id), isNull(workflows.pausedAt));
      await tx.update(workflows).set({ pausedAt: now }).where(isOne);
      return;
    }
    case 'token.revoked': {
      const id = parsePublicId('tok', target);
      if (id === undefined) return;
      const isOne = and(eq(tokens.workspaceId, workspaceId), eq(tokens.id, id));
      const endsAt = until === undefined ? undefined : new Date(until);
      // Its successor is unknown here, so that nothing else would end its overlap.
      if (endsAt && endsAt > now) {
        const isLonger = gt(tokens.expiresAt, endsAt);
        await tx.update(tokens).set({ expiresAt: endsAt }).where(and(isOne, isLonger));
        return;
      }
      await revokeWhere(tx, workspaceId, eq(tokens.id, id), endsAt ? { ...cause, reason: 'rotated' } : cause, now);
      return;
    }
    case 'token.frozen': {
      const id = parsePublicId('tok', target);
      if (id === undefined) return;
      const isOne = and(eq(tokens.workspaceId, workspaceId), eq(tokens.id, id), isNull(tokens.frozenAt));
      await tx.update(tokens).set({ frozenAt: now, frozenReason: 'owner_left' }).where(isOne);
      return;
    }
    case 'runner.suspended':
    case 'runner.removed': {
      const id = parsePublicId('rnr', target);
      if (id === undefined) return;
      const isOne = and(eq(runners.workspaceId, workspaceId), eq(runners.id, id));
      if (action === 'runner.suspended') {
        await tx
          .update(runners)
          .set({ status: 'suspended' })
          .where(and(isOne, eq(runners.status, 'active')));
        return;
      }
      await tx.update(runners).set({ status: 'removed' }).where(isOne);
      await revokeWhere(tx, workspaceId, eq(tokens.runnerId, id), cause, now);
      return;
    }
    case 'trust_rule.removed': {
      const id = parsePublicId('trl', target);
      if (id === undefined) return;
      await revokeWhere(tx, workspaceId, eq(tokens.trustRuleId, id), cause, now);
      await tx.delete(trustRules).where(and(eq(trustRules.workspaceId, workspaceId), eq(trustRules.id, id)));
      return;
    }
    case 'passkey.removed': {
      const id = parsePublicId('pky', target);
      if (id === undefined) return;
      await tx.delete(passkeys).where(and(eq(passkeys.workspaceId, workspaceId), eq(passkeys.id, id)));
      return;
    }
    case 'session.ended': {
      // The event names the member: of a restored person all sessions end.
      const id = parsePublicId('mem', target);
      if (id !== undefined) await endSessions(tx, workspaceId, eq(sessions.memberId, id), SYSTEM, now);
      return;
    }
  }
}
