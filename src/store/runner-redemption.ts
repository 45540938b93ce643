import { and, eq, isNull } from 'drizzle-orm';
import { type EnrolmentId, printId, type RunnerId, type TokenId, type WorkspaceId } from '../rules/format.js';
import { accept, type Result, refuse } from '../rules/refusal.js';
import { type Db, inTransaction, type Tx } from './database.js';
import { lockEnrolment, updateEnrolment } from './enrolments.js';
import { type Origin, recordEvents } from './events.js';
import { drawSecret, replaceSecret } from './mint.js';
import { findRunner, type RunnerView } from './runners.js';
import { tokens } from './schema.js';
import type { Secrets } from './secret.js';
import { lockWorkspace } from './workspace-lock.js';

/** What a host fetches: itself as a runner, and its token. `printed` is a secret. */
export interface Redeemed {
  readonly view: RunnerView;
  readonly tokenId: TokenId;
  readonly expiresAt: Date;
  readonly printed: string;
}

/** A host that comes for what was approved, its key proven. */
export interface Redemption {
  readonly id: EnrolmentId;
  readonly workspaceId: WorkspaceId;
  readonly runnerId: RunnerId;
  readonly place: Pick<Origin, 'ip' | 'userAgent' | 'requestId'>;
  /** When the request arrived: what was fetched after that was fetched beside it. */
  readonly arrivedAt: Date;
  readonly now: () => Date;
}

/** Gives the host of an approved enrolment its token. A lost answer is harmless: while the token was never used, it is
 *  given again with another secret, and the one before stops working. */
export async function redeemEnrolment(db: Db, secrets: Secrets, redemption: Redemption): Promise<Result<Redeemed>> {
  const { workspaceId, runnerId } = redemption;
  const [first] = await firstToken(db, workspaceId, runnerId);
  if (first === undefined) return ended('the runner was removed');
  const minted = await drawSecret(secrets, first.id);
  return inTransaction(db, async (tx) => {
    await lockWorkspace(tx, workspaceId, 'issue');
    const now = redemption.now();
    const enrolment = await lockEnrolment(tx, redemption.id);
    if (enrolment === undefined || enrolment.expiresAt <= now) return ended('the time to fetch the token is over');
    const [token] = await firstToken(tx, workspaceId, runnerId).for('update');
    const view = await findRunner(tx, workspaceId, runnerId);
    if (token === undefined || view === undefined || token.revokedAt || view.runner.status !== 'active') {
      return ended('the runner was suspended or removed meanwhile');
    }
    if (token.firstUsedAt || token.rotatedTo) return ended('its token was fetched and used already');
    if (token.secretSetAt > redemption.arrivedAt) return ended('the token was fetched a moment ago; ask again');
    await replaceSecret(tx, workspaceId, minted, now);
    await updateEnrolment(tx, redemption.id, { status: 'redeemed' });
    const id = printId('tok', token.id);
    const again = { action: 'token.secret_replaced', target: id } as const;
    const enrolled = { action: 'runner.enrolled', target: printId('rnr', runnerId), data: { token: id } } as const;
    const origin = { actorType: 'token', actorId: id, ...redemption.place } as const;
    await recordEvents(tx, workspaceId, origin, [enrolment.status === 'redeemed' ? again : enrolled], now);
    return accept({ view, tokenId: token.id, expiresAt: token.expiresAt, printed: minted.printed });
  });
}

/** Why a host gets no token any more. */
export function ended(detail: string) {
  return refuse({ kind: 'conflict', code: 'enrolment_state', detail });
}

function firstToken(db: Db | Tx, workspaceId: WorkspaceId, runnerId: RunnerId) {
  return db
    .select({
      id: tokens.id,
      expiresAt: tokens.expiresAt,
      firstUsedAt: tokens.firstUsedAt,
      rotatedTo: tokens.rotatedTo,
      revokedAt: tokens.revokedAt,
      secretSetAt: tokens.secretSetAt,
    })
    .from(tokens)
    .where(and(eq(tokens.workspaceId, workspaceId), eq(tokens.runnerId, runnerId), isNull(tokens.rotatedFrom)));
}
