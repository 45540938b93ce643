import { and, eq } from 'drizzle-orm';
import { type DeviceId, printId, type SessionId, type TokenId, type WorkspaceId } from '../rules/format.js';
import { accept, type Result, refuse } from '../rules/refusal.js';
import { type Db, inTransaction } from './database.js';
import { lockDevice, updateDevice } from './devices.js';
import { type Origin, recordEvents } from './events.js';
import { drawShortSecret, replaceSecret } from './mint.js';
import { tokens } from './schema.js';
import type { Secrets } from './secret.js';
import { holdSession } from './sessions.js';
import { lockWorkspace } from './workspace-lock.js';

/** A device that comes for what was approved. */
export interface DeviceRedemption {
  readonly id: DeviceId;
  readonly workspaceId: WorkspaceId;
  readonly sessionId: SessionId;
  readonly tokenId: TokenId;
  readonly place: Pick<Origin, 'ip' | 'userAgent' | 'requestId'>;
  readonly now: Date;
}

/** What a device fetches. `printed` is a secret. */
export interface RedeemedDevice {
  readonly printed: string;
  readonly scopes: readonly string[];
  readonly expiresAt: Date;
}

/** Gives the device of an approved authorization its token, once: of two that ask at the same moment one gets it. The
 *  approval is over when its session has ended, its person was suspended or removed, or its token was revoked meanwhile. */
export function redeemDevice(db: Db, secrets: Secrets, redemption: DeviceRedemption): Promise<Result<RedeemedDevice>> {
  const { id, workspaceId, sessionId, tokenId, now } = redemption;
  const minted = drawShortSecret(secrets, tokenId);
  return inTransaction(db, async (tx) => {
    await lockWorkspace(tx, workspaceId, 'issue');
    const device = await lockDevice(tx, id);
    if (device?.status !== 'approved') return used();
    const person = await holdSession(tx, { workspaceId, id: sessionId }, now);
    const { scopes, expiresAt, revokedAt, frozenAt } = tokens;
    const [token] = await tx
      .select({ scopes, expiresAt, revokedAt, frozenAt })
      .from(tokens)
      .where(and(eq(tokens.workspaceId, workspaceId), eq(tokens.id, tokenId)))
      .for('update');
    if (person === undefined || token === undefined || token.revokedAt || token.frozenAt) return takenBack();
    await replaceSecret(tx, workspaceId, minted, now);
    await updateDevice(tx, id, { status: 'redeemed' });
    const printedId = printId('tok', tokenId);
    const event = { action: 'device.redeemed', target: printId('dvc', id), data: { token: printedId } } as const;
    const origin = { actorType: 'token', actorId: printedId, ...redemption.place } as const;
    await recordEvents(tx, workspaceId, origin, [event], now);
    return accept({ printed: minted.printed, scopes: token.scopes, expiresAt: token.expiresAt });
  });
}

function used() {
  return refuse({ kind: 'oauth', error: 'invalid_grant', detail: 'the device code was used already' });
}

function takenBack() {
  const detail = 'the approval is over: its session was ended, its person suspended, or its token revoked';
  return refuse({ kind: 'oauth', error: 'access_denied', detail });
}
