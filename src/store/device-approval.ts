import { DEVICE_TOKEN_SECONDS, deviceScopes } from '../rules/device.js';
import { type MemberId, newId, printId, type SessionId, type TokenId, type WorkspaceId } from '../rules/format.js';
import { addSeconds } from '../rules/lifetime.js';
import { accept, invalid, type Result, refuse } from '../rules/refusal.js';
import type { Role } from '../rules/role.js';
import { SERVICE_WORKFLOW } from '../rules/workflow.js';
import { type Db, inTransaction, type Tx } from './database.js';
import { type DeviceRow, isWaiting, lockDevice, updateDevice } from './devices.js';
import { type Origin, recordEvents } from './events.js';
import { drawShortSecret, insertToken } from './mint.js';
import type { Secrets } from './secret.js';
import { holdSession } from './sessions.js';
import { lockWorkspace } from './workspace-lock.js';

/** Who decides about a device, in which session, and when. */
export interface DeviceDecider {
  readonly workspaceId: WorkspaceId;
  readonly sessionId: SessionId;
  readonly origin: Origin;
  readonly now: Date;
}

/** Why no code is taken: the same for one that is mistyped, expired, used or tried too often. */
export const UNKNOWN_CODE = 'is not a code that waits: mistyped, expired, used, or tried too often';

/** Lets a device act for the person of a session. Its token is made here, with a secret that nobody has until the device
 *  fetches one: so a revocation of everything that comes between, and the end of the session, end it too. `shown` are the
 *  scopes that the person was shown: refuses when they are others by now, or more than the person signs in with. */
export function approveDevice(
  db: Db,
  secrets: Secrets,
  device: DeviceRow,
  shown: readonly string[],
  by: DeviceDecider,
): Promise<Result<{ readonly tokenId: TokenId; readonly expiresAt: Date }>> {
  const { workspaceId, sessionId, origin, now } = by;
  const minted = drawShortSecret(secrets, newId('tok', now));
  return inTransaction(db, async (tx) => {
    const held = await holdBoth(tx, device, by);
    if (!held.ok) return held;
    const { row, memberId, role } = held.value;
    const { scopes, beyond } = deviceScopes(role, row.scopes);
    if (beyond.length > 0) return refuse({ kind: 'not_allowed', detail: beyondYours(role, beyond) });
    if (!isSame(scopes, shown)) return invalid(['shown'], 'is not what would be approved by now; look at it again');
    const expiresAt = addSeconds(now, DEVICE_TOKEN_SECONDS);
    await insertToken(
      tx,
      minted,
      {
        workspaceId,
        kind: 'access',
        workflow: SERVICE_WORKFLOW,
        creatorId: memberId,
        ownerId: memberId,
        name: `sign-in on ${row.clientName}`,
        scopes,
        constraints: {},
        notBefore: null,
        expiresAt,
        expiresInDays: 0,
        lineageId: minted.id,
        rotatedFrom: null,
        sessionId,
      },
      now,
    );
    await updateDevice(tx, row.id, { status: 'approved', workspaceId, memberId, sessionId, tokenId: minted.id });
    const token = printId('tok', minted.id);
    const facts = { ...askedBy(row), token };
    const approved = { action: 'device.approved', target: printId('dvc', row.id), data: facts } as const;
    const terms = { workflow: SERVICE_WORKFLOW, scopes, expires_at: expiresAt.toISOString(), device: approved.target };
    await recordEvents(
      tx,
      workspaceId,
      origin,
      [approved, { action: 'token.minted', target: token, data: terms }],
      now,
    );
    return accept({ tokenId: minted.id, expiresAt });
  });
}

/** Turns a device away: it learns so when it asks next. */
export function denyDevice(db: Db, device: DeviceRow, by: DeviceDecider): Promise<Result<undefined>> {
  return inTransaction(db, async (tx) => {
    const held = await holdBoth(tx, device, by);
    if (!held.ok) return held;
    await updateDevice(tx, device.id, { status: 'denied' });
    const event = {
      action: 'device.denied',
      target: printId('dvc', device.id),
      data: askedBy(held.value.row),
    } as const;
    await recordEvents(tx, by.workspaceId, by.origin, [event], by.now);
    return accept(undefined);
  });
}

/** Why a person may not give a device what it asks for. */
export function beyondYours(role: Role, beyond: readonly string[]): string {
  return `the device asks for ${beyond.join(', ')}, which a member of role ${role} does not have`;
}

/** Holds the device if it still waits, and the session if it goes on. Of two who decide at once one does. */
async function holdBoth(
  tx: Tx,
  { id }: DeviceRow,
  { workspaceId, sessionId, now }: DeviceDecider,
): Promise<Result<{ readonly row: DeviceRow; readonly memberId: MemberId; readonly role: Role }>> {
  await lockWorkspace(tx, workspaceId, 'issue');
  const row = await lockDevice(tx, id);
  if (row === undefined || !isWaiting(row, now)) return invalid(['user_code'], UNKNOWN_CODE);
  const person = await holdSession(tx, { workspaceId, id: sessionId }, now);
  if (person === undefined) return refuse({ kind: 'not_allowed', detail: 'you are not signed in any more' });
  return accept({ row, ...person });
}

function askedBy({ clientName, ip, createdAt }: DeviceRow) {
  return { client_name: clientName, asked_from: ip, asked_at: createdAt.toISOString() };
}

function isSame(scopes: readonly string[], shown: readonly string[]): boolean {
  return scopes.length === shown.length && scopes.every((scope) => shown.includes(scope));
}
