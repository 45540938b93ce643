import { type Command, Option } from 'commander';
import { MAX_EXPIRY_DAYS } from '../rules/lifetime.js';
import { FREEZE_DAYS } from '../rules/unused.js';
import { MAX_TOKENS_PER_WORKFLOW } from '../rules/workspace-policy.js';
import { addCommand, addGroup, exitsWith, wholeNumber } from './command.js';
import { CONSTRAINT_FLAGS } from './constraint-flags.js';
import { POLICY_BOUNDS, type PolicyFlags } from './policy-flags.js';

/** What every workflow of the workspace is held to. */
export function addPolicyCommands(program: Command): void {
  const policy = addGroup(program, 'policy', 'set what every workflow of the workspace is held to; try it out');

  addCommand(policy, 'show', 'show the policy of the workspace', 'countersign policy show --json > policy.json').action(
    exitsWith(async (flags: { json?: true }) => (await import('./policy.js')).showPolicy(flags)),
  );

  const set = addCommand(
    policy,
    'set',
    'change what is named and keep the rest; list which tokens do not comply',
    `countersign policy set --longest-expiry-days 30 --require repository --allow-repository 'acme/*'
countersign policy set --file policy.json --enforcement block`,
  );
  addPolicyOptions(set)
    .option('--yes', 'do not ask before a policy that blocks or freezes')
    .addHelpText(
      'after',
      `
What is issued from then on complies. A token that does not is listed; with --enforcement block it is inactive at its next
check, while work under way goes on. People's own sign-in tokens and runners are not bound, and owners always may mint.`,
    )
    .action(exitsWith(async (flags: PolicyFlags) => (await import('./policy.js')).setPolicy(flags)));

  const test = addCommand(
    policy,
    'test',
    'list which tokens would not comply, and change nothing; exit 1 when there are any',
    'countersign policy test --longest-expiry-days 30',
  );
  addPolicyOptions(test).action(
    exitsWith(async (flags: PolicyFlags) => (await import('./policy.js')).testPolicy(flags)),
  );
}

function addPolicyOptions(command: Command): Command {
  return command
    .option('--file <file>', 'take the whole policy from a file, or from standard input with -')
    .addOption(
      new Option('--enforcement <what>', 'what becomes of tokens that do not comply').choices(['report', 'block']),
    )
    .option('--longest-expiry-days <days>', 'how long a token may live', wholeNumber(1, MAX_EXPIRY_DAYS))
    .option('--allow-scope <scope...>', 'what tokens may hold: replaces the list')
    .addOption(new Option('--require <constraint...>', 'by what tokens must be constrained').choices(CONSTRAINT_FLAGS))
    .option('--allow-repository <pattern...>', 'repositories that tokens must stay within, with * and **')
    .option(
      '--max-tokens-per-workflow <n>',
      'how many live tokens a workflow may have',
      wholeNumber(1, MAX_TOKENS_PER_WORKFLOW),
    )
    .addOption(new Option('--minter <role...>', 'whose members may have tokens').choices(['owner', 'admin', 'member']))
    .option(
      '--freeze-unused-after-days <days>',
      'freeze tokens that nobody uses for so long',
      wholeNumber(FREEZE_DAYS.least, FREEZE_DAYS.most),
    )
    .addOption(
      new Option('--lift <bound...>', 'no longer bound it; `all` takes the policy away').choices(POLICY_BOUNDS),
    );
}
