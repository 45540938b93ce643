import { z } from 'zod';
import type { GithubFeedback } from './incident-resources.js';
import { operation } from './operation.js';

/** What GitHub sends. Its items may gain members, and are read one by one. */
export const githubAlerts = z
  .array(z.record(z.string(), z.unknown()).catch({}))
  .max(10_000)
  .meta({
    id: 'GithubAlerts',
    description: 'Items of `token`, `type`, `url` and `source`.',
    examples: [[{ token: 'cst_…', type: 'countersign_token', url: 'https://github.com/acme/shop', source: 'commit' }]],
  });

const feedback: z.ZodType<GithubFeedback[]> = z
  .array(
    z.object({
      token_hash: z.string().describe('The SHA-256 of the raw token, in lower-case hex.'),
      token_type: z.string(),
      label: z
        .enum(['true_positive', 'false_positive'])
        .describe('Whether it is one of this service, in whatever state.'),
    }),
  )
  .meta({ id: 'GithubFeedback' });

export const reportGithubLeaksOperation = operation({
  id: 'reportGithubLeaks',
  method: 'post',
  path: '/v1/leaks/github',
  tag: 'incidents',
  summary: 'Report tokens, as GitHub’s secret scanning does',
  description:
    'For GitHub’s partner program: signed over the raw body (ECDSA P-256 and SHA-256), with a key that GitHub publishes. Each item that is a token of this service is revoked and its jobs are stopped before the answer; what is none stops nothing. Where the signature does not hold, nothing is read; where GitHub’s keys cannot be fetched, the answer is 503. 1 MiB at most.',
  auth: 'none',
  headers: [
    { name: 'Github-Public-Key-Identifier', description: 'The key, by its name.' },
    { name: 'Github-Public-Key-Signature', description: 'The signature: DER, in base64.' },
  ],
  body: githubAlerts,
  maxBodyBytes: 1_048_576,
  answers: { 200: { description: 'What each item was, in their order', schema: feedback } },
  refusals: [403, 415, 422, 429],
});
