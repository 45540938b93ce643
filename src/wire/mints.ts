import { z } from 'zod';
import { mintedTokens } from './answers.js';
import { mintedExample } from './examples.js';
import { operation } from './operation.js';
import type { MintManyRequest } from './resources.js';
import { mintRequest } from './tokens.js';

/** How many tokens one request may mint. */
export const MAX_MINTED = 100;

const mintManyRequest = z.strictObject({ tokens: z.array(mintRequest).min(1).max(MAX_MINTED) }).meta({
  id: 'MintManyRequest',
  examples: [
    {
      tokens: [
        { workflow: 'nightly-tests', scopes: ['codex:exec', 'repo:read'], expires_in_days: 30 },
        { workflow: 'codex-review', scopes: ['codex:exec'], expires_in_days: 30 },
      ],
    },
  ],
}) satisfies z.ZodType<MintManyRequest>;

export const mintManyOperation = operation({
  id: 'mintTokens',
  method: 'post',
  path: '/v1/tokens/bulk',
  tag: 'tokens',
  summary: 'Mint many tokens, all or none',
  description:
    'Each as by `POST /v1/tokens`, in the order of the request. A refusal of one refuses all, and its pointer or its detail begins with the place, such as `#/tokens/3/scopes/0`. With an `Idempotency-Key`, a retry of the same request gives the same tokens, with fresh secrets while none of them was used. Counted together with those that are in the request, a workflow has no more tokens than the workspace’s policy allows. A body of 512 KiB at most; it takes seconds.',
  auth: 'bearer',
  scope: 'tokens:mint',
  headers: [{ name: 'Idempotency-Key', description: '1 to 255 printable ASCII characters; kept for 24 hours.' }],
  body: mintManyRequest,
  maxBodyBytes: 524_288,
  answers: { 201: { description: 'Minted', schema: mintedTokens, example: { tokens: [mintedExample] } } },
  refusals: [409, 415, 422],
});
