import { and, eq, inArray, ne, sql } from 'drizzle-orm';
import { printId, type TokenId } from '../rules/format.js';
import { mayYetServe, type Sighting, withinReach } from '../rules/incident.js';
import { mayUse } from '../rules/role.js';
import { type TokenFacts, tokenStatus } from '../rules/token.js';
import { type Db, inTransaction, type Tx } from './database.js';
import type { Origin } from './events.js';
import { recordIncident, sight } from './incidents.js';
import { revokeWhere } from './revocations.js';
import { auditEvents, tokens } from './schema.js';

/** Answers to a leak of a token whose secret was verified, in one transaction: the incident, the end of the token unless it
 *  has ended, the end of those whose secrets were answered to it, the events and the word to the watchers. Gives what it
 *  revoked. An invitation only ends: it was no token of anybody yet. */
export function respondToLeak(
  db: Db,
  token: TokenFacts,
  sighting: Sighting,
  origin: Origin,
  now: Date,
): Promise<readonly TokenId[]> {
  const { workspaceId, id } = token;
  const was = tokenStatus(token, now);
  const isLive = mayYetServe(was);
  return inTransaction(db, async (tx) => {
    const cause = { reason: 'leaked', note: undefined, origin } as const;
    if (token.kind === 'invitation') {
      return isLive ? revokeWhere(tx, workspaceId, eq(tokens.id, id), cause, now) : [];
    }
    const [row] = await tx
      .select({ lineageId: tokens.lineageId })
      .from(tokens)
      .where(and(eq(tokens.workspaceId, workspaceId), eq(tokens.id, id)));
    if (row === undefined) throw new Error('a token went away');
    const it = { workspaceId, tokenId: id, lineageId: row.lineageId, kind: 'leak', was, sighting } as const;
    const sighted = await sight(tx, it, now);
    const ending = isLive ? [id, ...(await reachedBy(tx, token, row.lineageId))] : [];
    const note = `incident ${printId('inc', sighted.id)}`;
    const revoked =
      ending.length === 0
        ? []
        : await revokeWhere(tx, workspaceId, inArray(tokens.id, ending), { ...cause, note }, now);
    await recordIncident(tx, it, sighted, revoked, origin, now);
    return revoked;
  });
}

/** Those of its lineage whose secrets were answered to it: it could rotate, and did. */
async function reachedBy(tx: Tx, token: TokenFacts, lineageId: TokenId): Promise<readonly TokenId[]> {
  if (!mayUse(token.creatorRole, token.scopes, 'tokens:rotate')) return [];
  const { workspaceId, id } = token;
  const siblings = await tx
    .select({ id: tokens.id })
    .from(tokens)
    .where(and(eq(tokens.workspaceId, workspaceId), eq(tokens.lineageId, lineageId), ne(tokens.id, id)));
  const byPublicId = new Map(siblings.map((sibling) => [printId('tok', sibling.id), sibling.id]));
  const handovers = await tx
    .select({ token: auditEvents.target, to: sql<string>`coalesce(${auditEvents.data}->>'via', '')` })
    .from(auditEvents)
    .where(
      and(
        eq(auditEvents.workspaceId, workspaceId),
        inArray(auditEvents.target, [...byPublicId.keys()]),
        inArray(auditEvents.action, ['token.minted', 'token.secret_replaced']),
      ),
    );
  return withinReach(printId('tok', id), handovers).flatMap((reached) => byPublicId.get(reached) ?? []);
}
