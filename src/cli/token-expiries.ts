import { MAX_EXPIRY_DAYS } from '../rules/lifetime.js';
import { everyPage, type ReportedToken } from '../sdk/index.js';
import { collect, signedInClient } from './client.js';
import { relativeTime } from './instant.js';
import { outputView, print, printJson, say } from './output.js';
import { type Column, renderTable } from './table.js';
import { statusColour } from './tokens.js';

export interface ExpiriesFlags {
  days?: number;
  limit?: number;
  ics?: true;
  json?: true;
}

/** `token expiries`: the report of what ends, over as long as a token may live; or the calendar of it. */
export async function tokenExpiries(flags: ExpiriesFlags): Promise<number> {
  const client = await signedInClient();
  if (flags.ics) {
    process.stdout.write(await client.tokens.expiryCalendar({ days: flags.days }));
    return 0;
  }
  const query = {
    kind: 'expiring',
    days: flags.days ?? MAX_EXPIRY_DAYS,
    limit: Math.min(flags.limit ?? 200, 200),
  } as const;
  const pages = everyPage((cursor) => client.reports.tokens({ ...query, cursor }));
  const tokens = await collect(pages, flags.limit);
  if (flags.json) printJson({ data: tokens });
  else if (tokens.length === 0) say('No token ends in that time without a successor.');
  else for (const line of renderTable(columns(new Date()), tokens, outputView())) print(line);
  return 0;
}

function columns(now: Date): Column<ReportedToken>[] {
  return [
    {
      title: 'ENDS',
      value: (token) => token.expires_at,
      shown: (token) => relativeTime(token.expires_at, now),
      isWhole: true,
    },
    { title: 'ID', value: (token) => token.id, isWhole: true },
    { title: 'WORKFLOW', value: (token) => token.workflow },
    { title: 'NAME', value: (token) => token.name ?? '', isSpare: true },
    { title: 'OWNER', value: (token) => token.owner.email },
    { title: 'STATUS', value: (token) => token.status, colour: (token) => statusColour(token.status) },
  ];
}
