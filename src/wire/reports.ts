import { z } from 'zod';
import { REPORT_DAYS, REPORT_KINDS } from '../rules/token-report.js';
import { operation } from './operation.js';
import { cursor, limit } from './primitives.js';
import { reportPage } from './report-answers.js';

const MAX_DAYS = 366;

const reportQuery = z.strictObject({
  limit,
  cursor,
  kind: z
    .enum(REPORT_KINDS)
    .describe(
      '`ownerless`: the owner is not active. `unused`: not used for `days`. `beyond_policy`: more than the policies of today allow, the workflow’s and the workspace’s. `expiring`: ends within `days` and has no successor.',
    ),
  days: z.coerce
    .number()
    .int()
    .min(1)
    .max(MAX_DAYS)
    .optional()
    .describe(`For \`unused\` and \`expiring\`; ${REPORT_DAYS} if absent.`),
});

export const reportTokensOperation = operation({
  id: 'reportTokens',
  method: 'get',
  path: '/v1/reports/tokens',
  tag: 'tokens',
  summary: 'List tokens that somebody should look at, newest first; `expiring` has the soonest first',
  description:
    'Of the tokens that have not ended, without what people sign in with and runners prove themselves with. Members see what they made or own.',
  auth: 'bearer',
  scope: 'tokens:read',
  query: reportQuery,
  answers: { 200: { description: 'A page of tokens, each with why it is there', schema: reportPage } },
  refusals: [422],
});
