import { Argument, type Command } from 'commander';
import type { RunnerCredentials } from '../runner/guard-client.js';
import { addCommand, exitsWith } from './command.js';
import { SHELLS, type Shell } from './completion.js';
import type { ExecFlags } from './exec.js';
import { addFederationOptions } from './federation-options.js';
import { addScanCommand } from './scan-command.js';
import { UsageError } from './usage-error.js';

/** What runs beside the work: the guard and the scanner. */
export function addRunCommands(program: Command): void {
  addExec(program);

  addScanCommand(program);
}

/** Completion for the shell. */
export function addCompletionCommand(program: Command): void {
  addCommand(
    program,
    'completion',
    'print a completion script for a shell',
    `countersign completion bash > ~/.local/share/bash-completion/completions/countersign
countersign completion zsh > "\${fpath[1]}/_countersign"
countersign completion fish > ~/.config/fish/completions/countersign.fish`,
  )
    .addArgument(new Argument('<shell>').choices(SHELLS))
    .action(
      exitsWith(async (shell: Shell, flags: { json?: true }) =>
        (await import('./completion.js')).printCompletion(program, shell, flags),
      ),
    );
}

function addExec(program: Command): void {
  const exec = addCommand(
    program,
    'exec [command...]',
    'run a command under the guard: checked before it starts and while it runs',
    `countersign exec --workflow codex-review --scope codex:exec -- codex exec "review this change"
countersign exec --federated --workflow codex-review --scope codex:exec -- ./review.sh`,
  )
    .alias('run')
    .usage('[options] -- COMMAND [ARGUMENT...]')
    .passThroughOptions()
    .requiredOption('--workflow <label>', 'the workflow that the job belongs to')
    .option('--scope <scope...>', 'what the job is going to do; its token must hold each')
    .option('--repository <repository>', 'the repository it works on (default: what the CI says)')
    .option('--ref <ref>', 'the full ref it works on (default: what the CI says)')
    .option('--environment <environment>', 'the environment it works in')
    .option('--pass-token-as <name>', 'hand the token on to the command in this variable')
    .option('--kill-after <seconds>', 'SIGKILL so long after SIGTERM (default: 10)')
    .option('--grace <seconds>', 'go on so long while the service is out of reach (default: 60)')
    .option('--no-mask', "do not mask the token in the command's output")
    .option(
      '--containment <kind>',
      'start only if this holds the command: pid-namespace, cgroup, subreaper, process-group',
    )
    .option('--status-file <path>', "write the guard's own verdict there, as JSON")
    .option(
      '--runner-file <path>',
      'what this host proves itself with (default: that of `runner join`, if there is one)',
    )
    .option('--no-runner', 'let the job ask for itself, also on a host that is a runner')
    .option('--federated', 'exchange the token that the CI platform gives this job for that of the job')
    .option('--keep-platform-token', "leave the command the variables that give the platform's tokens");
  addFederationOptions(exec)
    .addHelpText(
      'after',
      `
The token of the job is that in COUNTERSIGN_TOKEN, in the file that COUNTERSIGN_TOKEN_FILE names, or the stored login.
Its secret does not reach the command, unless --pass-token-as is given. On a host that is a trusted runner the guard asks
as the runner, so that a token may be bound to it.

With --federated nothing is stored: the platform's token is exchanged for one of at most an hour, by a trust rule, and
--scope narrows it. It is enough for the start: the run goes on after it has expired. The command gets neither of them,
nor the variables by which it could get others.

Exits as the command does. Else 77: refused, or stopped because the right to run ended; 69: the service is out of reach.`,
    )
    .action(
      exitsWith(async (command: string[], flags: ExecFlags) => {
        if (command.length === 0) throw new UsageError('there is no command to run. Put it after --');
        const { readConnection, readFederatedUrl } = await import('./connection.js');
        const connection = flags.federated
          ? { url: await readFederatedUrl(), token: undefined }
          : await readConnection();
        const runner = await runnerOf(flags, connection.url);
        return (await import('./exec.js')).runExec(flags, command, { ...connection, runner });
      }),
    );
}

/** What this host proves itself with; `undefined` when it is no runner, or is not to be one. A file that was named has to be
 *  there. */
async function runnerOf(flags: ExecFlags, url: string): Promise<RunnerCredentials | undefined> {
  if (flags.runner === false) {
    if (flags.runnerFile !== undefined) throw new UsageError('--runner-file and --no-runner exclude each other');
    return undefined;
  }
  const { runnerCredentials, runnerPath } = await import('./runner-file.js');
  const path = flags.runnerFile ?? runnerPath(process.env, url);
  const credentials = await runnerCredentials(path, url);
  if (credentials === undefined && flags.runnerFile !== undefined) {
    throw new UsageError(`${flags.runnerFile} is of no runner of ${url}`);
  }
  return credentials;
}
