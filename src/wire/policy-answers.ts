import { z } from 'zod';
import { person, timestamp } from './answers.js';
import type { BeyondPolicy, PolicyOutcome, WorkspacePolicy } from './policy-resources.js';

export const enforcement = z.enum(['report', 'block']);
export const constraintKind = z.enum(['repositories', 'refs', 'environments', 'runners', 'networks']);
export const minter = z.enum(['owner', 'admin', 'member']);

export const workspacePolicy: z.ZodType<WorkspacePolicy> = z
  .object({
    enforcement: enforcement.describe('`block` makes a token that does not comply inactive; `report` only lists it.'),
    longest_expiry_days: z.int().nullable(),
    allowed_scopes: z.array(z.string()).nullable(),
    required_constraints: z.array(constraintKind).nullable(),
    allowed_repositories: z.array(z.string()).nullable(),
    max_tokens_per_workflow: z.int().nullable(),
    minters: z.array(minter).nullable(),
    // Of a service, or an event, of before there was one.
    freeze_unused_after_days: z.int().nullable().default(null),
  })
  .meta({
    id: 'WorkspacePolicy',
    description: 'What every workflow of the workspace is held to. What is `null` is not bounded.',
  });

const beyondPolicy: z.ZodType<BeyondPolicy> = z
  .object({
    id: z.string(),
    name: z.string().nullable(),
    workflow: z.string(),
    creator: person,
    expires_at: timestamp,
    why: z
      .array(z.object({ rule: z.string(), detail: z.string() }))
      .describe('Each bound that it does not keep to, by the name that it has in the policy.'),
  })
  .meta({ id: 'BeyondPolicy' });

export const policyOutcome: z.ZodType<PolicyOutcome> = z
  .object({
    policy: workspacePolicy,
    not_complying: z.int().describe('How many tokens do not comply.'),
    tokens: z.array(beyondPolicy).describe('The first 200 of them, oldest first.'),
    to_freeze: z
      .int()
      .default(0)
      .describe('How many tokens were not used for so long that they are frozen by the next rounds, within hours.'),
    crowded_workflows: z
      .array(z.object({ workflow: z.string(), tokens: z.int() }))
      .describe('The first 200 workflows with more tokens than the policy allows: they get no further ones.'),
  })
  .meta({ id: 'PolicyOutcome' });
