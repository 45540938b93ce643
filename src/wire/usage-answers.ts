import { z } from 'zod';
import { MAX_COUNTED_CHECKS, MAX_COUNTED_TOKENS, MAX_USED_PLACES } from '../rules/token-usage.js';
import { timestamp, tokenShape } from './answers.js';
import type { TokenUsage } from './usage-resources.js';

const counts = { allowed: z.int(), denied: z.int() };
const seen = { first_seen_at: timestamp, last_seen_at: timestamp, ...counts };
const hasMore = z.boolean().describe('Whether there were more than are listed.');

const places = z
  .object({ data: z.array(z.object({ value: z.string(), ...seen })), has_more: hasMore })
  .meta({ id: 'UsedPlaces', description: `The latest ${MAX_USED_PLACES} of a kind, by when they were last seen.` });

const runners = z
  .object({ data: z.array(z.object({ id: z.string(), name: z.string(), ...seen })), has_more: hasMore })
  .meta({ id: 'UsedRunners', description: `The latest ${MAX_USED_PLACES} trusted runners.` });

export const tokenUsage: z.ZodType<TokenUsage> = z
  .object({
    token_id: z.string(),
    lineage_id: z.string(),
    tokens: z
      .object({ data: z.array(z.string()), has_more: hasMore })
      .describe(
        `The tokens that were counted together, newest first: with \`lineage\` the newest ${MAX_COUNTED_TOKENS} of those that the caller may see.`,
      ),
    since: timestamp.describe('The first instant of the first day, in UTC.'),
    until: timestamp.describe('The first instant behind the last day.'),
    complete_since: timestamp.describe(
      `Everything from then on was counted. Later than \`since\` when there were more than ${MAX_COUNTED_CHECKS} checks, of which the latest were.`,
    ),
    total: z.object(counts).meta({ id: 'UsageCounts' }),
    days: z
      .array(z.object({ day: z.string(), ...counts }))
      .describe('Each day in UTC from that of `complete_since` on, oldest first, those without a check too.'),
    repositories: places.describe('As the jobs said.'),
    refs: places.describe('As the jobs said.'),
    environments: places.describe('As the jobs said.'),
    jobs: places.describe('As the jobs said.'),
    runners: runners.describe('Runners that proved themselves.'),
    addresses: places.describe('From where the checks were asked.'),
    last_used_token_id: z.string().nullable().describe('Which of the tokens was used last.'),
    last_used_at: tokenShape.last_used_at.describe(
      'The last use of any kind, introspection too. Of introspections no more than the last use is on record.',
    ),
    last_used_ip: tokenShape.last_used_ip,
    last_used_by: tokenShape.last_used_by,
    last_used_run: tokenShape.last_used_run,
  })
  .meta({ id: 'TokenUsage' });
