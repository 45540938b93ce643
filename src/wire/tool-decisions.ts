import { z } from 'zod';
import { parsePublicId } from '../rules/format.js';
import { timestamp } from './answers.js';
import { operation } from './operation.js';
import { cursor, limit, publicId } from './primitives.js';
import type { NewToolDecision } from './resources.js';
import { recordedToolDecisions, toolDecisionPage } from './tool-decision-answers.js';
import { toolVerdict } from './tool-rule-answers.js';

const MAX_DECISIONS = 200;
const MAX_RULE = 199;
const cut = (length: number) =>
  `Cut to ${length} characters; control characters and everything of a token’s form are struck out.`;

const decisionId = publicId('dec').transform((text, context) => {
  const id = parsePublicId('dec', text);
  if (id === undefined) context.addIssue('must be an id that starts with dec_');
  return id ?? z.NEVER;
});

const newToolDecision = z
  .strictObject({
    id: decisionId.describe('Made by the guard, a UUID v7 of the instant: sent again, it is recorded once.'),
    at: timestamp.describe('Not before the check and not in the future, give or take a minute.'),
    event: z
      .string()
      .min(1)
      .describe(`The event of the agent’s hook. ${cut(64)}`),
    tool: z.string().nullable().default(null).describe(cut(256)),
    decision: toolVerdict,
    code: z
      .string()
      .min(1)
      .describe(`Why, for programs. ${cut(64)}`),
    rule: z.int().min(0).max(MAX_RULE).nullable().default(null),
    detail: z
      .string()
      .default('')
      .describe(`Why, for people. ${cut(512)}`),
  })
  .meta({ id: 'NewToolDecision' }) satisfies z.ZodType<unknown, NewToolDecision>;

export const recordToolDecisionsRequest = z
  .strictObject({ decisions: z.array(newToolDecision).min(1).max(MAX_DECISIONS) })
  .meta({
    id: 'RecordToolDecisionsRequest',
    examples: [
      {
        decisions: [
          {
            id: 'dec_01KfV6mR9sTq4WbXcZ2yHn',
            at: '2026-03-03T02:00:07Z',
            event: 'PreToolUse',
            tool: 'Bash',
            decision: 'deny',
            code: 'tool_rule',
            rule: 2,
            detail: 'nothing is pushed by an agent',
          },
        ],
      },
    ],
  });

export type ToolDecisionBody = z.output<typeof newToolDecision>;

const tag = 'runs';

export const recordToolDecisionsOperation = operation({
  id: 'recordToolDecisions',
  method: 'post',
  path: '/v1/exec/runs/{id}/tool-decisions',
  tag,
  summary: 'Put on record what the guard of a run decided',
  description:
    'By whoever may tell the end of the run: its own token, even after it expired or was superseded; the token that asked; or with `exec:check`. A batch may be sent again. Decisions are taken until 15 minutes after the end of the run, up to 100 000 of them, and kept for 90 days. Send no input of tools: what is here is read by everybody who may read the run.',
  auth: 'token',
  body: recordToolDecisionsRequest,
  answers: { 200: { description: 'They are on record', schema: recordedToolDecisions } },
  refusals: [409, 415, 422],
});

export const listToolDecisionsOperation = operation({
  id: 'listToolDecisions',
  method: 'get',
  path: '/v1/exec/runs/{id}/tool-decisions',
  tag,
  summary: 'List what the guard of a run decided, newest first',
  description: 'For whoever may read the run.',
  auth: 'token',
  query: z.strictObject({ limit, cursor, decision: toolVerdict.optional() }),
  answers: { 200: { description: 'A page of decisions', schema: toolDecisionPage } },
  refusals: [422],
});
