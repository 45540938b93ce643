import { and, eq } from 'drizzle-orm';
import { printId } from '../rules/format.js';
import { isStraggler } from '../rules/incident.js';
import { addSeconds } from '../rules/lifetime.js';
import { overlapEnd } from '../rules/rotation.js';
import { type TokenFacts, tokenStatus } from '../rules/token.js';
import { type Db, inTransaction } from './database.js';
import { recordEvents } from './events.js';
import { recordIncident, sight } from './incidents.js';
import type { StoredToken } from './lookup.js';
import { tokens } from './schema.js';
import type { Use } from './use.js';

/** A dead token costs one write a minute, however often it is used. */
const QUIET_SECONDS = 60;
/** The trail has `token.reused` again when nobody used it for an hour. */
const FORGOTTEN_SECONDS = 3_600;

/** Puts on record that the secret of a superseded or revoked token was used: `token.reused` for a superseded one, and an
 *  incident unless it is the late retry of whoever had used it. */
export async function recordReuse(db: Db, token: StoredToken, use: Use, requestId: string | undefined): Promise<void> {
  const { workspaceId, id, kind } = token.facts;
  const quietSince = addSeconds(use.at, -QUIET_SECONDS);
  if (kind === 'invitation' || isSince(token.reuseRecordedAt, quietSince)) return;
  const was = tokenStatus(token.facts, use.at);
  const isKey = and(eq(tokens.workspaceId, workspaceId), eq(tokens.id, id));
  await inTransaction(db, async (tx) => {
    const [row] = await tx
      .select({
        reuseRecordedAt: tokens.reuseRecordedAt,
        lineageId: tokens.lineageId,
        lastUsedIp: tokens.lastUsedIp,
        lastUsedBy: tokens.lastUsedBy,
      })
      .from(tokens)
      .where(isKey)
      .for('update');
    if (row === undefined || isSince(row.reuseRecordedAt, quietSince)) return;
    await tx.update(tokens).set({ reuseRecordedAt: use.at }).where(isKey);
    const target = printId('tok', id);
    const by = use.by && printId('tok', use.by);
    const origin = { actorType: 'token', actorId: target, ip: use.ip, requestId } as const;
    const isAlarm = was === 'revoked' || !isLate(token.facts, row, use);
    const sighting = { at: use.at.toISOString(), ...(use.ip ? { ip: use.ip } : {}), ...(by ? { by } : {}) };
    const it = { workspaceId, tokenId: id, lineageId: row.lineageId, kind: 'reuse', was, sighting } as const;
    const sighted = isAlarm ? await sight(tx, it, use.at) : undefined;
    if (was !== 'revoked' && !isSince(row.reuseRecordedAt, addSeconds(use.at, -FORGOTTEN_SECONDS))) {
      const data = by ? { asked_by: by } : {};
      await recordEvents(tx, workspaceId, origin, [{ action: 'token.reused', target, data }], use.at);
    }
    if (sighted) await recordIncident(tx, it, sighted, [], origin, use.at);
  });
}

function isSince(recordedAt: Date | null | undefined, since: Date): boolean {
  return recordedAt != null && recordedAt > since;
}

function isLate(
  { succession }: TokenFacts,
  last: { readonly lastUsedIp: string | null; readonly lastUsedBy: string | null },
  use: Use,
): boolean {
  if (succession === undefined) return false;
  const ended = {
    at: overlapEnd(succession),
    lastUsedIp: last.lastUsedIp ?? undefined,
    lastUsedBy: last.lastUsedBy ?? undefined,
  };
  return isStraggler(ended, { at: use.at, ip: use.ip, by: use.by });
}
