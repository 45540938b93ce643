import { and, count, eq, gt, lt, lte, sql } from 'drizzle-orm';
import { DEVICE_CODE_SECONDS } from '../rules/device.js';
import { type DeviceId, newId, newTokenSecret, printToken, type TokenId, type TokenSecret } from '../rules/format.js';
import { addSeconds } from '../rules/lifetime.js';
import { accept, type Result, refuse } from '../rules/refusal.js';
import { MAX_CODE_TRIES, type UserCode } from '../rules/user-code.js';
import type { TransactionSql } from './connect.js';
import { type Db, inTransaction, type Tx } from './database.js';
import { deviceAuthorizations } from './schema.js';
import type { Secrets } from './secret.js';
import { drawUserCode, MAX_WAITING_CODES, weighUserCode } from './user-codes.js';

export type DeviceRow = typeof deviceAuthorizations.$inferSelect;
type DeviceDraft = Pick<DeviceRow, 'clientName' | 'ip' | 'scopes'>;

/** What a device is given to wait with. Both codes are secrets; the device code has the form of a token, so that it is
 *  struck out of the log wherever it gets there, and is none. */
export interface OpenedDevice {
  readonly row: DeviceRow;
  readonly deviceCode: string;
  readonly userCode: string;
}

/** Notes that a device asks to act for a person. Refuses `busy` when too many wait. RFC 8628 section 3.2. */
export async function openDevice(
  db: Db,
  secrets: Secrets,
  draft: DeviceDraft,
  now: Date,
): Promise<Result<OpenedDevice>> {
  const [waiting] = await db.select({ count: count() }).from(deviceAuthorizations).where(isPending(now));
  if ((waiting?.count ?? 0) >= MAX_WAITING_CODES) return refuse({ kind: 'busy', retryAfterSeconds: 60 });
  const id = newId('dvc', now);
  const deviceSecret = newTokenSecret();
  const digest = secrets.digest(keyOf(id), deviceSecret);
  const drawn = await drawUserCode(secrets, (code) => insert(db, { ...draft, ...digest, ...code, id }, now));
  if (!drawn.ok) return drawn;
  const deviceCode = printToken({ id: keyOf(id), tokenSecret: deviceSecret });
  return accept({ row: drawn.value.row, deviceCode, userCode: drawn.value.printed });
}

/** The authorization that a device code is of, whatever its state. */
export async function deviceByCode(
  db: Db,
  secrets: Secrets,
  code: { readonly id: DeviceId; readonly deviceSecret: TokenSecret },
): Promise<DeviceRow | undefined> {
  const [row] = await db.select().from(deviceAuthorizations).where(eq(deviceAuthorizations.id, code.id));
  const isRight = row !== undefined && secrets.compare(keyOf(code.id), code.deviceSecret, row) === 'match';
  return isRight ? row : undefined;
}

/** The waiting authorization that a user code is of, as {@link weighUserCode} finds it. */
export function deviceByUserCode(db: Db, secrets: Secrets, code: UserCode, now: Date): Promise<DeviceRow | undefined> {
  const { tries } = deviceAuthorizations;
  return weighUserCode(secrets, code, {
    take: async (locator) => {
      const isTaken = and(eq(deviceAuthorizations.locator, locator), isPending(now), lt(tries, MAX_CODE_TRIES));
      const counted = { tries: sql`${tries} + 1` };
      const [row] = await db.update(deviceAuthorizations).set(counted).where(isTaken).returning();
      return row;
    },
    giveBack: async ({ id }) => {
      const uncounted = { tries: sql`${tries} - 1` };
      await db.update(deviceAuthorizations).set(uncounted).where(eq(deviceAuthorizations.id, id));
    },
  });
}

/** Whether it can still be approved. */
export function isWaiting(row: DeviceRow, now: Date): boolean {
  return row.status === 'pending' && row.expiresAt > now && row.tries < MAX_CODE_TRIES;
}

/** Holds an authorization to the end of the transaction. */
export async function lockDevice(tx: Tx, id: DeviceId): Promise<DeviceRow | undefined> {
  const [row] = await tx.select().from(deviceAuthorizations).where(eq(deviceAuthorizations.id, id)).for('update');
  return row;
}

/** Changes an authorization, within a transaction that has locked it. */
export async function updateDevice(tx: Tx, id: DeviceId, set: Partial<DeviceRow>): Promise<void> {
  await tx.update(deviceAuthorizations).set(set).where(eq(deviceAuthorizations.id, id));
}

/** Forgets the authorizations that no device can ask about any more. */
export async function dropOldDevices(tx: TransactionSql, now: Date): Promise<void> {
  const until = addSeconds(now, -DEVICE_CODE_SECONDS);
  await tx`delete from device_authorizations where expires_at < ${until.toISOString()}`;
}

/** Gives `undefined` when another one that waits has the same locator; one that has expired makes room. */
function insert(
  db: Db,
  draft: DeviceDraft & Pick<DeviceRow, 'id' | 'digest' | 'pepperKid' | 'locator' | 'verifier'>,
  now: Date,
): Promise<DeviceRow | undefined> {
  return inTransaction(db, async (tx) => {
    const { locator, status, expiresAt } = deviceAuthorizations;
    await tx
      .delete(deviceAuthorizations)
      .where(and(eq(locator, draft.locator), eq(status, 'pending'), lte(expiresAt, now)));
    const times = { createdAt: now, expiresAt: addSeconds(now, DEVICE_CODE_SECONDS) };
    const [row] = await tx
      .insert(deviceAuthorizations)
      .values({ ...draft, ...times, tries: 0, status: 'pending' })
      .onConflictDoNothing()
      .returning();
    return row;
  });
}

function isPending(now: Date) {
  return and(eq(deviceAuthorizations.status, 'pending'), gt(deviceAuthorizations.expiresAt, now));
}

/** The verifiers know their things by the id of a token. */
function keyOf(id: DeviceId): TokenId {
  return id as string as TokenId;
}
