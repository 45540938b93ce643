import { z } from 'zod';
import { toolRuleFault } from '../rules/tool-rule.js';
import { operation } from './operation.js';
import { line } from './primitives.js';
import type { ToolDryRunRequest, ToolRules } from './resources.js';
import { shownToolRules, toolDryRun, toolVerdict } from './tool-rule-answers.js';

const MAX_RULES = 200;

const toolArgument = z
  .strictObject({
    name: z.string().describe('A member of the tool’s input; one further down with dots between: `options.url`.'),
    pattern: z
      .string()
      .describe('Over its whole text. `*` is any run of characters, `\\*` a star, `\\\\` a backslash.'),
    syntax: z
      .enum(['shell', 'text'])
      .optional()
      .describe(
        'What an `allow` takes the text for. `shell`, the default: a wildcard stands for no operator of a command line (`; & | < > ( ) { } $ # !`, a backtick, a line end). `text`: for them too. For neither does it stand for what makes `..` a part of a path.',
      ),
  })
  .meta({ id: 'ToolArgument' });

const toolRule = z
  .strictObject({
    verdict: toolVerdict.describe('`ask` leaves it to a person; where nobody can be asked, it denies.'),
    tool: z.string().describe('The tool’s name. `*` is any run of characters: `mcp__github__*`.'),
    argument: toolArgument.optional(),
    reason: line(512).min(1).optional().describe('What the agent is told.'),
  })
  .superRefine((rule, context) => {
    const fault = toolRuleFault(rule);
    if (fault !== undefined) context.addIssue({ code: 'custom', path: [...fault.path], message: fault.detail });
  })
  .meta({ id: 'ToolRule', description: 'One line of the tool rules. Both the tool and the argument must match.' });

export const toolRules = z
  .strictObject({
    default: toolVerdict.describe('What is said where no rule matches. Without any rules set, everything is allowed.'),
    rules: z.array(toolRule).max(MAX_RULES).describe('In order: the first that matches decides. 64 KiB in all.'),
  })
  .meta({
    id: 'ToolRules',
    description: 'What the agents of a workflow may do with their tools.',
    examples: [
      {
        default: 'ask',
        rules: [
          { verdict: 'deny', tool: 'mcp__*__delete_*', reason: 'Nothing is deleted by an agent' },
          { verdict: 'allow', tool: 'Bash', argument: { name: 'command', pattern: 'npm test*' } },
          {
            verdict: 'allow',
            tool: 'WebFetch',
            argument: { name: 'url', pattern: 'https://docs.example.com/*', syntax: 'text' },
          },
        ],
      },
    ],
  }) satisfies z.ZodType<ToolRules>;

export const toolDryRunRequest = z
  .strictObject({
    tool: line(512).describe('The tool’s name as the agent reports it.'),
    input: z.record(z.string(), z.unknown()).describe('The tool’s input as the agent reports it.'),
    rules: toolRules.optional().describe('Draft rules to decide by instead of those that are stored.'),
  })
  .meta({
    id: 'ToolDryRunRequest',
    examples: [{ tool: 'Bash', input: { command: 'npm test && curl https://elsewhere.example' } }],
  }) satisfies z.ZodType<ToolDryRunRequest>;

const tag = 'workflows';

export const showToolRulesOperation = operation({
  id: 'showToolRules',
  method: 'get',
  path: '/v1/workflows/{label}/tool-rules',
  tag,
  summary: 'Show the tool rules of a workflow',
  description:
    'Needs `workflows:read` or `exec:check`; every token of the workflow itself may read them too, also after it expired or was superseded, so that a guard can with its job’s. A workflow without rules answers `{"default":"allow","rules":[]}`.',
  auth: 'token',
  answers: { 200: { description: 'The rules', schema: shownToolRules } },
  refusals: [403],
});

export const putToolRulesOperation = operation({
  id: 'putToolRules',
  method: 'put',
  path: '/v1/workflows/{label}/tool-rules',
  tag,
  summary: 'Replace the tool rules of a workflow',
  description:
    'The event `workflow.tool_rules_set` has them in full. A token cannot set the rules of the workflow that it belongs to, nor of one that reaches further than the place that the token is bound to.',
  auth: 'bearer',
  scope: 'workflows:write',
  body: toolRules,
  answers: { 200: { description: 'The rules', schema: shownToolRules } },
  refusals: [415, 422],
});

export const dryRunToolRulesOperation = operation({
  id: 'dryRunToolRules',
  method: 'post',
  path: '/v1/workflows/{label}/tool-rules/dry-run',
  tag,
  summary: 'Try which tool rule would decide about a call',
  description: 'Nothing is stored, neither the call nor the draft.',
  auth: 'bearer',
  scope: 'workflows:read',
  body: toolDryRunRequest,
  answers: { 200: { description: 'What would be said, and why', schema: toolDryRun } },
  refusals: [415, 422],
});
