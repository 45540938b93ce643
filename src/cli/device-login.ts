import { hostname } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { type Client, type DeviceAuthorization, isOutOfReach, ProblemError, type TokenAnswer } from '../sdk/index.js';
import { clientFor } from './client.js';
import { readServiceUrl } from './connection.js';
import { HintedError } from './hinted-error.js';
import { nameLogin, rememberLogin } from './login-file.js';
import { messageView, print, say } from './output.js';
import { printable } from './printable.js';
import { qrCode } from './qr-code.js';
import { accountOf, sayWho } from './signed-in.js';

/** What an answer without an interval means, and what `slow_down` adds, in seconds. RFC 8628 sections 3.2 and 3.5. */
const DEFAULT_INTERVAL = 5;
const SLOWER_BY = 5;
const LONGEST_INTERVAL = 60;

const BY_TOKEN =
  'With a token instead: `countersign auth login --with-token < FILE`. `countersign serve` writes the first one to owner.token in its data directory, `countersign member accept` trades an invitation for one, and on the host `countersign member recover EMAIL` makes one.';
const ANEW = 'Start anew with `countersign auth login`.';

/** `auth login` by a code that somebody who is signed in on the pages types there (RFC 8628). Nothing is stored until it was
 *  approved; then the token is, before anything else, because it is given once. */
export async function deviceLogin(flags: { json?: true }): Promise<number> {
  const url = await readServiceUrl();
  const client = clientFor(url, undefined);
  const begun = await begin(client);
  if (flags.json) print(JSON.stringify({ event: 'waiting', url, ...shown(begun) }));
  else await showCode(url, begun);
  const { access_token } = await tokenOf(client, begun);
  await rememberLogin(process.env, url, { token: access_token, via: 'device' });
  const me = await clientFor(url, access_token).me();
  await nameLogin(process.env, url, me.workspace.slug);
  if (flags.json) print(JSON.stringify({ event: 'signed_in', ...accountOf(url, me) }));
  else sayWho(url, me);
  return 0;
}

async function begin(client: Client): Promise<DeviceAuthorization> {
  try {
    return await client.oauth.authorizeDevice({ clientName: hostname() });
  } catch (error) {
    const isUnable = error instanceof ProblemError && (error.kind === 'access_denied' || error.status === 404);
    throw isUnable ? new HintedError(error, BY_TOKEN) : error;
  }
}

/** Without the device code, which is nobody's business. */
function shown({ device_code: _, ...rest }: DeviceAuthorization) {
  return rest;
}

async function showCode(url: string, begun: DeviceAuthorization): Promise<void> {
  const view = messageView();
  const { user_code, verification_uri, verification_uri_complete, expires_in } = begun;
  say(`To sign in to ${printable(url)}, open this page on any device:\n`);
  say(`  ${printable(verification_uri)}\n`);
  say(`and type the code  ${printable(user_code)}`);
  // The code stands behind the #, which no browser sends: it gets into nobody's log.
  if (view.isTerminal) say(`\n${await qrCode(verification_uri_complete ?? verification_uri, view.hasColour)}`);
  say(`\nWaiting; the code is good for ${Math.round(expires_in / 60)} minutes. Tell it to nobody. Ctrl-C gives up.`);
}

/** Asks until somebody has decided. A service that is out of reach for a while is asked again, less often each time. */
async function tokenOf(client: Client, begun: DeviceAuthorization): Promise<TokenAnswer> {
  // Not by a time that the service tells: this machine's clock may be another.
  const giveUpAt = performance.now() + begun.expires_in * 1000;
  let seconds = begun.interval ?? DEFAULT_INTERVAL;
  for (;;) {
    await pause(seconds * 1000);
    try {
      return await client.oauth.deviceToken(begun.device_code);
    } catch (error) {
      seconds = nextInterval(error, seconds);
      if (performance.now() > giveUpAt) throw new HintedError(error, ANEW);
    }
  }
}

/** How long to wait after what was answered, in seconds; throws it when there is nothing to wait for. RFC 8628 section 3.5. */
export function nextInterval(error: unknown, seconds: number): number {
  if (error instanceof ProblemError) {
    if (error.kind === 'authorization_pending') return seconds;
    if (error.kind === 'slow_down') return seconds + SLOWER_BY;
  }
  if (!isOutOfReach(error)) throw error instanceof ProblemError ? new HintedError(error, ANEW) : error;
  const asked = error instanceof ProblemError ? (error.retryAfterSeconds ?? 0) : 0;
  return Math.max(asked, Math.min(seconds * 2, LONGEST_INTERVAL));
}
