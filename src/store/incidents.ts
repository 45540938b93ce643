import { and, desc, eq, isNotNull, isNull, lt, or } from 'drizzle-orm';
import { type IncidentId, type MemberId, newId, printId, type TokenId, type WorkspaceId } from '../rules/format.js';
import { type IncidentKind, type IncidentRecord, type Sighting, withSighting } from '../rules/incident.js';
import { accept, type Result } from '../rules/refusal.js';
import { type Actor, lockAsDecided } from './authority.js';
import { type Db, inTransaction, isMailed, type Tx } from './database.js';
import { type Origin, recordEvents } from './events.js';
import { queueIncidentMails } from './incident-mails.js';
import { incidents, tokens } from './schema.js';

type IncidentRow = typeof incidents.$inferSelect;

/** An incident with the label of its token's workflow. */
export interface IncidentView {
  readonly incident: IncidentRow;
  readonly workflow: string;
}

/** What was seen of which token. */
export interface NewSighting {
  readonly workspaceId: WorkspaceId;
  readonly tokenId: TokenId;
  readonly lineageId: TokenId;
  readonly kind: IncidentKind;
  readonly was: IncidentRecord['was'];
  readonly sighting: Sighting;
}

/** Opens an incident, or counts a sighting to the one that is open. Call it before any token is locked: it waits for
 *  whoever does the same. */
export async function sight(
  tx: Tx,
  it: NewSighting,
  now: Date,
): Promise<{ readonly id: IncidentId; readonly isNew: boolean; readonly record: IncidentRecord }> {
  const { sighting, was, ...key } = it;
  const record = { was, revoked: [], seen: [sighting] };
  for (;;) {
    const draft = { ...key, id: newId('inc', now), openedAt: now, lastSeenAt: now, timesSeen: 1, source: record };
    const [made] = await tx.insert(incidents).values(draft).onConflictDoNothing().returning({ id: incidents.id });
    if (made) return { id: made.id, isNew: true, record };
    const [open] = await tx
      .select({ id: incidents.id, timesSeen: incidents.timesSeen, source: incidents.source })
      .from(incidents)
      .where(
        and(
          eq(incidents.workspaceId, it.workspaceId),
          eq(incidents.tokenId, it.tokenId),
          eq(incidents.kind, it.kind),
          isNull(incidents.closedAt),
        ),
      )
      .for('update');
    // Closed just now: this sighting opens another.
    if (open === undefined) continue;
    const source = { ...open.source, seen: withSighting(open.source.seen, sighting) };
    const set = { lastSeenAt: now, timesSeen: open.timesSeen + 1, source };
    await tx.update(incidents).set(set).where(isIncident(it.workspaceId, open.id));
    return { id: open.id, isNew: false, record: source };
  }
}

/** Puts on record what an incident has ended, and that it was opened. The events come last in their transaction. */
export async function recordIncident(
  tx: Tx,
  it: NewSighting,
  sighted: { readonly id: IncidentId; readonly isNew: boolean; readonly record: IncidentRecord },
  revoked: readonly TokenId[],
  origin: Origin,
  now: Date,
): Promise<void> {
  if (revoked.length > 0) {
    const ids = [...sighted.record.revoked, ...revoked.map((id) => printId('tok', id))];
    const source = { ...sighted.record, revoked: ids };
    await tx.update(incidents).set({ source }).where(isIncident(it.workspaceId, sighted.id));
  }
  if (!sighted.isNew) return;
  const target = printId('inc', sighted.id);
  const data = {
    incident_id: target,
    token_id: printId('tok', it.tokenId),
    kind: it.kind,
    token_was: it.was,
    revoked: revoked.map((id) => printId('tok', id)),
  };
  await recordEvents(tx, it.workspaceId, origin, [{ action: 'incident.opened', target, data }], now);
  if (!isMailed(tx)) return;
  const { workspaceId, tokenId, kind } = it;
  await queueIncidentMails(tx, { workspaceId, id: sighted.id, tokenId, kind, revoked: revoked.length }, now);
}

/** What a list of incidents is narrowed to. `visibleTo` shows those of tokens that the member made or owns; `before` is
 *  exclusive. */
export interface IncidentQuery {
  readonly limit: number;
  readonly before?: IncidentId | undefined;
  readonly status?: 'open' | 'closed' | undefined;
  readonly tokenId?: TokenId | undefined;
  readonly visibleTo?: MemberId | undefined;
}

/** Incidents of a workspace, newest first. */
export function listIncidents(db: Db, workspaceId: WorkspaceId, query: IncidentQuery): Promise<IncidentView[]> {
  const { before, status, tokenId, visibleTo, limit } = query;
  return viewQuery(db)
    .where(
      and(
        eq(incidents.workspaceId, workspaceId),
        before && lt(incidents.id, before),
        status && (status === 'open' ? isNull(incidents.closedAt) : isNotNull(incidents.closedAt)),
        tokenId && eq(incidents.tokenId, tokenId),
        visibleTo && or(eq(tokens.creatorId, visibleTo), eq(tokens.ownerId, visibleTo)),
      ),
    )
    .orderBy(desc(incidents.id))
    .limit(limit);
}

/** One incident, if the member may see it. */
export async function findIncident(
  db: Db | Tx,
  workspaceId: WorkspaceId,
  id: IncidentId,
  visibleTo: MemberId | undefined,
): Promise<IncidentView | undefined> {
  const isTheirs = visibleTo && or(eq(tokens.creatorId, visibleTo), eq(tokens.ownerId, visibleTo));
  const [view] = await viewQuery(db).where(and(isIncident(workspaceId, id), isTheirs));
  return view;
}

/** Closes an incident, once: again changes nothing. */
export function closeIncident(
  db: Db,
  id: IncidentId,
  note: string | undefined,
  by: { readonly actor: Actor; readonly origin: Origin },
  now: Date,
): Promise<Result<undefined>> {
  const { actor, origin } = by;
  const { workspaceId } = actor;
  return inTransaction(db, async (tx) => {
    const allowed = await lockAsDecided(tx, actor, 'issue');
    if (!allowed.ok) return allowed;
    const closed = await tx
      .update(incidents)
      .set({ closedAt: now, closedBy: origin.actorId, closedNote: note ?? null })
      .where(and(isIncident(workspaceId, id), isNull(incidents.closedAt)))
      .returning({ tokenId: incidents.tokenId });
    const events = closed.map(({ tokenId }) => ({
      action: 'incident.closed' as const,
      target: printId('inc', id),
      data: { token_id: printId('tok', tokenId), ...(note === undefined ? {} : { note }) },
    }));
    await recordEvents(tx, workspaceId, origin, events, now);
    return accept(undefined);
  });
}

function viewQuery(db: Db | Tx) {
  return db
    .select({ incident: incidents, workflow: tokens.workflow })
    .from(incidents)
    .innerJoin(tokens, and(eq(tokens.workspaceId, incidents.workspaceId), eq(tokens.id, incidents.tokenId)));
}

function isIncident(workspaceId: WorkspaceId, id: IncidentId) {
  return and(eq(incidents.workspaceId, workspaceId), eq(incidents.id, id));
}
