import { addSeconds } from '../../rules/lifetime.js';
import { accept } from '../../rules/refusal.js';
import type { Origin } from '../../store/events.js';
import { endProviderSessions } from '../../store/session-ends.js';
import { readForm } from '../body.js';
import { placeOf, type Route } from '../endpoint.js';
import type { Answer } from '../exchange.js';

/** Longer than a logout token is taken for its age. */
const REMEMBERED_SECONDS = 3600;

/** The provider tells that somebody's session there has ended: theirs here end with it, and the tokens approved in them.
 *  Who calls is known by the signature alone; a cookie is not looked at. OpenID Connect Back-Channel Logout 1.0 section
 *  2.5. */
export const backchannelLogoutRoute: Route = {
  operation: { method: 'post', path: '/console/backchannel-logout' },
  handle: async (deps, exchange) => {
    const { provider, log } = deps;
    if (provider === undefined) return accept(faulty('no provider is configured'));
    const form = await readForm(exchange);
    const token = form.ok ? form.value['logout_token'] : undefined;
    if (token === undefined) return accept(faulty('a form with one logout_token is needed'));
    const told = await provider.readLogoutToken(token, exchange.now);
    if (!told.ok) {
      const { requestId } = exchange;
      log.warn({ requestId, reason: told.reason, isAway: told.isAway }, 'a logout token was refused');
      return accept(told.isAway ? AWAY : faulty('the logout token is not valid'));
    }
    const origin: Origin = { actorType: 'system', actorId: 'openid-provider', ...placeOf(exchange) };
    const until = addSeconds(exchange.now, REMEMBERED_SECONDS);
    const ended = await endProviderSessions(deps.db, told.value, until, origin, exchange.now);
    return accept(ended === undefined ? faulty('the logout token was used before') : { status: 200, headers: {} });
  },
};

const AWAY: Answer = {
  status: 503,
  headers: { 'content-type': 'application/json', 'retry-after': '30' },
  body: JSON.stringify({
    error: 'temporarily_unavailable',
    error_description: 'the keys of the provider cannot be read',
  }),
};

// Section 2.8.
function faulty(detail: string): Answer {
  const body = JSON.stringify({ error: 'invalid_request', error_description: detail });
  return { status: 400, headers: { 'content-type': 'application/json' }, body };
}
