import { z } from 'zod';
import { leakReceipt } from './incident-answers.js';
import type { LeakReport } from './incident-resources.js';
import { operation } from './operation.js';
import { line } from './primitives.js';

/** How many tokens one report may hold. */
export const MAX_LEAKED = 1_000;

const leakReport = z
  .strictObject({
    tokens: z
      .array(z.string())
      .min(1)
      .max(MAX_LEAKED)
      .describe('What was found, as it was found. What is no token of this service is ignored.'),
    source: z
      .strictObject({
        type: line(64).optional().describe('What kind of place, such as `commit` or `log`.'),
        url: line(1024).optional().describe('Where.'),
      })
      .optional(),
  })
  .meta({
    id: 'LeakReport',
    examples: [
      {
        tokens: ['cst_…'],
        source: { type: 'commit', url: 'https://github.com/acme/shop/commit/4f2a9c1' },
      },
    ],
  }) satisfies z.ZodType<LeakReport>;

export const reportLeaksOperation = operation({
  id: 'reportLeaks',
  method: 'post',
  path: '/v1/leaks',
  tag: 'incidents',
  summary: 'Report tokens that were found where they do not belong',
  description:
    'By anybody, without an account: whoever has a token may end it. Each that is one of this service is revoked and its jobs are stopped before the answer, and an incident tells its owner’s workspace. The answer is the same whatever they were. 60 reports a minute from one network; a body of 128 KiB at most.',
  auth: 'none',
  body: leakReport,
  maxBodyBytes: 131_072,
  takesTokens: true,
  answers: { 202: { description: 'Read and done', schema: leakReceipt } },
  refusals: [415, 422, 429],
});
