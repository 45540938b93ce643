import { z } from 'zod';
import { decision, execCheck, execCheckPage, execDecision, timestamp } from './answers.js';
import { operation } from './operation.js';
import { cursor, limit, line, publicId, scopes, workflowLabel } from './primitives.js';
import type { ExecCheckRequest, FinishRequest } from './resources.js';

const execContext = z.strictObject({
  repository: line(256).optional(),
  ref: line(256).optional(),
  environment: line(256).optional(),
  job: line(256).optional(),
  command: line(4096).optional(),
});

export const execCheckRequest = z
  .strictObject({
    token: z.string().max(1024).optional(),
    workflow: workflowLabel,
    scopes: scopes.default([]),
    context: execContext.default({}),
  })
  .meta({ id: 'ExecCheckRequest' }) satisfies z.ZodType<ExecCheckRequest, ExecCheckRequest>;

export const finishRequest = z
  .strictObject({
    exit_code: z.int().min(0).max(255).nullable(),
    signal: z
      .string()
      .regex(/^SIG[A-Z0-9+]{1,12}$/, 'must be the name of a signal, such as SIGTERM')
      .optional(),
  })
  .meta({ id: 'FinishRequest' }) satisfies z.ZodType<FinishRequest>;

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
  answers: { 200: { description: 'The decision', schema: execDecision } },
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
    after: z.union([publicId('chk'), timestamp], { error: 'must be the id of a check or an RFC 3339 time' }).optional(),
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
    'Server-Sent Events: `revoked`, `paused` or `suspended`, then the stream ends; a comment every 10 s in between. The check’s own token may watch even after it expired or was superseded: that ends the right to start, not work under way.',
  auth: 'token',
  answers: { 200: { description: 'The stream', contentType: 'text/event-stream' } },
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
