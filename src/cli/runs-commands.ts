import { type Command, Option } from 'commander';
import { addCommand, addGroup, exitsWith, wholeNumber } from './command.js';
import type { ToolDecisionListFlags } from './tool-decisions.js';

/** What runs, and what its agents did. */
export function addRunsCommands(program: Command): void {
  const runs = addGroup(program, 'runs', 'read what was decided about the tools of a run');

  addCommand(
    runs,
    'decisions <id>',
    "list what the guard of a run decided about its agent's prompts and tools, newest first",
    `countersign runs decisions run_01KfUXmCbVYz8sQ2dW3nRk --decision deny
countersign runs decisions "$COUNTERSIGN_CHECK_ID" --limit 1000 --json`,
  )
    .addOption(new Option('--decision <decision>', 'only these').choices(['allow', 'deny', 'ask']))
    .option('--limit <n>', 'at most so many (default: 50)', wholeNumber(1, 1_000_000))
    .addHelpText('after', '\nThe id is that of the run (run_…) or of its check (chk_…).')
    .action(
      exitsWith(async (id: string, flags: ToolDecisionListFlags) =>
        (await import('./tool-decisions.js')).listToolDecisions(id, flags),
      ),
    );
}
