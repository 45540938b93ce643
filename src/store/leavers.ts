import { and, asc, eq, gt, isNull, sql } from 'drizzle-orm';
import { type Departure, leaverTreatment } from '../rules/departure.js';
import { type MemberId, printId, type TokenId, type WorkspaceId } from '../rules/format.js';
import type { LeaverPolicy } from '../rules/leaver.js';
import { addDays } from '../rules/lifetime.js';
import { isRotatable } from '../rules/rotation.js';
import { isReservedLabel } from '../rules/workflow.js';
import type { Tx } from './database.js';
import { type NewEvent, type Origin, recordEvents } from './events.js';
import { notifyChange } from './notifications.js';
import { isOfUse } from './of-use.js';
import { revokeWhere } from './revocations.js';
import { sessions, tokens, workflows } from './schema.js';
import { endSessions } from './sessions.js';
import { leaverOf } from './workflows.js';

/** Who goes, how, and on whose word. */
export interface Leaving {
  readonly workspaceId: WorkspaceId;
  readonly memberId: MemberId;
  readonly departure: Departure;
  readonly origin: Origin;
  readonly now: Date;
}

/** Who may take a token over, and until when. */
interface Offer {
  readonly takeoverBy: MemberId | null;
  readonly takeoverUntil: Date;
}

const EVENTS_AT_ONCE = 10_000;

/** Does what each workflow says with the tokens that a person made, and ends the person's sessions, within the transaction
 *  that takes the person out. What is frozen or revoked is not revived by the person's return. Gives how many tokens it
 *  froze or revoked. */
export async function applyLeaverRules(tx: Tx, leaving: Leaving): Promise<number> {
  const { workspaceId, memberId, origin, now } = leaving;
  const found = await findTokens(tx, leaving);
  const treated = (wanted: 'freeze' | 'revoke') =>
    found.filter((token) => leaverTreatment(token, token.leaver?.rule, leaving.departure) === wanted);
  const revoked = treated('revoke');
  // Also what nobody used: from now on its creator cannot unfreeze it.
  const frozen = treated('freeze').filter(
    ({ frozenAt, frozenReason }) => frozenAt === null || frozenReason === 'unused',
  );
  // With a removal all ends, and may be taken over nevertheless: that makes another token and revives nothing.
  const offered = leaving.departure === 'removed' ? offersOf(revoked, leaving) : new Map<TokenId, Offer>();
  const isNew = (token: Found) => token.takeoverUntil === null && offered.has(token.id);
  await freeze(tx, leaving, [...frozen, ...revoked.filter(isNew)]);
  const cause = { reason: 'owner_left', note: undefined, origin } as const;
  if (revoked.length > 0) await revokeWhere(tx, workspaceId, idsAre(revoked), cause, now);
  await offer(tx, workspaceId, offered);
  await endSessions(tx, workspaceId, eq(sessions.memberId, memberId), origin, now);
  return revoked.length + frozen.length;
}

type Found = Awaited<ReturnType<typeof lockTokens>>[number] & { readonly leaver: LeaverPolicy | undefined };

/** The tokens that have not ended, with what their workflows say about leavers. */
async function findTokens(tx: Tx, leaving: Leaving): Promise<Found[]> {
  const locked = await lockTokens(tx, leaving);
  const labels = [...new Set(locked.map((token) => token.workflow))];
  // Not joined: then all workflows of the workspace would be read.
  const rows = await tx
    .select({
      label: workflows.label,
      leaverRule: workflows.leaverRule,
      leaverSuccessorId: workflows.leaverSuccessorId,
      leaverWindowDays: workflows.leaverWindowDays,
    })
    .from(workflows)
    .where(
      and(eq(workflows.workspaceId, leaving.workspaceId), sql`${workflows.label} = any(${sql.param(labels)}::text[])`),
    );
  const rules = new Map(rows.map((row) => [row.label, leaverOf(row)]));
  return locked.map((token) => ({ ...token, leaver: rules.get(token.workflow) }));
}

/** Locked in the order of their ids, so that two that end tokens never wait for each other in a circle. */
function lockTokens(tx: Tx, { workspaceId, memberId, departure, now }: Leaving) {
  // The removal of a person marks those too that have expired, as far as they were made for days.
  const isLive = departure === 'removed' ? isOfUse(now) : gt(tokens.expiresAt, now);
  return tx
    .select({
      id: tokens.id,
      kind: tokens.kind,
      workflow: tokens.workflow,
      expiresAt: tokens.expiresAt,
      expiresInDays: tokens.expiresInDays,
      frozenAt: tokens.frozenAt,
      frozenReason: tokens.frozenReason,
      takeoverBy: tokens.takeoverBy,
      takeoverUntil: tokens.takeoverUntil,
    })
    .from(tokens)
    .where(and(eq(tokens.workspaceId, workspaceId), eq(tokens.creatorId, memberId), isNull(tokens.revokedAt), isLive))
    .orderBy(asc(tokens.id))
    .for('update');
}

/** Who may take which token over. A window that was opened before goes on as it is. */
function offersOf(found: readonly Found[], { memberId, now }: Leaving): Map<TokenId, Offer> {
  return new Map(
    found.flatMap((token) => {
      const offered = offerOf(token, memberId, now);
      return offered === undefined ? [] : [[token.id, offered] as const];
    }),
  );
}

function offerOf(token: Found, leaverId: MemberId, now: Date): Offer | undefined {
  const { takeoverBy, takeoverUntil, leaver } = token;
  if (takeoverUntil !== null) return { takeoverBy, takeoverUntil };
  if (leaver?.rule !== 'transfer' || token.kind !== 'access' || isReservedLabel(token.workflow)) return undefined;
  // What was made for hours is never another's for days.
  if (!isRotatable(token) || token.expiresAt <= now) return undefined;
  // Who leaves takes nothing over from oneself: then the window only ends.
  const isOwn = leaver.successorId === leaverId;
  return { takeoverBy: isOwn ? null : leaver.successorId, takeoverUntil: addDays(now, leaver.windowDays) };
}

async function freeze(tx: Tx, leaving: Leaving, found: readonly Found[]): Promise<void> {
  const { workspaceId, origin, now } = leaving;
  if (found.length === 0) return;
  await tx
    .update(tokens)
    .set({ frozenAt: sql`coalesce(${tokens.frozenAt}, ${now.toISOString()}::timestamptz)`, frozenReason: 'owner_left' })
    .where(and(eq(tokens.workspaceId, workspaceId), idsAre(found)));
  const offers = offersOf(found, leaving);
  await offer(tx, workspaceId, offers);
  await notifyChange(tx, workspaceId);
  const events = found.map(({ id }): NewEvent => {
    const offered = offers.get(id);
    const data = {
      reason: 'owner_left',
      ...(offered?.takeoverBy ? { takeover_by: printId('mem', offered.takeoverBy) } : {}),
      ...(offered ? { takeover_until: offered.takeoverUntil.toISOString() } : {}),
    };
    return { action: 'token.frozen', target: printId('tok', id), data };
  });
  for (let at = 0; at < events.length; at += EVENTS_AT_ONCE) {
    await recordEvents(tx, workspaceId, origin, events.slice(at, at + EVENTS_AT_ONCE), now);
  }
}

async function offer(tx: Tx, workspaceId: WorkspaceId, offers: ReadonlyMap<TokenId, Offer>): Promise<void> {
  if (offers.size === 0) return;
  const rows = [...offers].map(([id, { takeoverBy, takeoverUntil }]) => {
    return { id, takeover_by: takeoverBy, takeover_until: takeoverUntil.toISOString() };
  });
  await tx.execute(sql`
    update tokens t set takeover_by = o.takeover_by, takeover_until = o.takeover_until
    from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb) as o(id uuid, takeover_by uuid, takeover_until timestamptz)
    where t.workspace_id = ${workspaceId} and t.id = o.id`);
}

function idsAre(found: readonly Found[]) {
  return sql`${tokens.id} = any(${sql.param(found.map(({ id }) => id))}::uuid[])`;
}
