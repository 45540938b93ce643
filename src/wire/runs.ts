import { z } from 'zod';
import { run, runPage, runStatus } from './answers.js';
import { runExample } from './examples.js';
import { operation } from './operation.js';
import { cursor, limit, line, publicId, workflowLabel } from './primitives.js';
import type { StopRequest } from './resources.js';

export const stopRequest = z
  .strictObject({ reason: line(200).min(1).optional().describe('Why, for the record and for who watches the run.') })
  .meta({
    id: 'StopRequest',
    examples: [{ reason: 'it writes to the wrong bucket' }],
  }) satisfies z.ZodType<StopRequest>;

const tag = 'runs';

export const listRunsOperation = operation({
  id: 'listRuns',
  method: 'get',
  path: '/v1/exec/runs',
  tag,
  summary: 'List what runs now, newest first',
  description:
    'With `exec:check` or `audit:read` all of the workspace; otherwise the runs of the calling token. `status` asks for those that are over.',
  auth: 'bearer',
  query: z.strictObject({
    limit,
    cursor,
    workflow: workflowLabel.optional(),
    token: publicId('tok').optional(),
    status: runStatus.default('running'),
  }),
  answers: { 200: { description: 'A page of runs', schema: runPage } },
  refusals: [422],
});

export const showRunOperation = operation({
  id: 'showRun',
  method: 'get',
  path: '/v1/exec/runs/{id}',
  tag,
  summary: 'Show a run',
  description: 'The run’s own token may ask even after its end.',
  auth: 'token',
  answers: { 200: { description: 'The run', schema: run, example: runExample } },
  refusals: [],
});

export const renewRunOperation = operation({
  id: 'renewRun',
  method: 'post',
  path: '/v1/exec/runs/{id}/renew',
  tag,
  summary: 'Renew the lease of a run',
  description:
    'The lease then ends `lease_seconds` of the check from now, and never after `valid_until`. By the run’s own token, even after it expired or was superseded; by the token that asked; or with `exec:check`. A run that is over, or whose right to run has ended, is refused with `run_state`: a lease that ran out is not revived.',
  auth: 'token',
  answers: { 200: { description: 'The run with its lease', schema: run, example: runExample } },
  refusals: [409],
});

export const stopRunOperation = operation({
  id: 'stopRun',
  method: 'post',
  path: '/v1/exec/runs/{id}/stop',
  tag,
  summary: 'Stop a run: its right to go on ends at once',
  description:
    'By whoever may revoke its token; the token stays as it is. The watch of the run says `stopped`, no renewal succeeds any more, and its place is free. Again changes nothing; a run that is finished or lost is refused with `run_state`.',
  auth: 'bearer',
  scope: 'tokens:revoke',
  body: stopRequest,
  isBodyOptional: true,
  answers: { 200: { description: 'The run', schema: run } },
  refusals: [409, 415, 422],
});
