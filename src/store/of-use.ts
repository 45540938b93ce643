import { type SQL, sql } from 'drizzle-orm';
import { addSeconds } from '../rules/lifetime.js';
import { execChecks, tokens } from './schema.js';

const CLOCKS_SECONDS = 3_600;

/** Tokens with which anything can still be done, and all that were made for days. One that was made for hours (a CI job's, a
 *  device's) is left out once it has expired an hour ago, whatever the clocks of the nodes, and no run goes on under it: to
 *  end it changes nothing, and a workspace gets thousands of them a day. */
export function isOfUse(now: Date): SQL {
  const at = now.toISOString();
  return sql`(${tokens.expiresInDays} > 0 or ${tokens.expiresAt} > ${addSeconds(now, -CLOCKS_SECONDS).toISOString()}::timestamptz
    or exists (select 1 from ${execChecks} where ${execChecks.workspaceId} = ${tokens.workspaceId}
      and ${execChecks.tokenId} = ${tokens.id} and ${execChecks.decision} = 'allow'
      and ${execChecks.finishedAt} is null and ${execChecks.validUntil} > ${at}::timestamptz))`;
}
