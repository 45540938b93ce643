import { z } from 'zod';
import { MAX_EXPIRY_DAYS } from '../rules/lifetime.js';
import { FREEZE_DAYS } from '../rules/unused.js';
import { MAX_TOKENS_PER_WORKFLOW } from '../rules/workspace-policy.js';
import { operation } from './operation.js';
import { constraintKind, enforcement, minter, policyOutcome, workspacePolicy } from './policy-answers.js';
import type { PolicyRequest, WorkspacePolicy } from './policy-resources.js';
import { constraintPatterns, scopes } from './primitives.js';

function bound<S extends z.ZodType>(schema: S, description: string) {
  return schema.nullable().default(null).describe(`${description} \`null\`, or left out: not bounded.`);
}

export const policyRequest = z
  .strictObject({
    enforcement: enforcement
      .default('report')
      .describe('Whether a token that does not comply is inactive at its next check, or only listed.'),
    longest_expiry_days: bound(z.int().min(1).max(MAX_EXPIRY_DAYS), 'The longest life of a token as it was minted.'),
    allowed_scopes: bound(
      notEmpty(scopes),
      'What a token may hold, scopes of the service among it. A trailing `*` covers everything below it.',
    ),
    required_constraints: bound(
      notEmpty(z.array(constraintKind).transform((kinds) => [...new Set(kinds)])),
      'Kinds by which a token or its workflow must be constrained, with no pattern that lets everything through.',
    ),
    allowed_repositories: bound(
      constraintPatterns('repositories'),
      'Repositories that a token, with its workflow, must stay within. One that names none does not.',
    ),
    max_tokens_per_workflow: bound(
      z.int().min(1).max(MAX_TOKENS_PER_WORKFLOW),
      'How many tokens a workflow may have that have not ended. One and those that it was rotated to count once.',
    ),
    minters: bound(
      notEmpty(z.array(minter).transform((roles) => [...new Set(roles)])),
      'The roles whose members may have tokens for workflows. Owners always may.',
    ),
    freeze_unused_after_days: bound(
      z.int().min(FREEZE_DAYS.least).max(FREEZE_DAYS.most),
      'After how many days without use a token of a workflow is frozen, whatever the enforcement. An unfreezing counts as a use.',
    ),
  })
  .meta({
    id: 'PolicyRequest',
    examples: [
      {
        enforcement: 'block',
        longest_expiry_days: 30,
        allowed_scopes: ['codex:exec', 'repo:*'],
        required_constraints: ['repositories'],
        allowed_repositories: ['acme/*'],
        max_tokens_per_workflow: 20,
        minters: ['owner', 'admin'],
        freeze_unused_after_days: 90,
      },
    ],
  }) satisfies z.ZodType<WorkspacePolicy, PolicyRequest>;

function notEmpty<S extends z.ZodType<readonly unknown[]>>(schema: S) {
  return schema.refine((list) => list.length > 0, 'must not be empty: leave it out to bound nothing');
}

const tag = 'policy';

export const showPolicyOperation = operation({
  id: 'showPolicy',
  method: 'get',
  path: '/v1/policy',
  tag,
  summary: 'Show the policy of the workspace',
  description: 'A workspace without one answers `"enforcement":"report"` and `null` for every bound.',
  auth: 'bearer',
  scope: 'workflows:read',
  answers: { 200: { description: 'The policy', schema: workspacePolicy } },
  refusals: [],
});

export const putPolicyOperation = operation({
  id: 'putPolicy',
  method: 'put',
  path: '/v1/policy',
  tag,
  summary: 'Replace the policy of the workspace, and list what does not comply',
  description:
    'The whole policy is replaced: what is left out is not bounded, `{}` takes it away. In effect when it is answered: every new token complies, and with `"enforcement":"block"` one that does not comply is inactive at its next check. Work under way goes on. People’s own sign-in tokens, invitations and runners are not bound by it; only who signed in may change it, never a token of a workflow.',
  auth: 'bearer',
  scope: 'workspace:admin',
  body: policyRequest,
  answers: { 200: { description: 'The policy, and what does not comply', schema: policyOutcome } },
  refusals: [415, 422],
});

export const removePolicyOperation = operation({
  id: 'removePolicy',
  method: 'delete',
  path: '/v1/policy',
  tag,
  summary: 'Take the policy of the workspace away',
  auth: 'bearer',
  scope: 'workspace:admin',
  answers: { 204: { description: 'There is none now' } },
  refusals: [],
});

export const dryRunPolicyOperation = operation({
  id: 'dryRunPolicy',
  method: 'post',
  path: '/v1/policy/dry-run',
  tag,
  summary: 'List what would not comply with a policy',
  description: 'Nothing is stored.',
  auth: 'bearer',
  scope: 'workspace:admin',
  body: policyRequest,
  answers: { 200: { description: 'The policy, and what would not comply', schema: policyOutcome } },
  refusals: [415, 422],
});
