import { z } from 'zod';
import { MAX_USAGE_DAYS, USAGE_DAYS } from '../rules/token-usage.js';
import { operation } from './operation.js';
import { tokenUsage } from './usage-answers.js';

const usageQuery = z.strictObject({
  days: z
    .string()
    .regex(/^([1-9]|[1-8]\d|90)$/, `must be a whole number from 1 to ${MAX_USAGE_DAYS}`)
    .transform(Number)
    .default(USAGE_DAYS)
    .meta({
      override: { type: 'integer', minimum: 1, maximum: MAX_USAGE_DAYS, default: USAGE_DAYS },
      description: 'How many days, in UTC, today among them.',
    }),
  lineage: z
    .enum(['true', 'false'])
    .transform((text) => text === 'true')
    .default(false)
    .meta({
      override: { type: 'boolean', default: false },
      description: 'Counts all tokens of its line of rotations together. Needs `tokens:read`, of a token itself too.',
    }),
});

export const tokenUsageOperation = operation({
  id: 'tokenUsage',
  method: 'get',
  path: '/v1/tokens/{id}/usage',
  tag: 'tokens',
  summary: 'Tell what has used a token, or `self`',
  description:
    'The exec checks of its jobs, by day and by where they ran. Who only introspected it is told by its last use alone. A token may always read its own.',
  auth: 'bearer',
  scope: 'tokens:read',
  isOpenToSelf: true,
  query: usageQuery,
  answers: { 200: { description: 'What has used it', schema: tokenUsage } },
  refusals: [422],
});
