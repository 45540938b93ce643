import { type Command, InvalidArgumentError, Option } from 'commander';
import { REUSE_RULES } from '../rules/incident.js';
import { MAX_WINDOW_DAYS } from '../rules/leaver.js';
import { MAX_EXPIRY_DAYS } from '../rules/lifetime.js';
import { MAX_CONCURRENT_RUNS } from '../rules/run-limit.js';
import { addCommand, addGroup, exitsWith, wholeNumber, wholeNumbers } from './command.js';
import { CONSTRAINT_FLAGS } from './constraint-flags.js';
import { addToolRuleCommands } from './tool-rule-commands.js';
import type { WorkflowFlags } from './workflow-set.js';

/** Workflows and what their tokens may be. */
export function addWorkflowCommands(program: Command): void {
  const workflow = addGroup(program, 'workflow', 'set what the tokens of a workflow may be; pause and resume it');

  addCommand(workflow, 'list', 'list workflows by label', 'countersign workflow list')
    .option('--limit <n>', 'at most so many (default: all)', wholeNumber(1, 1_000_000))
    .action(
      exitsWith(async (flags: { limit?: number; json?: true }) =>
        (await import('./workflows.js')).listWorkflows(flags),
      ),
    );

  addCommand(workflow, 'show <label>', 'show a workflow', 'countersign workflow show codex-review').action(
    exitsWith(async (label: string, flags: { json?: true }) =>
      (await import('./workflows.js')).showWorkflow(label, flags),
    ),
  );

  addCommand(
    workflow,
    'set <label>',
    'make a workflow, or change what is named and keep the rest',
    "countersign workflow set codex-review --allow-scope 'repo:*' codex:exec --repository 'acme/*' --expiry-days 7 30",
  )
    .option('--description <text>', 'what it is for')
    .option('--allow-scope <scope...>', 'what its tokens may do: replaces the list')
    .option(
      '--expiry-days <days...>',
      'how long its tokens may live: replaces the list',
      wholeNumbers(1, MAX_EXPIRY_DAYS),
    )
    .option('--repository <pattern...>', 'only for these repositories: owner/name, with * and **')
    .option('--ref <pattern...>', 'only for these refs: refs/heads/main, with * and **')
    .option('--environment <pattern...>', 'only for these environments')
    .option('--runner <pattern...>', 'only on these runners')
    .option('--network <cidr...>', 'only from these networks')
    .addOption(new Option('--lift <constraint...>', 'no longer constrain by it').choices(CONSTRAINT_FLAGS))
    .option('--max-run-seconds <seconds>', 'how long a job may run after its check', wholeNumber(1, 2_592_000))
    .option('--max-concurrent-runs <n>', 'how many runs it may have at a time, or `none`', parseRunLimit)
    .option('--max-concurrent-runs-per-token <n>', 'how many of them under one token, or `none`', parseRunLimit)
    .addOption(
      new Option('--leaver <rule>', 'what becomes of its tokens when their creator leaves').choices([
        'freeze',
        'revoke',
        'transfer',
        'none',
      ]),
    )
    .option('--successor <member>', 'who may then take them over (id or e-mail address): with --leaver transfer')
    .option('--window-days <days>', 'and for how long (default: 14)', wholeNumber(1, MAX_WINDOW_DAYS))
    .addOption(
      new Option('--reuse-rule <rule>', 'what the use of a dead secret does: `revoke` also ends its lineage').choices(
        REUSE_RULES,
      ),
    )
    .option('--rotate-into <sink...>', 'where its secret lives, for `countersign rotator`; `none` takes that back')
    .option('--rotate-name <name>', 'of the token with this name: others are kept')
    .option('--rotate-before <days>', 'so many days before the end of the token', wholeNumber(0, MAX_EXPIRY_DAYS))
    .option('--rotate-every <days>', 'when the token is so old', wholeNumber(1, MAX_EXPIRY_DAYS))
    .option('--rotations <file>', 'all of that as JSON, or `none`: replaces the list')
    .option(
      '--contact <address...>',
      'who hears of its tokens by e-mail beside their owners, or `none`: replaces the list',
    )
    .addHelpText(
      'after',
      '\nA new workflow allows no scopes, periods of 7, 30, 60 and 90 days, every place, and runs of 6 hours, unless it says\notherwise. In patterns * stands for any characters but /, ** for any number of parts between slashes.',
    )
    .action(
      exitsWith(async (label: string, flags: WorkflowFlags) =>
        (await import('./workflow-set.js')).setWorkflow(label, flags),
      ),
    );

  addCommand(
    workflow,
    'pause <label>',
    'make its tokens inactive and stop its jobs, at once',
    'countersign workflow pause codex-review',
  ).action(
    exitsWith(async (label: string, flags: { json?: true }) =>
      (await import('./workflows.js')).pauseWorkflow(label, flags),
    ),
  );

  addCommand(
    workflow,
    'resume <label>',
    'make its tokens good again, after a pause',
    'countersign workflow resume codex-review',
  ).action(
    exitsWith(async (label: string, flags: { json?: true }) =>
      (await import('./workflows.js')).resumeWorkflow(label, flags),
    ),
  );

  addToolRuleCommands(workflow);
}

function parseRunLimit(text: string): number | 'none' {
  if (text === 'none') return text;
  try {
    return wholeNumber(1, MAX_CONCURRENT_RUNS)(text);
  } catch {
    throw new InvalidArgumentError(`Give a whole number from 1 to ${MAX_CONCURRENT_RUNS}, or none.`);
  }
}
