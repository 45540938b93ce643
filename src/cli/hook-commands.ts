import { type Command, Option } from 'commander';
import { AGENTS } from '../hook/agents.js';
import { addCommand, addGroup, exitsWith, wholeNumber } from './command.js';
import type { HookFlags } from './hooks-files.js';
import { UsageError } from './usage-error.js';

const VERIFY_SECONDS = 120;
const MOST_VERIFY_SECONDS = 3_600;

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
  const hooks = addGroup(program, 'hooks', 'set up the hooks of an agent, and see whether they fire');
  addFileOptions(
    addCommand(
      hooks,
      'install',
      "write the hooks into the agents' configuration, beside what is there",
      `countersign hooks install --agent codex
countersign hooks install --agent claude --scope project --dry-run
sudo countersign hooks install --managed`,
    ),
  )
    .addHelpText(
      'after',
      '\nAgain it changes nothing, or brings the hooks up to date. Managed hooks are the only ones that an agent then runs, and\nnobody but who may write that file can turn them off.',
    )
    .action(exitsWith(async (flags: ChangeFlags) => (await import('./hooks-install.js')).installHooks(flags)));
  addFileOptions(
    addCommand(
      hooks,
      'uninstall',
      "take the hooks out of the agents' configuration",
      'countersign hooks uninstall --agent codex',
    ),
  ).action(exitsWith(async (flags: ChangeFlags) => (await import('./hooks-install.js')).uninstallHooks(flags)));
  addVerify(hooks);
}

type ChangeFlags = HookFlags & { readonly dryRun?: true; readonly json?: true };

function agentOption(description: string): Option {
  return new Option('--agent <agent>', description).choices(AGENTS);
}

function addFileOptions(command: Command): Command {
  return command
    .addOption(agentOption('which agent (default: each)'))
    .addOption(new Option('--scope <scope>', 'whose hooks (default: user)').choices(['user', 'project']))
    .option('--managed', "the machine's, for all its users")
    .option('--path <path>', 'write there instead of where the agent looks')
    .option('--dry-run', 'print what would be written, and write nothing');
}

function addVerify(hooks: Command): void {
  addCommand(
    hooks,
    'verify [command...]',
    'run an agent and see whether its hooks fire',
    `countersign hooks verify -- codex exec 'run: echo hello'
countersign hooks verify --agent claude -- claude -p 'run: echo hello'`,
  )
    .usage('[options] -- COMMAND [ARGUMENT...]')
    .passThroughOptions()
    .addOption(agentOption('which agent it is (default: by the name of the command)'))
    .option('--within <seconds>', 'end the agent after so long', wholeNumber(1, MOST_VERIFY_SECONDS), VERIFY_SECONDS)
    .addHelpText(
      'after',
      `
The agent gets a canary in its environment, which only a hook that really runs brings back. Every tool is denied meanwhile;
give it something to do that needs one. Its output is on standard error.
Exits 0 when a tool was about to run, its hook fired and the denial held; 1 when that is not proven.`,
    )
    .action(
      exitsWith(async (command: string[], flags: VerifyFlags) => {
        if (command.length === 0) throw new UsageError('there is no agent to run. Put its command after --');
        return (await import('./hooks-verify.js')).verifyHooks(flags, command);
      }),
    );
}

type VerifyFlags = Pick<HookFlags, 'agent'> & { readonly within: number; readonly json?: true };
