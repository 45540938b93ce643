import { z } from 'zod';
import { REUSE_RULES } from '../rules/incident.js';
import { MAX_WINDOW_DAYS } from '../rules/leaver.js';
import { MAX_EXPIRY_DAYS } from '../rules/lifetime.js';
import { MAX_CONCURRENT_RUNS } from '../rules/run-limit.js';
import { DEFAULT_EXPIRY_DAYS, DEFAULT_MAX_RUN_SECONDS, isSameAddress, MAX_CONTACTS } from '../rules/workflow.js';
import { workflow, workflowPage } from './answers.js';
import { email } from './members.js';
import { operation } from './operation.js';
import { constraints, cursor, limit, prose, publicId, scopes } from './primitives.js';
import type { Leaver, WorkflowRequest } from './resources.js';
import { workflowRotations } from './workflow-rotations.js';

const MAX_RUN_SECONDS = 2_592_000;

const runLimit = z.int().min(1).max(MAX_CONCURRENT_RUNS).nullable().default(null);

const leaver = z
  .discriminatedUnion('rule', [
    z.strictObject({ rule: z.literal('freeze') }),
    z.strictObject({ rule: z.literal('revoke') }),
    z.strictObject({
      rule: z.literal('transfer'),
      successor_id: publicId('mem').describe('The member who may take them over.'),
      window_days: z.int().min(1).max(MAX_WINDOW_DAYS).describe('How long.'),
    }),
  ])
  .meta({
    id: 'Leaver',
    description:
      'What becomes of the tokens when their creator is suspended or leaves: they stay inactive (`freeze`), end (`revoke`), or stay inactive for some days in which the named successor may take over (`transfer`), and then end.',
  }) satisfies z.ZodType<Leaver>;

const contacts = z
  .array(email)
  .max(MAX_CONTACTS)
  .transform((list) => list.filter((one, at) => list.findIndex((other) => isSameAddress(one, other)) === at))
  .describe('E-mail addresses that hear of its tokens beside their owners. Upper and lower case are the same address.');

export const workflowRequest = z
  .strictObject({
    description: prose(1000).default(''),
    allowed_scopes: scopes.default([]).describe('What may be granted. A trailing `*` covers everything below it.'),
    allowed_expiry_days: z
      .array(z.int().min(1).max(MAX_EXPIRY_DAYS))
      .min(1)
      .max(32)
      .transform((days) => [...new Set(days)].sort((a, b) => a - b))
      .default([...DEFAULT_EXPIRY_DAYS])
      .describe('Whole days that a token may be asked for.'),
    constraints: constraints.default({}),
    max_run_seconds: z
      .int()
      .min(1)
      .max(MAX_RUN_SECONDS)
      .default(DEFAULT_MAX_RUN_SECONDS)
      .describe('How long a job may run after its check.'),
    max_concurrent_runs: runLimit.describe('How many runs of it there may be at a time; `null` for no limit.'),
    max_concurrent_runs_per_token: runLimit.describe(
      'How many of them under one token and its rotations; `null` for no limit.',
    ),
    leaver: leaver
      .nullable()
      .default(null)
      .describe(
        'What becomes of its tokens when their creator leaves. With `null` a suspension holds them back while it lasts, and who has left for good leaves them frozen.',
      ),
    reuse_rule: z
      .enum(REUSE_RULES)
      .default('alarm')
      .describe(
        'What the use of a dead secret does, one that is superseded or revoked and no late retry: `alarm` opens an incident; `revoke` also ends every token of its lineage and stops their runs. With `revoke` whoever has kept an old secret can end the tokens that came after it (RFC 9700 section 4.14.2).',
      ),
    rotations: workflowRotations
      .default([])
      .describe(
        'Where its secrets live. To name a place that is new takes `workspace:admin`, and a passkey of a person who has one.',
      ),
    contacts: contacts.default([]),
  })
  .meta({
    id: 'WorkflowRequest',
    examples: [
      {
        description: 'Runs the tests of the shop every night',
        allowed_scopes: ['codex:exec', 'repo:*'],
        allowed_expiry_days: [7, 30],
        constraints: { repositories: ['acme/*'] },
        max_run_seconds: 3600,
      },
    ],
  }) satisfies z.ZodType<Required<WorkflowRequest>, WorkflowRequest>;

const tag = 'workflows';

export const listWorkflowsOperation = operation({
  id: 'listWorkflows',
  method: 'get',
  path: '/v1/workflows',
  tag,
  summary: 'List workflows by label',
  auth: 'bearer',
  scope: 'workflows:read',
  query: z.strictObject({ limit, cursor }),
  answers: { 200: { description: 'A page of workflows', schema: workflowPage } },
  refusals: [422],
});

export const showWorkflowOperation = operation({
  id: 'showWorkflow',
  method: 'get',
  path: '/v1/workflows/{label}',
  tag,
  summary: 'Show a workflow',
  auth: 'bearer',
  scope: 'workflows:read',
  answers: { 200: { description: 'The workflow', schema: workflow } },
  refusals: [],
});

export const putWorkflowOperation = operation({
  id: 'putWorkflow',
  method: 'put',
  path: '/v1/workflows/{label}',
  tag,
  summary: 'Make a workflow, or replace its policy',
  description: 'The whole policy is replaced (RFC 9110 section 9.3.4): a member that is left out gets its default.',
  auth: 'bearer',
  scope: 'workflows:write',
  body: workflowRequest,
  answers: {
    200: { description: 'Replaced', schema: workflow },
    201: { description: 'Made', schema: workflow, headers: ['Location'] },
  },
  refusals: [415, 422],
});

export const pauseWorkflowOperation = operation({
  id: 'pauseWorkflow',
  method: 'post',
  path: '/v1/workflows/{label}/pause',
  tag,
  summary: 'Pause a workflow: its tokens are inactive and its jobs stop, at once',
  auth: 'bearer',
  scope: 'workflows:write',
  answers: { 200: { description: 'The workflow', schema: workflow } },
  refusals: [422],
});

export const resumeWorkflowOperation = operation({
  id: 'resumeWorkflow',
  method: 'post',
  path: '/v1/workflows/{label}/resume',
  tag,
  summary: 'Resume a paused workflow',
  auth: 'bearer',
  scope: 'workflows:write',
  answers: { 200: { description: 'The workflow', schema: workflow } },
  refusals: [422],
});
