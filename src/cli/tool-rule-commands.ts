import type { Command } from 'commander';
import { addCommand, addGroup, exitsWith } from './command.js';
import type { ToolRuleTestFlags } from './tool-rules.js';

/** What the agents of a workflow may do with their tools. */
export function addToolRuleCommands(workflow: Command): void {
  const toolRules = addGroup(
    workflow,
    'tool-rules',
    "set what a workflow's agents may do with their tools; try it out",
  );

  addCommand(
    toolRules,
    'show <label>',
    'show the tool rules of a workflow, in order',
    `countersign workflow tool-rules show codex-review
countersign workflow tool-rules show codex-review --json > rules.json`,
  ).action(
    exitsWith(async (label: string, flags: { json?: true }) =>
      (await import('./tool-rules.js')).showToolRules(label, flags),
    ),
  );

  addCommand(
    toolRules,
    'set <label> [file]',
    'replace the tool rules by those in a file or on standard input',
    `countersign workflow tool-rules set codex-review rules.json
echo '{"default":"deny","rules":[{"verdict":"allow","tool":"Read"}]}' | countersign workflow tool-rules set docs`,
  )
    .addHelpText(
      'after',
      `
The first rule that matches decides, \`default\` where none does. A rule has a \`verdict\` (allow, deny, ask), a \`tool\` and, if
need be, an \`argument\` with \`name\` and \`pattern\`. In patterns * is any run of characters. In an allow it stands for no shell
operator and no way up by .., unless the pattern spells it; "syntax": "text" gives the operators free, for paths and URLs.`,
    )
    .action(
      exitsWith(async (label: string, file: string | undefined, flags: { json?: true }) =>
        (await import('./tool-rules.js')).setToolRules(label, file, flags),
      ),
    );

  addCommand(
    toolRules,
    'test <label>',
    'show which rule decides about a call, and why none before it; exit 1 unless it is allowed',
    `countersign workflow tool-rules test codex-review --tool Bash --input '{"command":"npm test; rm -rf ."}'
countersign workflow tool-rules test codex-review --tool apply_patch --rules draft.json < input.json`,
  )
    .requiredOption('--tool <name>', "the tool's name as the agent reports it")
    .option('--input <json>', "the tool's input as the agent reports it (default: standard input)")
    .option('--rules <file>', 'decide by the rules in this file instead of those that are set')
    .addHelpText('after', '\nNothing is stored.')
    .action(
      exitsWith(async (label: string, flags: ToolRuleTestFlags) =>
        (await import('./tool-rules.js')).testToolRules(label, flags),
      ),
    );
}
