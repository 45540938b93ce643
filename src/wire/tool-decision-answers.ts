import { z } from 'zod';
import { page, timestamp } from './answers.js';
import type { RecordedToolDecisions, ToolDecision } from './resources.js';
import { toolVerdict } from './tool-rule-answers.js';

const toolDecision: z.ZodType<ToolDecision> = z
  .object({
    id: z.string(),
    at: timestamp.describe('By the clock of the guard.'),
    event: z.string().describe('The event of the agent’s hook, such as `PreToolUse`.'),
    tool: z.string().nullable(),
    decision: toolVerdict,
    code: z.string().describe('Why, for programs.'),
    rule: z.int().nullable().describe('The tool rule that decided, counted from 0; `null` where none did.'),
    detail: z.string().describe('Why, for people.'),
  })
  .meta({ id: 'ToolDecision' });

export const toolDecisionPage = page('ToolDecisionPage', toolDecision);

export const recordedToolDecisions: z.ZodType<RecordedToolDecisions> = z
  .object({ recorded: z.int().describe('How many of those that were sent are on record now.') })
  .meta({ id: 'RecordedToolDecisions' });
