import { type Command, CommanderError } from 'commander';
import type { Failure } from './failure.js';
import { createProgram } from './program.js';
import { UsageError } from './usage-error.js';
import { usageHint } from './usage-hint.js';

/** Runs one command line (without the name of the program) and sets the exit code of the process. */
export async function runCommandLine(argv: readonly string[]): Promise<void> {
  const program = createProgram();
  try {
    await refuseSecrets(argv);
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return;
    const { describeFailure, reportFailure } = await import('./failure.js');
    const failure = describeFailure(error);
    const told = error instanceof CommanderError ? withUsage(failure, program, argv) : failure;
    await reportFailure(told, ownArguments(argv).includes('--json'));
    process.exitCode = failure.exitCode;
  }
}

function withUsage(failure: Failure, program: Command, argv: readonly string[]): Failure {
  const { hint, elsewhere } = usageHint(program, argv);
  const detail = elsewhere === undefined ? failure.detail : `${failure.detail.split('\n')[0]}\n${elsewhere}`;
  return { ...failure, detail, hint };
}

// The arguments of a command under the guard, after `--`, are its own.
function ownArguments(argv: readonly string[]): readonly string[] {
  const [name, verb] = argv.slice(commandAt(argv));
  const startsCommand = name === 'exec' || name === 'run' || (name === 'hooks' && verb === 'verify');
  const end = startsCommand ? argv.indexOf('--') : -1;
  return end < 0 ? argv : argv.slice(0, end);
}

/** Where the command's name stands: behind `--workspace`, the one option that comes before it. */
function commandAt([first]: readonly string[]): number {
  if (first === '--workspace') return 2;
  return first?.startsWith('--workspace=') ? 1 : 0;
}

async function refuseSecrets(argv: readonly string[]): Promise<void> {
  const own = ownArguments(argv);
  if (!own.some((argument) => argument.includes('cst_'))) return;
  const { TOKEN_FORM } = await import('../rules/format.js');
  if (!own.some((argument) => argument.search(TOKEN_FORM) >= 0)) return;
  throw new UsageError(
    'a token does not belong on the command line: it is in the process list and your shell history now.\nRevoke it: put it on standard input of `countersign token revoke --stdin`',
  );
}
