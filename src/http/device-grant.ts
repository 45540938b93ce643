import { type DeviceId, parseToken } from '../rules/format.js';
import { type OAuthErrorCode, type Refusal, type Result, refuse } from '../rules/refusal.js';
import { MAX_CODE_TRIES, POLL_SECONDS } from '../rules/user-code.js';
import { redeemDevice } from '../store/device-redemption.js';
import { type DeviceRow, deviceByCode } from '../store/devices.js';
import { callerNetwork } from './address.js';
import type { Form } from './body.js';
import type { Deps } from './deps.js';
import { placeOf } from './endpoint.js';
import type { Exchange } from './exchange.js';
import type { IssuedToken } from './issued-token.js';
import { clientFault } from './oauth-client.js';
import { exhausted, limitOf, spent } from './rate-limit.js';

// Device codes of true form that stand for nothing, in a minute from one network.
const misses = limitOf({ points: 600, duration: 60 });
// Each costs a row, whoever sends it.
const attempts = limitOf({ points: 20, duration: POLL_SECONDS });
// A little less than the interval, because a poll may be on its way longer than the one before.
const polls = limitOf({ points: 1, duration: POLL_SECONDS - 1 });

/** The device asks for its token. RFC 8628 sections 3.4 and 3.5. */
export async function deviceGrant(deps: Deps, exchange: Exchange, form: Form): Promise<Result<IssuedToken>> {
  const fault = clientFault(exchange, form);
  if (fault) return fault;
  const printed = form['device_code'];
  if (printed === undefined) return refusal('invalid_request', 'device_code is missing');
  const parsed = parseToken(printed);
  if (parsed === undefined) return unknown();
  const network = callerNetwork(exchange.ip);
  const limited = await exhausted(misses(deps), network);
  if (limited) return limited;
  const code = { id: parsed.id as string as DeviceId, deviceSecret: parsed.tokenSecret };
  const row = await deviceByCode(deps.db, deps.secrets, code);
  if (row === undefined) {
    await misses(deps).penalty(network);
    return unknown();
  }
  return (await spent(attempts(deps), row.id)) ?? answer(deps, exchange, row);
}

async function answer(deps: Deps, exchange: Exchange, row: DeviceRow): Promise<Result<IssuedToken>> {
  const { now } = exchange;
  const isOver = row.expiresAt <= now || (row.status === 'pending' && row.tries >= MAX_CODE_TRIES);
  if (row.status === 'denied') return refusal('access_denied', 'the sign-in was denied');
  if (row.status === 'redeemed') return refusal('invalid_grant', 'the device code was used already');
  if (isOver) return refusal('expired_token', 'the code has expired, or was typed wrongly too often');
  const { id, workspaceId, sessionId, tokenId } = row;
  if (row.status === 'pending' || workspaceId === null || sessionId === null || tokenId === null)
    return pending(deps, id);
  const redemption = { id, workspaceId, sessionId, tokenId, place: placeOf(exchange), now };
  return redeemDevice(deps.db, deps.secrets, redemption);
}

/** Who asks too quickly is told to slow down. */
async function pending(deps: Deps, id: DeviceId): Promise<Result<IssuedToken>> {
  const isTooFast = (await spent(polls(deps), id)) !== undefined;
  if (isTooFast) return refusal('slow_down', `ask no oftener than every ${POLL_SECONDS} seconds`);
  return refusal('authorization_pending', 'nobody has decided about it yet');
}

function unknown() {
  return refusal('invalid_grant', 'there is no such device code');
}

function refusal(error: OAuthErrorCode, detail: string): { readonly ok: false; readonly refusal: Refusal } {
  return refuse({ kind: 'oauth', error, detail });
}
