import { and, eq, sql } from 'drizzle-orm';
import { newId, printId, type StepUpId } from '../rules/format.js';
import { addSeconds } from '../rules/lifetime.js';
import { accept, type Result, refuse } from '../rules/refusal.js';
import { STEP_UP_SECONDS, STEP_UP_WAIT_SECONDS } from '../rules/step-up.js';
import type { TokenFacts } from '../rules/token.js';
import { lockForIssue } from './authority.js';
import type { TransactionSql } from './connect.js';
import { type Db, inTransaction, type Tx } from './database.js';
import { type Origin, recordEvents } from './events.js';
import { type PasskeyProof, usePasskey } from './passkeys.js';
import { passkeys, stepUps, tokens } from './schema.js';

export type StepUpRow = typeof stepUps.$inferSelect;

/** Whether a token's person has a passkey, and until when the token may do dangerous things. */
export async function stepUpStanding(
  db: Db,
  { workspaceId, id, creatorId }: Pick<TokenFacts, 'workspaceId' | 'id' | 'creatorId'>,
): Promise<{ readonly hasPasskey: boolean; readonly steppedUpUntil: Date | null }> {
  const owned = db
    .select({ one: sql`1` })
    .from(passkeys)
    .where(and(eq(passkeys.workspaceId, workspaceId), eq(passkeys.memberId, creatorId)));
  const [row] = await db
    .select({ hasPasskey: sql<boolean>`exists ${owned}`, steppedUpUntil: tokens.steppedUpUntil })
    .from(tokens)
    .where(and(eq(tokens.workspaceId, workspaceId), eq(tokens.id, id)));
  if (row === undefined) throw new Error('a calling token is not there');
  return row;
}

/** Notes that a token asks its person to confirm an act. */
export async function openStepUp(
  db: Db,
  { workspaceId, id: tokenId, creatorId: memberId }: Pick<TokenFacts, 'workspaceId' | 'id' | 'creatorId'>,
  { act, ip }: { readonly act: string; readonly ip: string | undefined },
  now: Date,
): Promise<StepUpRow> {
  const [row] = await db
    .insert(stepUps)
    .values({
      id: newId('stp', now),
      workspaceId,
      tokenId,
      memberId,
      act,
      ip: ip ?? null,
      createdAt: now,
      expiresAt: addSeconds(now, STEP_UP_WAIT_SECONDS),
      status: 'pending',
    })
    .returning();
  if (row === undefined) throw new Error('a new step-up is not there');
  return row;
}

/** A step-up and what its token is called. */
export async function findStepUp(
  db: Db,
  id: StepUpId,
): Promise<{ readonly row: StepUpRow; readonly tokenName: string | null } | undefined> {
  const [found] = await db
    .select({ row: stepUps, tokenName: tokens.name })
    .from(stepUps)
    .innerJoin(tokens, and(eq(tokens.workspaceId, stepUps.workspaceId), eq(tokens.id, stepUps.tokenId)))
    .where(eq(stepUps.id, id));
  return found;
}

/** Whether somebody may still decide about it. */
export function isOpen({ status, expiresAt }: Pick<StepUpRow, 'status' | 'expiresAt'>, now: Date): boolean {
  return status === 'pending' && now < expiresAt;
}

/** Confirms a step-up by a passkey of its person: for five minutes its token, and no other, may do dangerous things. Refuses
 *  one that was decided about or has expired, a token that is not good any more, and a passkey of somebody else. */
export function confirmStepUp(
  db: Db,
  { row, proof }: { readonly row: StepUpRow; readonly proof: PasskeyProof },
  origin: Origin,
  now: Date,
): Promise<Result<undefined>> {
  const { id, workspaceId, tokenId, memberId } = row;
  return inTransaction(db, async (tx) => {
    if (!(await lockForIssue(tx, { workspaceId, tokenId }))) return wrongState();
    const held = await hold(tx, id);
    if (held === undefined || !isOpen(held, now)) return wrongState();
    const used = await usePasskey(tx, proof, origin, now);
    if (used === undefined || used.passkey.memberId !== memberId || used.passkey.workspaceId !== workspaceId) {
      return refuse({ kind: 'not_allowed', detail: 'this passkey does not confirm it' });
    }
    await tx.update(stepUps).set({ status: 'confirmed' }).where(eq(stepUps.id, id));
    await tx
      .update(tokens)
      .set({ steppedUpUntil: addSeconds(now, STEP_UP_SECONDS) })
      .where(and(eq(tokens.workspaceId, workspaceId), eq(tokens.id, tokenId)));
    const passkey = printId('pky', used.passkey.id);
    const data = { token: printId('tok', tokenId), act: held.act, passkey };
    const event = { action: 'step_up.confirmed', target: printId('stp', id), data } as const;
    await recordEvents(tx, workspaceId, origin, [event], now);
    return accept(undefined);
  });
}

/** Denies a step-up for its person. Refuses one that was decided about or has expired. */
export function denyStepUp(db: Db, row: StepUpRow, origin: Origin, now: Date): Promise<Result<undefined>> {
  return inTransaction(db, async (tx) => {
    const held = await hold(tx, row.id);
    if (held === undefined || !isOpen(held, now)) return wrongState();
    await tx.update(stepUps).set({ status: 'denied' }).where(eq(stepUps.id, row.id));
    const data = { token: printId('tok', row.tokenId), act: held.act };
    const event = { action: 'step_up.denied', target: printId('stp', row.id), data } as const;
    await recordEvents(tx, row.workspaceId, origin, [event], now);
    return accept(undefined);
  });
}

/** Forgets the step-ups that nobody can decide about or ask about any more. */
export async function dropOldStepUps(tx: TransactionSql, now: Date): Promise<void> {
  await tx`delete from step_ups where expires_at < ${addSeconds(now, -STEP_UP_WAIT_SECONDS).toISOString()}`;
}

async function hold(tx: Tx, id: StepUpId): Promise<StepUpRow | undefined> {
  const [row] = await tx.select().from(stepUps).where(eq(stepUps.id, id)).for('update');
  return row;
}

function wrongState() {
  const detail = 'it was decided about already, it has expired, or its token is not good any more';
  return refuse({ kind: 'conflict', code: 'step_up_state', detail });
}
