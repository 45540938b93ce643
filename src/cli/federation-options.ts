import type { Command } from 'commander';

/** The options of a command that exchanges a platform's token. */
export function addFederationOptions(command: Command): Command {
  return command
    .option(
      '--platform <platform>',
      'who gives the token: github_actions, gitlab_ci, buildkite, kubernetes, generic (default: what the variables say)',
    )
    .option('--rule <workspace/rule>', 'the trust rule (default: the one that matches)')
    .option('--audience <audience>', "for whom the platform's token is to be (default: the service's URL)")
    .option('--id-token-variable <name>', 'the variable that holds it where one does (default: COUNTERSIGN_ID_TOKEN)');
}
