import { askedScopes, DEVICE_CODE_SECONDS, deviceName } from '../../rules/device.js';
import { accept, refuse } from '../../rules/refusal.js';
import { POLL_SECONDS } from '../../rules/user-code.js';
import { openDevice } from '../../store/devices.js';
import { hasWayIn } from '../../store/ways-in.js';
import { deviceAuthorizationOperation } from '../../wire/token-endpoint.js';
import { callerNetwork } from '../address.js';
import { readForm } from '../body.js';
import { jsonAnswer, type Route } from '../endpoint.js';
import { scrub } from '../log.js';
import { clientFault } from '../oauth-client.js';
import { pagesUrl } from '../pages-url.js';
import { limitOf, spent } from '../rate-limit.js';

// Each costs an argon2id and needs no credentials: so many a minute from one network, and from all together.
const fromOne = limitOf({ points: 20, duration: 60 });
const fromAll = limitOf({ points: 240, duration: 60 });

/** A device asks to act for a person. RFC 8628 sections 3.1 and 3.2. */
export const deviceAuthorizationRoute: Route = {
  operation: deviceAuthorizationOperation,
  handle: async (deps, exchange) => {
    const form = await readForm(exchange);
    if (!form.ok) return form;
    const fault = clientFault(exchange, form.value);
    if (fault) return fault;
    const scopes = askedScopes(form.value['scope']);
    if (scopes === undefined) {
      return refuse({ kind: 'oauth', error: 'invalid_scope', detail: 'a sign-in has scopes of this service alone' });
    }
    const limited = (await spent(fromOne(deps), callerNetwork(exchange.ip))) ?? (await spent(fromAll(deps), 'all'));
    if (limited) return limited;
    if (deps.provider === undefined && !(await hasWayIn(deps.db, exchange.now))) return nobodyCanSayYes();
    const draft = {
      clientName: deviceName(scrub(form.value['client_name'] ?? '')),
      ip: exchange.ip ?? null,
      scopes: scopes.length === 0 ? null : [...scopes],
    };
    const opened = await openDevice(deps.db, deps.secrets, draft, exchange.now);
    if (!opened.ok) return opened;
    const { deviceCode, userCode } = opened.value;
    const page = `${pagesUrl(deps.issuer)}/console/device`;
    const body = {
      device_code: deviceCode,
      user_code: userCode,
      verification_uri: page,
      // Behind the #, which no browser sends: a code in a query would stand in the logs of what is on the way.
      verification_uri_complete: `${page}#${userCode}`,
      expires_in: DEVICE_CODE_SECONDS,
      interval: POLL_SECONDS,
    };
    return accept(jsonAnswer({ status: 200, body }));
  },
};

function nobodyCanSayYes() {
  const detail =
    'nobody can sign in on the pages of this service: it has no identity provider, and nobody has a passkey or is signed in';
  return refuse({ kind: 'oauth', error: 'access_denied', detail });
}
