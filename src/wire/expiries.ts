import { z } from 'zod';
import { MAX_EXPIRY_DAYS } from '../rules/lifetime.js';
import { operation } from './operation.js';

/** How many ends one calendar tells. */
export const MAX_EXPIRY_EVENTS = 2_000;

const expiryQuery = z.strictObject({
  days: z.coerce
    .number()
    .int()
    .min(1)
    .max(MAX_EXPIRY_DAYS)
    .default(MAX_EXPIRY_DAYS)
    .describe('Only what ends within so many days.'),
});

export const expiryCalendarOperation = operation({
  id: 'expiryCalendar',
  method: 'get',
  path: '/v1/expiries.ics',
  tag: 'tokens',
  summary: 'Give the ends of tokens as a calendar to subscribe to',
  description: `An iCalendar object (RFC 5545) of at most ${MAX_EXPIRY_EVENTS} events, the soonest: the tokens of workflows that were neither rotated, revoked nor frozen. Members see what they made or own. For calendar programs, which know no Bearer, the token may be the password of HTTP Basic, here alone; the user name may be any.`,
  auth: 'bearer',
  takesBasic: true,
  scope: 'tokens:read',
  query: expiryQuery,
  headers: [{ name: 'If-None-Match', description: 'The `ETag` of the calendar that the caller has.' }],
  answers: {
    200: { description: 'The calendar', contentType: 'text/calendar', headers: ['ETag'] },
    304: { description: 'The caller has it already', headers: ['ETag'] },
  },
  refusals: [422],
});
