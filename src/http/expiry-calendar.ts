import { createHash } from 'node:crypto';
import { type Calendar, type CalendarEvent, printCalendar } from '../rules/calendar.js';
import { printId } from '../rules/format.js';
import type { ExpiringToken } from '../store/expiring.js';
import { VERSION } from '../version.js';

/** What a calendar of ends is made of. `isWhole` is false when there were more than it tells. */
export interface ToldEnds {
  readonly workspace: string;
  readonly tokens: readonly ExpiringToken[];
  readonly isWhole: boolean;
  readonly issuer: string;
  readonly now: Date;
}

/** The ends of tokens as a calendar, and a tag that changes when any of them does: a weak one, for the time at which it was
 *  made is in it, too. RFC 9110 section 8.8.1. It is printed when it is asked for: who has it already is not kept waiting. */
export function expiryCalendar(told: ToldEnds): { readonly print: () => string; readonly etag: string } {
  const calendar = calendarOf(told);
  const said = JSON.stringify([calendar.name, calendar.description, calendar.product, calendar.events]);
  const digest = createHash('sha256').update(said, 'utf8').digest('base64url');
  return { print: () => printCalendar(calendar), etag: `W/"${digest}"` };
}

function calendarOf({ workspace, tokens, isWhole, issuer, now }: ToldEnds): Calendar {
  const last = tokens.at(-1)?.expiresAt.toISOString();
  const rest = isWhole ? '' : ` There are too many to tell: what ends after ${last ?? now.toISOString()} is left out.`;
  return {
    name: `Countersign ${workspace}: tokens that end`,
    description: `When tokens of ${workspace} end that have no successor yet.${rest}`,
    product: VERSION,
    at: now,
    events: tokens.map((token) => eventOf(token, issuer)),
  };
}

const DAY_MS = 86_400_000;
const ALARM_DAYS = [7, 1];

/** The end of a token. It is told of no earlier than the token was made. */
function eventOf(token: ExpiringToken, issuer: string): CalendarEvent {
  const id = printId('tok', token.id);
  const lifeMs = token.expiresAt.getTime() - token.createdAt.getTime();
  return {
    uid: `${id}@${new URL(issuer).host}`,
    at: token.expiresAt,
    createdAt: token.createdAt,
    summary: `Token of ${token.workflow} ends${token.name ? `: ${token.name}` : ''}`,
    description: [
      `The token ${id}${token.name ? ` (${token.name})` : ''} of the workflow ${token.workflow} ends at ${token.expiresAt.toISOString()}.`,
      ...(token.ownerEmail === undefined ? [] : [`Owner: ${token.ownerEmail}`]),
      `Make its successor before, and put that where its secret lives: countersign token rotate ${id}`,
    ].join('\n'),
    url: new URL(`${issuer}/v1/tokens/${id}`).href,
    alarmDays: ALARM_DAYS.filter((days) => lifeMs > days * DAY_MS),
  };
}
