import { z } from 'zod';
import { DEFAULT_LEASE_SECONDS, MAX_LEASE_SECONDS, MIN_LEASE_SECONDS } from '../rules/run.js';
import { decision, execCheck, execCheckPage, execDecision, timestamp } from './answers.js';
import { decisionExample } from './examples.js';
import { operation } from './operation.js';
import { cursor, limit, line, publicId, scopes, workflowLabel } from './primitives.js';
import type { ExecCheckRequest, FinishRequest } from './resources.js';

const execContext = z
  .strictObject({
    repository: line(256).optional().describe('`owner/name` or `host/owner/name`.'),
    ref: line(256).optional().describe('The full ref, such as `refs/heads/main`.'),
    environment: line(256).optional(),
    job: line(256).optional().describe('For the record: what the CI calls the job.'),
    command: line(4096).optional().describe('For the record: what is to be run. It decides nothing.'),
  })
  .meta({ id: 'ExecContext', description: 'Where the job wants to run. What a constraint asks for must be said.' });

export const execCheckRequest = z
  .strictObject({
    token: z.string().max(1024).optional().describe('The job’s token. Without it the calling token itself is checked.'),
    workflow: workflowLabel,
    scopes: scopes.default([]).describe('What the job will need; each must be held.'),
    context: execContext.default({}),
    lease_seconds: z
      .int()
      .min(MIN_LEASE_SECONDS)
      .max(MAX_LEASE_SECONDS)
      .default(DEFAULT_LEASE_SECONDS)
      .describe('How long the run that an allow begins counts as running without a renewal.'),
  })
  .meta({
    id: 'ExecCheckRequest',
    examples: [
      {
        workflow: 'nightly-tests',
        scopes: ['codex:exec'],
        context: { repository: 'acme/shop', ref: 'refs/heads/main', job: 'tests', command: 'codex exec ./tests' },
      },
    ],
  }) satisfies z.ZodType<ExecCheckRequest, ExecCheckRequest>;

export type ExecCheckBody = z.output<typeof execCheckRequest>;

export const finishRequest = z
  .strictObject({
    exit_code: z.int().min(0).max(255).nullable().describe('`null` when a signal ended the job.'),
    signal: z
      .string()
      .regex(/^SIG[A-Z0-9+]{1,12}$/, 'must be the name of a signal, such as SIGTERM')
      .optional(),
  })
  .meta({ id: 'FinishRequest', examples: [{ exit_code: 0 }] }) satisfies z.ZodType<FinishRequest>;

const tag = 'exec checks';

export const execCheckOperation = operation({
  id: 'createExecCheck',
  method: 'post',
  path: '/v1/exec/checks',
  tag,
  summary: 'Ask whether a job may start',
  description:
    'By a trusted runner that holds `exec:check`, or by the job itself with its own token and no `token` member. The decision is in the database before it is answered. A denial is a 200 too.',
  auth: 'bearer',
  body: execCheckRequest,
  answers: { 200: { description: 'The decision', schema: execDecision, example: decisionExample } },
  refusals: [403, 415, 422],
});

export const listExecChecksOperation = operation({
  id: 'listExecChecks',
  method: 'get',
  path: '/v1/exec/checks',
  tag,
  summary: 'List decisions, newest first',
  description: 'With `exec:check` or `audit:read` all of the workspace; otherwise those of the calling token.',
  auth: 'bearer',
  query: z.strictObject({
    limit,
    cursor,
    workflow: workflowLabel.optional(),
    token: publicId('tok').optional(),
    decision: decision.optional(),
    after: z
      .union([publicId('chk'), timestamp], { error: 'must be the id of a check or an RFC 3339 time' })
      .optional()
      .describe('Only decisions made after this check or this instant.'),
  }),
  answers: { 200: { description: 'A page of decisions', schema: execCheckPage } },
  refusals: [422],
});

export const showExecCheckOperation = operation({
  id: 'showExecCheck',
  method: 'get',
  path: '/v1/exec/checks/{id}',
  tag,
  summary: 'Show a decision',
  auth: 'token',
  answers: { 200: { description: 'The decision', schema: execCheck } },
  refusals: [],
});

export const watchExecCheckOperation = operation({
  id: 'watchExecCheck',
  method: 'get',
  path: '/v1/exec/checks/{id}/watch',
  tag,
  summary: 'Be told at once when the right to run ends',
  description:
    'Server-Sent Events: `revoked`, `paused`, `suspended` or `stopped` (with the `reason` in its data, where one was given), then the stream ends; a comment every 10 s in between. The check’s own token may watch even after it expired or was superseded: that ends the right to start, not work under way.',
  auth: 'token',
  answers: {
    200: {
      description: 'The stream',
      contentType: 'text/event-stream',
      example: ': keep-alive\n\nevent: revoked\ndata: {}\n\n',
    },
  },
  refusals: [409],
});

export const finishExecCheckOperation = operation({
  id: 'finishExecCheck',
  method: 'post',
  path: '/v1/exec/checks/{id}/finish',
  tag,
  summary: 'Put on record how the job ended',
  auth: 'token',
  body: finishRequest,
  answers: { 200: { description: 'The decision with its end', schema: execCheck } },
  refusals: [409, 415, 422],
});
