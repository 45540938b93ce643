import { and, eq, exists, inArray, isNull, or, type SQL } from 'drizzle-orm';
import { printId, type TokenId } from '../rules/format.js';
import { type DeadSecret, isExpected, type ReuseRule } from '../rules/incident.js';
import { addSeconds } from '../rules/lifetime.js';
import { overlapEnd } from '../rules/rotation.js';
import { type TokenFacts, tokenStatus } from '../rules/token.js';
import { SERVICE_WORKFLOW } from '../rules/workflow.js';
import { type Db, inTransaction, type Tx } from './database.js';
import { recordEvents, SYSTEM } from './events.js';
import { recordIncident, sight } from './incidents.js';
import { isRunning } from './leases.js';
import { isSuccessor, lives, successors } from './live-tokens.js';
import type { StoredToken } from './lookup.js';
import { revokeWhere } from './revocations.js';
import { execChecks, tokens, workflows } from './schema.js';
import type { Use } from './use.js';
import { lockWorkspace } from './workspace-lock.js';

/** A dead token costs one write a minute, however often it is used. */
const QUIET_SECONDS = 60;
/** The trail has `token.reused` again when nobody used it for an hour. */
const FORGOTTEN_SECONDS = 3_600;

/** From where a dead secret came. */
export interface Reuse {
  readonly use: Use;
  readonly requestId: string;
  /** The caller, where it only asks about the token. */
  readonly asker: Pick<TokenFacts, 'creatorId' | 'workflowLabel'> | undefined;
}

/** Puts on record that the secret of a superseded or revoked token was used: `token.reused` for a superseded one, and an
 *  incident unless it is a late retry or a look. Where the workflow says so, the whole lineage ends with that, in the same
 *  transaction. Gives what was revoked. The secret was verified. RFC 9700 section 4.14.2. */
export async function recordReuse(
  db: Db,
  token: StoredToken,
  { use, requestId, asker }: Reuse,
): Promise<readonly TokenId[]> {
  const { workspaceId, id, kind } = token.facts;
  const quietSince = addSeconds(use.at, -QUIET_SECONDS);
  if (kind === 'invitation' || isSince(token.reuseRecordedAt, quietSince)) return [];
  const dead = await findDead(db, token.facts);
  if (dead === undefined) return [];
  const was = tokenStatus(token.facts, use.at);
  const target = printId('tok', id);
  const by = use.by && printId('tok', use.by);
  const question = asker && {
    member: printId('mem', asker.creatorId),
    isSignIn: asker.workflowLabel === SERVICE_WORKFLOW,
  };
  const isAlarm = !isExpected(dead, { at: use.at, ip: use.ip, by, question });
  const isTold = was !== 'revoked' && !isSince(dead.reuseRecordedAt, addSeconds(use.at, -FORGOTTEN_SECONDS));
  if (!isAlarm && !isTold) return [];
  const endsLineage = isAlarm && dead.rule === 'revoke';
  const isKey = and(eq(tokens.workspaceId, workspaceId), eq(tokens.id, id));
  const isOfLineage = and(eq(tokens.workspaceId, workspaceId), eq(tokens.lineageId, dead.lineageId));
  return await inTransaction(db, async (tx) => {
    // No successor slips through.
    if (endsLineage) await lockWorkspace(tx, workspaceId, 'end');
    // In the order of their ids, as all do that lock several.
    const locked = await tx
      .select({ id: tokens.id, reuseRecordedAt: tokens.reuseRecordedAt })
      .from(tokens)
      .where(endsLineage ? isOfLineage : isKey)
      .orderBy(tokens.id)
      .for('update');
    const row = locked.find((one) => one.id === id);
    if (row === undefined || isSince(row.reuseRecordedAt, quietSince)) return [];
    // What is no alarm must not keep the next use from being one.
    await tx
      .update(tokens)
      .set({ reuseRecordedAt: isAlarm ? use.at : quietSince })
      .where(isKey);
    const origin = { actorType: 'token', actorId: target, ip: use.ip, requestId } as const;
    const sighting = { at: use.at.toISOString(), ...(use.ip ? { ip: use.ip } : {}), ...(by ? { by } : {}) };
    const it = { workspaceId, tokenId: id, lineageId: dead.lineageId, kind: 'reuse', was, sighting } as const;
    const sighted = isAlarm ? await sight(tx, it, use.at) : undefined;
    const note = sighted && `${target} was used: incident ${printId('inc', sighted.id)}`;
    const cause = { reason: 'leaked', note, origin: { ...SYSTEM, ip: use.ip, requestId } } as const;
    const ending = endsLineage ? await mayServeIn(tx, isOfLineage, use.at) : undefined;
    const revoked = ending ? await revokeWhere(tx, workspaceId, ending, cause, use.at) : [];
    if (isTold && !isSince(row.reuseRecordedAt, addSeconds(use.at, -FORGOTTEN_SECONDS))) {
      const data = by ? { asked_by: by } : {};
      await recordEvents(tx, workspaceId, origin, [{ action: 'token.reused', target, data }], use.at);
    }
    if (sighted) await recordIncident(tx, it, sighted, revoked, origin, use.at);
    return revoked;
  });
}

interface Dead extends DeadSecret {
  readonly reuseRecordedAt: Date | null;
  readonly lineageId: TokenId;
  readonly rule: ReuseRule;
}

/** How a token ended, which nothing changes any more, and what its workflow says of a use. */
async function findDead(db: Db, { workspaceId, id, succession }: TokenFacts): Promise<Dead | undefined> {
  const [row] = await db
    .select({
      reuseRecordedAt: tokens.reuseRecordedAt,
      lineageId: tokens.lineageId,
      creatorId: tokens.creatorId,
      ownerId: tokens.ownerId,
      lastUsedIp: tokens.lastUsedIp,
      lastUsedBy: tokens.lastUsedBy,
      revokedAt: tokens.revokedAt,
      revokedBy: tokens.revokedBy,
      revokedReason: tokens.revokedReason,
      rule: workflows.reuseRule,
    })
    .from(tokens)
    .innerJoin(workflows, and(eq(workflows.workspaceId, tokens.workspaceId), eq(workflows.label, tokens.workflow)))
    .where(and(eq(tokens.workspaceId, workspaceId), eq(tokens.id, id)));
  if (row === undefined) return undefined;
  const members = [row.creatorId, row.ownerId].map((member) => printId('mem', member));
  return {
    reuseRecordedAt: row.reuseRecordedAt,
    lineageId: row.lineageId,
    rule: row.rule ?? 'alarm',
    reason: row.revokedReason ?? undefined,
    supersededAt: succession && overlapEnd(succession),
    revokedAt: row.revokedAt ?? undefined,
    lastUsedIp: row.lastUsedIp ?? undefined,
    lastUsedBy: row.lastUsedBy ? printId('tok', row.lastUsedBy) : undefined,
    people: row.revokedBy === null ? members : [...members, row.revokedBy],
  };
}

/** Names those of a lineage that may be good now or later, and those under which something runs. */
async function mayServeIn(tx: Tx, isOfLineage: SQL | undefined, now: Date): Promise<SQL | undefined> {
  const runs = tx
    .select({ id: execChecks.id })
    .from(execChecks)
    .where(
      and(
        eq(execChecks.workspaceId, tokens.workspaceId),
        eq(execChecks.workflow, tokens.workflow),
        eq(execChecks.tokenId, tokens.id),
        isRunning(now),
      ),
    );
  const rows = await tx
    .select({ id: tokens.id })
    .from(tokens)
    .leftJoin(successors, isSuccessor)
    .where(and(isOfLineage, isNull(tokens.revokedAt), or(and(...lives(now)), exists(runs))));
  const ids = rows.map(({ id }) => id);
  return ids.length === 0 ? undefined : inArray(tokens.id, ids);
}

function isSince(recordedAt: Date | null | undefined, since: Date): boolean {
  return recordedAt != null && recordedAt > since;
}
