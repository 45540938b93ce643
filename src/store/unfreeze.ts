import { and, eq } from 'drizzle-orm';
import { printId, type TokenId, type WorkspaceId } from '../rules/format.js';
import { accept, type Refusal, type Result, refuse } from '../rules/refusal.js';
import { type Actor, lockAsDecided } from './authority.js';
import { type Db, inTransaction, type Tx } from './database.js';
import { type Origin, recordEvents } from './events.js';
import { members, tokens } from './schema.js';
import { findToken, type TokenView } from './tokens.js';

/** Lets a frozen token be good again, deliberately. One that is not frozen stays as it is. Refuses a token that has ended or
 *  is about to, and one whose creator is not active. */
export function unfreezeToken(
  db: Db,
  { workspaceId, id }: { readonly workspaceId: WorkspaceId; readonly id: TokenId },
  by: { readonly actor: Actor; readonly origin: Origin },
  now: Date,
): Promise<Result<TokenView>> {
  const named = and(eq(tokens.workspaceId, workspaceId), eq(tokens.id, id));
  return inTransaction(db, async (tx) => {
    const allowed = await lockAsDecided(tx, by.actor, 'issue', id);
    if (!allowed.ok) return allowed;
    await tx.select({ id: tokens.id }).from(tokens).where(named).for('update');
    const before = await findToken(tx, workspaceId, id, now);
    if (before === undefined) return refuse({ kind: 'not_found' });
    if (before.token.frozenAt === null) return accept(before);
    const refusal = await thawRefusal(tx, before, now);
    if (refusal) return refuse(refusal);
    await tx
      .update(tokens)
      .set({ frozenAt: null, frozenReason: null, takeoverBy: null, takeoverUntil: null })
      .where(named);
    const event = { action: 'token.unfrozen', target: printId('tok', id) } as const;
    await recordEvents(tx, workspaceId, by.origin, [event], now);
    const after = await findToken(tx, workspaceId, id, now);
    return after ? accept(after) : refuse({ kind: 'not_found' });
  });
}

/** Why a token stays frozen. Its creator stays active until the commit: whoever takes people out waits for the workspace. */
async function thawRefusal(tx: Tx, { token, status }: TokenView, now: Date): Promise<Refusal | undefined> {
  if (status === 'revoked' || status === 'expired' || status === 'superseded') {
    return { kind: 'conflict', code: 'token_not_active', detail: `the token is ${status}, for good` };
  }
  if (token.takeoverUntil && token.takeoverUntil <= now) {
    return {
      kind: 'conflict',
      code: 'token_not_active',
      detail: 'the time to take it over has ended, and it ends with it',
    };
  }
  const [creator] = await tx
    .select({ status: members.status })
    .from(members)
    .where(and(eq(members.workspaceId, token.workspaceId), eq(members.id, token.creatorId)));
  if (creator?.status === 'active') return undefined;
  return { kind: 'conflict', code: 'member_state', detail: 'its creator is not active' };
}
