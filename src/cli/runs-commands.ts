import { type Command, Option } from 'commander';
import { RUN_STATUSES } from '../rules/run.js';
import { addCommand, addGroup, exitsWith, wholeNumber } from './command.js';
import type { RunListFlags, StopFlags } from './runs.js';
import type { ToolDecisionListFlags } from './tool-decisions.js';

const EITHER_ID = '\nThe id is that of the run (run_…) or of its check (chk_…).';

/** What runs, and what its agents did. */
export function addRunsCommands(program: Command): void {
  const runs = addGroup(program, 'runs', 'see what runs, stop it, and read what was decided about its tools');

  addCommand(
    runs,
    'list',
    'list what runs now, newest first: where, since when, under which token',
    `countersign runs list --workflow codex-review
countersign runs list --status lost`,
  )
    .option('--workflow <label>', 'only of this workflow')
    .option('--token <id>', 'only under this token, or under `self`')
    .addOption(new Option('--status <status>', 'only these (default: running)').choices(RUN_STATUSES))
    .option('--limit <n>', 'at most so many (default: 50)', wholeNumber(1, 1_000_000))
    .addHelpText('after', '\nA token without audit:read or exec:check sees the runs of its own.')
    .action(exitsWith(async (flags: RunListFlags) => (await import('./runs.js')).listRuns(flags)));

  addCommand(
    runs,
    'show <id>',
    'show a run: where it runs, who started it, how long it may go on, and how it ended',
    'countersign runs show run_01KfUXmCbVYz8sQ2dW3nRk',
  )
    .addHelpText('after', EITHER_ID)
    .action(exitsWith(async (id: string, flags: { json?: true }) => (await import('./runs.js')).showRun(id, flags)));

  addCommand(
    runs,
    'stop <id>',
    'stop a run, at once; its token stays as it is',
    "countersign runs stop run_01KfUXmCbVYz8sQ2dW3nRk --reason 'it writes to the wrong bucket'",
  )
    .option('--reason <text>', 'why, for the record and for the one who watches the job')
    .addHelpText('after', `${EITHER_ID}\nTo keep more jobs from starting, pause the workflow or revoke the token.`)
    .action(exitsWith(async (id: string, flags: StopFlags) => (await import('./runs.js')).stopRun(id, flags)));

  addCommand(
    runs,
    'decisions <id>',
    "list what the guard of a run decided about its agent's prompts and tools, newest first",
    `countersign runs decisions run_01KfUXmCbVYz8sQ2dW3nRk --decision deny
countersign runs decisions "$COUNTERSIGN_CHECK_ID" --limit 1000 --json`,
  )
    .addOption(new Option('--decision <decision>', 'only these').choices(['allow', 'deny', 'ask']))
    .option('--limit <n>', 'at most so many (default: 50)', wholeNumber(1, 1_000_000))
    .addHelpText('after', EITHER_ID)
    .action(
      exitsWith(async (id: string, flags: ToolDecisionListFlags) =>
        (await import('./tool-decisions.js')).listToolDecisions(id, flags),
      ),
    );
}
