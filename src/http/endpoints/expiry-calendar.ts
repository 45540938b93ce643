import { addDays } from '../../rules/lifetime.js';
import { accept } from '../../rules/refusal.js';
import { seesAllTokens } from '../../rules/role.js';
import { expiringForCalendar } from '../../store/expiring.js';
import { expiryCalendarOperation, MAX_EXPIRY_EVENTS } from '../../wire/expiries.js';
import { endpoint } from '../endpoint.js';
import { isKnown } from '../etag.js';
import { expiryCalendar } from '../expiry-calendar.js';

/** The ends of tokens as a calendar. Who sees all tokens gets all of them, a member those of its own. */
export const expiryCalendarRoute = endpoint(expiryCalendarOperation, async (deps, { caller, query, now, header }) => {
  const visibleTo = seesAllTokens(caller.creatorRole) ? undefined : caller.creatorId;
  const asked = { until: addDays(now, query.days), limit: MAX_EXPIRY_EVENTS + 1, visibleTo };
  const { found, end } = await expiringForCalendar(deps.db, caller.workspaceId, asked, now);
  const tokens = found.slice(0, MAX_EXPIRY_EVENTS);
  const isWhole = tokens.length === found.length && end === undefined;
  const told = { workspace: caller.workspaceSlug, tokens, isWhole, issuer: deps.issuer, now };
  const { print, etag } = expiryCalendar(told);
  // It may be kept by who asked, and is asked about each time.
  const headers = { etag, 'cache-control': 'private, no-cache', vary: 'authorization' };
  if (isKnown(etag, header('if-none-match'))) return accept({ status: 304, headers });
  return accept({
    status: 200,
    text: print(),
    headers: { 'content-type': 'text/calendar; charset=utf-8', ...headers },
  });
});
