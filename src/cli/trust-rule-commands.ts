import { type Command, Option } from 'commander';
import { MAX_EXCHANGE_SECONDS, MIN_EXCHANGE_SECONDS, TRUST_PRESETS } from '../rules/trust-rule.js';
import { addCommand, addGroup, exitsWith, wholeNumber } from './command.js';
import type { TrustRuleFlags } from './trust-rule-set.js';

/** Which CI jobs get a token by their platform's own. */
export function addTrustRuleCommands(program: Command): void {
  const trustRule = addGroup(
    program,
    'trust-rule',
    'let CI jobs in by what their platform signs, with no secret stored',
  );

  addCommand(trustRule, 'list', 'list trust rules by name', 'countersign trust-rule list').action(
    exitsWith(async (flags: { json?: true }) => (await import('./trust-rules.js')).listTrustRules(flags)),
  );

  addCommand(trustRule, 'show <name>', 'show a trust rule', 'countersign trust-rule show shop-main').action(
    exitsWith(async (name: string, flags: { json?: true }) =>
      (await import('./trust-rules.js')).showTrustRule(name, flags),
    ),
  );

  addSetCommand(trustRule);

  addCommand(
    trustRule,
    'remove <name>',
    'remove a trust rule, revoke the tokens that it gave and stop their jobs',
    'countersign trust-rule remove shop-main',
  ).action(
    exitsWith(async (name: string, flags: { json?: true }) =>
      (await import('./trust-rules.js')).removeTrustRule(name, flags),
    ),
  );

  addCommand(
    trustRule,
    'test <name>',
    "show which claims of a job's token on standard input match; exit 1 unless the rule takes it",
    'countersign trust-rule test shop-main < job.jwt',
  )
    .addHelpText(
      'after',
      '\nOnly what the token claims is sent, without its signature. No token is given, and nothing is stored.',
    )
    .action(
      exitsWith(async (name: string, flags: { json?: true }) =>
        (await import('./trust-rule-test.js')).testTrustRule(name, flags),
      ),
    );
}

function addSetCommand(trustRule: Command): void {
  addCommand(
    trustRule,
    'set <name>',
    'make a trust rule, or replace the whole of it',
    `countersign trust-rule set github --preset github_actions --claim repository_id=74 --claim ref=refs/heads/main \\
  --event push --workflow codex-review --scope codex:exec
countersign trust-rule set gitlab --preset gitlab_ci --claim project_id=20 --claim ref_protected=true \\
  --workflow codex-review --scope codex:exec
countersign trust-rule set buildkite --preset buildkite --claim organization_slug=acme --claim pipeline_slug=shop \\
  --workflow codex-review --scope codex:exec
countersign trust-rule set cluster --preset kubernetes --issuer https://kubernetes.default.svc --jwks jwks.json \\
  --claim sub=system:serviceaccount:ci:agent --workflow codex-review --scope codex:exec
countersign trust-rule set github --file rule.json`,
  )
    .addOption(new Option('--preset <platform>', 'whose claims they are').choices(TRUST_PRESETS))
    .option('--issuer <url>', "who signs, exactly (default: the preset's)")
    .option('--audience <text>', 'whom the tokens are for (default: the address of the service)')
    .option('--claim <name=value...>', 'what a token must claim; a name given again takes one more value')
    .option('--event <event...>', 'what may have started the job, such as push')
    .option('--allow-forks', 'let in what people without write access can start')
    .option('--workflow <label>', 'whose tokens are given')
    .option('--scope <scope...>', 'what they may do')
    .option('--repository <pattern...>', 'only for these repositories: owner/name, with * and **')
    .option('--ref <pattern...>', 'only for these refs: refs/heads/main, with * and **')
    .option('--environment <pattern...>', 'only for these environments')
    .option('--runner <pattern...>', 'only on these runners')
    .option('--network <cidr...>', 'only from these networks')
    .option(
      '--expires-in-seconds <seconds>',
      `how long they live (default: ${MAX_EXCHANGE_SECONDS})`,
      wholeNumber(MIN_EXCHANGE_SECONDS, MAX_EXCHANGE_SECONDS),
    )
    .option('--jwks <file>', 'the public keys of an issuer that the service does not reach')
    .option('--file <file>', 'the whole rule as JSON, instead of flags; - is standard input')
    .addHelpText(
      'after',
      `
A change revokes the tokens that the rule gave before. What a rule has to pin depends on the platform, and what is missing
is named. Ids are compared exactly; ref, ref_path, build_branch and build_tag may be patterns.`,
    )
    .action(
      exitsWith(async (name: string, flags: TrustRuleFlags) =>
        (await import('./trust-rule-set.js')).setTrustRule(name, flags),
      ),
    );
}
