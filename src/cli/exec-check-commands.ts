import { type Command, InvalidArgumentError, Option } from 'commander';
import { addCommand, addGroup, exitsWith, wholeNumber } from './command.js';
import type { ExecCheckListFlags } from './exec-checks.js';
import { parseInstant } from './instant.js';

/** What the guard asked, and what it was told. */
export function addExecCheckCommands(program: Command): void {
  const execCheck = addGroup(program, 'exec-check', 'read which jobs asked to run, and what they were told');

  addCommand(
    execCheck,
    'list',
    'list checks, newest first',
    `countersign exec-check list --workflow codex-review --decision deny
countersign exec-check list --token self --after 2026-01-31`,
  )
    .option('--workflow <label>', 'only for this workflow')
    .option('--token <id>', 'only of this token, or of `self`')
    .addOption(new Option('--decision <decision>', 'only these').choices(['allow', 'deny']))
    .option('--after <id|time>', 'only those after a check or a time', parseAfter)
    .option('--limit <n>', 'at most so many (default: 50)', wholeNumber(1, 1_000_000))
    .addHelpText('after', '\nA token without audit:read or exec:check sees the checks of its own.')
    .action(exitsWith(async (flags: ExecCheckListFlags) => (await import('./exec-checks.js')).listExecChecks(flags)));

  addCommand(
    execCheck,
    'show <id>',
    'show a check: who asked for what, from where, the decision, and how the job ended',
    'countersign exec-check show chk_01KfUXmCbVYz8sQ2dW3nRk',
  ).action(
    exitsWith(async (id: string, flags: { json?: true }) =>
      (await import('./exec-checks.js')).showExecCheck(id, flags),
    ),
  );
}

function parseAfter(text: string): string {
  if (/^chk_[0-9A-Za-z]{22}$/.test(text)) return text;
  try {
    return parseInstant(text);
  } catch {
    throw new InvalidArgumentError('Give the id of a check (chk_…), a day (2026-01-31) or an RFC 3339 time.');
  }
}
