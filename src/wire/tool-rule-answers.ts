import { z } from 'zod';
import type { ToolDryRun, ToolRule, ToolRules } from './resources.js';

export const toolVerdict = z.enum(['allow', 'deny', 'ask']);

/** Strict, unlike other answers: a guard that does not know all that a rule asks for must not take it for one that asks for
 *  less. */
const shownRule: z.ZodType<ToolRule> = z
  .strictObject({
    verdict: toolVerdict,
    tool: z.string(),
    argument: z
      .strictObject({ name: z.string(), pattern: z.string(), syntax: z.enum(['shell', 'text']).optional() })
      .optional(),
    reason: z.string().optional(),
  })
  .meta({ id: 'ShownToolRule' });

export const shownToolRules: z.ZodType<ToolRules> = z
  .strictObject({ default: toolVerdict, rules: z.array(shownRule) })
  .meta({ id: 'ShownToolRules' });

export const toolDryRun: z.ZodType<ToolDryRun> = z
  .object({
    verdict: toolVerdict,
    rule: z.int().nullable().describe('Which rule decided, counted from 0; `null` for the default.'),
    matched: shownRule.nullable().describe('The rule that decided.'),
    reason: z.string().describe('What the agent would be told.'),
    trace: z
      .array(z.object({ index: z.int(), matched: z.boolean(), why: z.string() }))
      .describe('What became of each rule up to the one that decided.'),
  })
  .meta({ id: 'ToolDryRun' });
