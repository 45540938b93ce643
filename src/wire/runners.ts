import { z } from 'zod';
import { isRunnerLabel, isRunnerName, MAX_RUNNER_LABELS, RUNNER_EXPIRY_DAYS } from '../rules/runner.js';
import { operation } from './operation.js';
import { cursor, limit } from './primitives.js';
import { enrolment, enrolmentSummary, pendingEnrolment, redeemedRunner, runner, runnerPage } from './runner-answers.js';
import type { ApprovalRequest, EnrolmentRequest, RunnerPatch } from './runner-resources.js';

const name = z
  .string()
  .refine(isRunnerName, 'must be 1 to 64 of a-z 0-9 . _ -, a letter or digit at both ends')
  .meta({ pattern: '^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$' });

const labels = z
  .array(
    z
      .string()
      .refine(isRunnerLabel, 'must be 1 to 64 of a-z 0-9 . _ - : = /, a letter or digit at both ends')
      .meta({ pattern: '^[a-z0-9]+([._:=/-]+[a-z0-9]+)*$', maxLength: 64 }),
  )
  .max(MAX_RUNNER_LABELS)
  .transform((list) => [...new Set(list)]);

const userCode = z.string().max(32).describe('As the host shows it; case, dashes and spaces do not matter.');

export const enrolmentRequest = z
  .strictObject({ name, labels: labels.default([]) })
  .meta({ id: 'EnrolmentRequest', examples: [{ name: 'build-1', labels: ['linux', 'gpu'] }] }) satisfies z.ZodType<
  EnrolmentRequest,
  EnrolmentRequest
>;

export const lookupRequest = z.strictObject({ user_code: userCode }).meta({
  id: 'UserCodeRequest',
  examples: [{ user_code: 'WDJBM-JHTKX' }],
}) satisfies z.ZodType<{ user_code: string }>;

export const approvalRequest = z
  .strictObject({
    user_code: userCode,
    name: name.optional().describe('Instead of the name that the host asks for.'),
    labels: labels.optional().describe('Instead of the labels that the host asks for.'),
    expires_in_days: z
      .int()
      .refine((days) => RUNNER_EXPIRY_DAYS.includes(days), `must be one of ${RUNNER_EXPIRY_DAYS.join(', ')}`)
      .optional()
      .describe('How long its token lives: 7, 30, 60 or 90 (default 90).'),
  })
  .meta({
    id: 'ApprovalRequest',
    examples: [{ user_code: 'WDJBM-JHTKX', labels: ['linux'] }],
  }) satisfies z.ZodType<ApprovalRequest, ApprovalRequest>;

export const runnerPatch = z
  .strictObject({ name: name.optional(), labels: labels.optional() })
  .refine((patch) => patch.name !== undefined || patch.labels !== undefined, 'must hold name, labels, or both')
  .meta({ id: 'RunnerPatch', minProperties: 1, examples: [{ labels: ['linux', 'gpu'] }] }) satisfies z.ZodType<
  RunnerPatch,
  RunnerPatch
>;

const tag = 'runners';

export const enrolRunnerOperation = operation({
  id: 'enrolRunner',
  method: 'post',
  path: '/v1/runner-enrolments',
  tag,
  summary: 'Ask, as a host, to become a runner',
  description:
    'Needs no token, only a proof of the key that the host has made for itself (RFC 9449, without `ath`). The answer has the user code that somebody with `runners:write` types within 10 minutes (RFC 8628 section 6.1).',
  auth: 'proof',
  body: enrolmentRequest,
  answers: { 201: { description: 'Waiting for an approval', schema: enrolment } },
  refusals: [415, 422, 429],
});

export const redeemEnrolmentOperation = operation({
  id: 'redeemEnrolment',
  method: 'post',
  path: '/v1/runner-enrolments/{id}/redeem',
  tag,
  summary: 'Fetch, as the host, what was approved',
  description:
    'With a proof of the key that the enrolment was made with. A lost answer is harmless: until the token was used, it is given again with a fresh secret, and the one before stops working.',
  auth: 'proof',
  answers: {
    200: { description: 'Approved: the token, shown this once', schema: redeemedRunner },
    202: { description: 'Not approved yet', schema: pendingEnrolment, headers: ['Retry-After'] },
  },
  refusals: [409, 429],
});

export const lookupEnrolmentOperation = operation({
  id: 'lookupEnrolment',
  method: 'post',
  path: '/v1/runner-enrolments/lookup',
  tag,
  summary: 'Show what a user code would approve',
  description: 'A wrong code counts as a try: after five its enrolment is over.',
  auth: 'bearer',
  scope: 'runners:write',
  body: lookupRequest,
  answers: { 200: { description: 'The enrolment', schema: enrolmentSummary } },
  refusals: [415, 422, 429],
});

export const approveEnrolmentOperation = operation({
  id: 'approveEnrolment',
  method: 'post',
  path: '/v1/runner-enrolments/approve',
  tag,
  summary: 'Make a runner of the host that shows a user code',
  description:
    'Its token may check the tokens of jobs and nothing else; the approver must be allowed that too, and is its creator: when the approver is suspended, the token is inactive.',
  auth: 'bearer',
  scope: 'runners:write',
  body: approvalRequest,
  answers: { 201: { description: 'The runner', schema: runner, headers: ['Location'] } },
  refusals: [409, 415, 422, 429],
});

export const denyEnrolmentOperation = operation({
  id: 'denyEnrolment',
  method: 'post',
  path: '/v1/runner-enrolments/deny',
  tag,
  summary: 'Turn the host away that shows a user code',
  auth: 'bearer',
  scope: 'runners:write',
  body: lookupRequest,
  answers: { 204: { description: 'Denied' } },
  refusals: [415, 422, 429],
});

export const listRunnersOperation = operation({
  id: 'listRunners',
  method: 'get',
  path: '/v1/runners',
  tag,
  summary: 'List runners, oldest first',
  auth: 'bearer',
  scope: 'runners:read',
  query: z.strictObject({ limit, cursor }),
  answers: { 200: { description: 'A page of runners', schema: runnerPage } },
  refusals: [422],
});

export const showRunnerOperation = operation({
  id: 'showRunner',
  method: 'get',
  path: '/v1/runners/{id}',
  tag,
  summary: 'Show a runner, or `self`',
  auth: 'bearer',
  scope: 'runners:read',
  isOpenToSelf: true,
  answers: { 200: { description: 'The runner', schema: runner } },
  refusals: [],
});

export const patchRunnerOperation = operation({
  id: 'patchRunner',
  method: 'patch',
  path: '/v1/runners/{id}',
  tag,
  summary: 'Change a runner’s name or labels',
  description: 'What constraints see of it from now on: not for a token that is bound to a place itself.',
  auth: 'bearer',
  scope: 'runners:write',
  body: runnerPatch,
  answers: { 200: { description: 'The runner', schema: runner } },
  refusals: [409, 415, 422],
});

export const suspendRunnerOperation = operation({
  id: 'suspendRunner',
  method: 'post',
  path: '/v1/runners/{id}/suspend',
  tag,
  summary: 'Suspend a runner: its token is inactive and its jobs end, at once',
  auth: 'bearer',
  scope: 'runners:write',
  answers: { 200: { description: 'The runner', schema: runner } },
  refusals: [],
});

export const reactivateRunnerOperation = operation({
  id: 'reactivateRunner',
  method: 'post',
  path: '/v1/runners/{id}/reactivate',
  tag,
  summary: 'Reactivate a suspended runner',
  auth: 'bearer',
  scope: 'runners:write',
  answers: { 200: { description: 'The runner', schema: runner } },
  refusals: [],
});

export const removeRunnerOperation = operation({
  id: 'removeRunner',
  method: 'delete',
  path: '/v1/runners/{id}',
  tag,
  summary: 'Remove a runner, or `self`: its tokens are revoked and its jobs end, at once',
  auth: 'bearer',
  scope: 'runners:write',
  isOpenToSelf: true,
  answers: { 204: { description: 'Removed' } },
  refusals: [],
});
