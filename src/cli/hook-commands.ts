import type { Command } from 'commander';
import { addCommand } from './command.js';

/** What stands between an agent and its tools. */
export function addHookCommands(program: Command): void {
  addCommand(
    program,
    'hook',
    'answer one event of Codex or Claude Code, read from standard input',
    `countersign hook --event PreToolUse < event.json`,
  )
    .option('--event <name>', 'the event that it is set up for; without it the event itself says')
    .option('--deadline-seconds <seconds>', 'deny when there is no answer within so long (default: 10)')
    .option('--sealed', 'speak to the shell around it, as `hooks install` sets it up')
    .addHelpText(
      'after',
      `
Agents run it; \`countersign hooks install\` sets it up. It prints what the event's output schema allows and nothing else.
It asks the guard that the agent runs under (\`countersign exec\`). Without one, and at any fault, it denies.
Exits 0 with the answer on standard output; where the event cannot be known, 2 with the reason on standard error.`,
    )
    // The program itself answers an event before there are commands: whatever it is given, a hook must not end in a usage error.
    .action(async (_flags, command: Command) => {
      await (await import('../hook/adapter.js')).runHook(command.args);
    });
}
