import { and, eq } from 'drizzle-orm';
import { type MemberId, printId } from '../rules/format.js';
import { accept, invalid, type Result, refuse } from '../rules/refusal.js';
import { type Actor, lockAsDecided } from './authority.js';
import { type Db, inTransaction } from './database.js';
import { type Origin, recordEvents } from './events.js';
import { members, tokens } from './schema.js';
import { findToken, type TokenColumns, type TokenView } from './tokens.js';

/** Hands a token over to another accountable member. The creator stays, and nothing is revived. Refuses a token that has
 *  ended, and a person who is not an active member. */
export function transferToken(
  db: Db,
  { workspaceId, id }: Pick<TokenColumns, 'workspaceId' | 'id'>,
  ownerId: MemberId,
  by: { readonly actor: Actor; readonly origin: Origin },
  now: Date,
): Promise<Result<TokenView>> {
  return inTransaction(db, async (tx) => {
    const allowed = await lockAsDecided(tx, by.actor, 'issue', id);
    if (!allowed.ok) return allowed;
    // The member stays active until the commit.
    const [owner] = await tx
      .select({ id: members.id })
      .from(members)
      .where(and(eq(members.workspaceId, workspaceId), eq(members.id, ownerId), eq(members.status, 'active')))
      .for('share');
    if (owner === undefined) return invalid(['owner_id'], 'is not an active member of this workspace');
    const key = and(eq(tokens.workspaceId, workspaceId), eq(tokens.id, id));
    await tx.select({ id: tokens.id }).from(tokens).where(key).for('update');
    const before = await findToken(tx, workspaceId, id, now);
    if (before === undefined) return refuse({ kind: 'not_found' });
    if (before.status === 'revoked' || before.status === 'expired' || before.status === 'superseded') {
      const detail = `the token is ${before.status}; there is nothing to be accountable for`;
      return refuse({ kind: 'conflict', code: 'token_not_active', detail });
    }
    if (before.owner.id === ownerId) return accept(before);
    await tx.update(tokens).set({ ownerId }).where(key);
    const data = { from: printId('mem', before.owner.id), to: printId('mem', ownerId) };
    const event = { action: 'token.transferred', target: printId('tok', id), data } as const;
    await recordEvents(tx, workspaceId, by.origin, [event], now);
    const after = await findToken(tx, workspaceId, id, now);
    return after ? accept(after) : refuse({ kind: 'not_found' });
  });
}
