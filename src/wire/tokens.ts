import { z } from 'zod';
import { MAX_EXPIRY_DAYS } from '../rules/lifetime.js';
import {
  DEFAULT_DRAIN_SECONDS,
  DEFAULT_OVERLAP_SECONDS,
  MAX_DRAIN_SECONDS,
  MAX_OVERLAP_SECONDS,
} from '../rules/rotation.js';
import {
  explanation,
  mintedToken,
  revocation,
  revokeReason,
  timestamp,
  token,
  tokenPage,
  tokenStatus,
} from './answers.js';
import { mintedExample } from './examples.js';
import { operation } from './operation.js';
import { constraints, cursor, limit, line, prose, publicId, scopes, workflowLabel } from './primitives.js';
import type { MintRequest, RevocationRequest, RevokeRequest, RotateRequest, TransferRequest } from './resources.js';

const expiryDays = z.int().min(1).max(MAX_EXPIRY_DAYS);

export const mintRequest = z
  .strictObject({
    workflow: workflowLabel,
    scopes: scopes.refine((list) => list.length > 0, 'must hold at least one scope'),
    expires_in_days: expiryDays.describe('One of the workflow’s `allowed_expiry_days`.'),
    name: line(100).optional().describe('For people, to tell tokens apart.'),
    constraints: constraints.optional().describe('May narrow the workflow’s, never widen them.'),
    not_before: timestamp.optional().describe('When it starts to be valid; at once if absent.'),
  })
  .meta({
    id: 'MintRequest',
    examples: [
      {
        workflow: 'nightly-tests',
        scopes: ['codex:exec', 'repo:read'],
        expires_in_days: 30,
        name: 'nightly run',
        constraints: { repositories: ['acme/shop'], refs: ['refs/heads/main'] },
      },
    ],
  }) satisfies z.ZodType<MintRequest>;

export const rotateRequest = z
  .strictObject({
    expires_in_days: expiryDays
      .optional()
      .describe('The predecessor’s period if absent, as far as today’s policy lets it.'),
    overlap_seconds: z
      .int()
      .min(0)
      .max(MAX_OVERLAP_SECONDS)
      .optional()
      .describe(
        `How long the predecessor stays valid from now; ${DEFAULT_OVERLAP_SECONDS} if absent, 0 ends it at once.`,
      ),
    drain_seconds: z
      .int()
      .min(0)
      .max(MAX_DRAIN_SECONDS)
      .optional()
      .describe(
        `How long the predecessor stays valid after the first use of the successor; ${DEFAULT_DRAIN_SECONDS} if absent.`,
      ),
  })
  .meta({ id: 'RotateRequest', examples: [{ overlap_seconds: 86_400 }] }) satisfies z.ZodType<RotateRequest>;

export const revokeRequest = z.strictObject({ reason: revokeReason, note: prose(1000).optional() }).meta({
  id: 'RevokeRequest',
  examples: [{ reason: 'leaked', note: 'printed in a build log' }],
}) satisfies z.ZodType<RevokeRequest>;

export const transferRequest = z.strictObject({ owner_id: publicId('mem') }).meta({
  id: 'TransferRequest',
  examples: [{ owner_id: 'mem_01KfUXmCbVYz8sQ2dW3nRk' }],
}) satisfies z.ZodType<TransferRequest>;

const SELECTORS = ['workflow', 'creator_id', 'lineage_id', 'issued_before', 'workspace'] as const;

export const revocationRequest = z
  .strictObject({
    reason: revokeReason,
    dry_run: z.boolean().optional().describe('Counts and lists, and revokes nothing.'),
    workflow: workflowLabel.optional(),
    creator_id: publicId('mem').optional(),
    lineage_id: publicId('tok').optional(),
    issued_before: timestamp.optional(),
    workspace: z.literal(true).optional().describe('All tokens of the workspace.'),
  })
  .refine((request) => SELECTORS.filter((key) => request[key] !== undefined).length === 1, {
    error: `must hold exactly one of ${SELECTORS.join(', ')}`,
  })
  .meta({
    id: 'RevocationRequest',
    description:
      'A reason and exactly one selector: `workflow`, `creator_id`, `lineage_id`, `issued_before` or `workspace`.',
    oneOf: SELECTORS.map((key) => ({ required: [key] })),
    examples: [{ reason: 'leaked', workflow: 'nightly-tests', dry_run: true }],
  }) satisfies z.ZodType<RevocationRequest>;

const tokenQuery = z.strictObject({
  limit,
  cursor,
  workflow: workflowLabel.optional(),
  creator: publicId('mem').optional(),
  owner: publicId('mem').optional(),
  status: tokenStatus.optional(),
  expires_before: timestamp.optional().describe('Only those that expire before this instant.'),
  unused_since: timestamp.optional().describe('Only those that were not used since this instant.'),
});

const tag = 'tokens';

export const mintOperation = operation({
  id: 'mintToken',
  method: 'post',
  path: '/v1/tokens',
  tag,
  summary: 'Mint a token for a workflow',
  description:
    'The printed token is in the answer and nowhere else, ever again. With an `Idempotency-Key`, a retry of the same request gives the same token, with a fresh secret while it was never used.',
  auth: 'bearer',
  scope: 'tokens:mint',
  headers: [{ name: 'Idempotency-Key', description: '1 to 255 printable ASCII characters; kept for 24 hours.' }],
  body: mintRequest,
  answers: { 201: { description: 'Minted', schema: mintedToken, headers: ['Location'], example: mintedExample } },
  refusals: [409, 415, 422],
});

export const listTokensOperation = operation({
  id: 'listTokens',
  method: 'get',
  path: '/v1/tokens',
  tag,
  summary: 'List tokens, newest first',
  auth: 'bearer',
  scope: 'tokens:read',
  query: tokenQuery,
  answers: { 200: { description: 'A page of tokens', schema: tokenPage } },
  refusals: [422],
});

export const showTokenOperation = operation({
  id: 'showToken',
  method: 'get',
  path: '/v1/tokens/{id}',
  tag,
  summary: 'Show a token, or `self`',
  description: 'A token may always read itself.',
  auth: 'bearer',
  scope: 'tokens:read',
  isOpenToSelf: true,
  answers: { 200: { description: 'The token', schema: token } },
  refusals: [],
});

export const explainTokenOperation = operation({
  id: 'explainToken',
  method: 'get',
  path: '/v1/tokens/{id}/explain',
  tag,
  summary: "Explain a token's state at a time: who, when, why",
  auth: 'bearer',
  scope: 'tokens:read',
  query: z.strictObject({ at: timestamp.optional().describe('The instant to explain; now if absent.') }),
  answers: { 200: { description: 'The state and each fact that led to it', schema: explanation } },
  refusals: [422],
});

export const rotateTokenOperation = operation({
  id: 'rotateToken',
  method: 'post',
  path: '/v1/tokens/{id}/rotate',
  tag,
  summary: 'Rotate a token, or `self`',
  description:
    'Makes a successor; the predecessor stays valid for the overlap, and until the drain after the first use of the successor. Rotating again while the successor is unused replaces its secret and nothing else, so that a lost answer is harmless.',
  auth: 'bearer',
  scope: 'tokens:rotate',
  isOpenToSelf: 'runner',
  body: rotateRequest,
  isBodyOptional: true,
  answers: { 201: { description: 'The successor', schema: mintedToken, headers: ['Location'] } },
  refusals: [409, 415, 422],
});

export const revokeTokenOperation = operation({
  id: 'revokeToken',
  method: 'post',
  path: '/v1/tokens/{id}/revoke',
  tag,
  summary: 'Revoke a token, or `self`, for good',
  auth: 'bearer',
  scope: 'tokens:revoke',
  isOpenToSelf: true,
  body: revokeRequest,
  answers: { 200: { description: 'The token, revoked', schema: token } },
  refusals: [415, 422],
});

export const transferTokenOperation = operation({
  id: 'transferToken',
  method: 'post',
  path: '/v1/tokens/{id}/transfer',
  tag,
  summary: 'Hand a token over to another accountable member',
  description: 'Changes the owner, never the creator, and revives nothing.',
  auth: 'bearer',
  scope: 'workspace:admin',
  body: transferRequest,
  answers: { 200: { description: 'The token', schema: token } },
  refusals: [409, 415, 422],
});

export const revokeManyOperation = operation({
  id: 'revokeTokens',
  method: 'post',
  path: '/v1/revocations',
  tag,
  summary: 'Revoke many tokens in one transaction',
  description:
    'By `creator_id`, `workspace` or `issued_before` the sessions of the same people end too (those begun before): nobody approves another device in one.',
  auth: 'bearer',
  scope: 'tokens:revoke',
  body: revocationRequest,
  answers: { 200: { description: 'How many, and the first 200', schema: revocation } },
  refusals: [415, 422],
});
