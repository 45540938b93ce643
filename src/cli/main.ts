#!/usr/bin/env node
import { type Command, CommanderError } from 'commander';
import type { Failure } from './failure.js';
import { createProgram } from './program.js';
import { UsageError } from './usage-error.js';
import { usageHint } from './usage-hint.js';

const argv = process.argv.slice(2);

let isOutputLost = false;

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // The reader has seen enough (`| head`): what is left is written into the void, and that is no failure.
  if (error.code === 'EPIPE' || isOutputLost) return;
  isOutputLost = true;
  process.stderr.write(`error: standard output cannot be written (${error.code})\n`);
});
// There is nowhere left to complain to.
process.stderr.on('error', () => {});

await main();
await new Promise((written) => process.stdout.write('', written));
process.exit(isOutputLost ? process.exitCode || 1 : process.exitCode);

async function main(): Promise<void> {
  const program = createProgram();
  try {
    await refuseSecrets();
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return;
    const { describeFailure, reportFailure } = await import('./failure.js');
    const failure = describeFailure(error);
    const isParsing = error instanceof CommanderError;
    await reportFailure(isParsing ? withUsage(failure, program) : failure, ownArguments().includes('--json'));
    process.exitCode = failure.exitCode;
  }
}

function withUsage(failure: Failure, program: Command): Failure {
  const { hint, elsewhere } = usageHint(program, argv);
  const detail = elsewhere === undefined ? failure.detail : `${failure.detail.split('\n')[0]}\n${elsewhere}`;
  return { ...failure, detail, hint };
}

// The arguments of a command under the guard, after `--`, are its own.
function ownArguments(): string[] {
  const end = argv[0] === 'exec' || argv[0] === 'run' ? argv.indexOf('--') : -1;
  return end < 0 ? argv : argv.slice(0, end);
}

async function refuseSecrets(): Promise<void> {
  if (!ownArguments().some((argument) => argument.includes('cst_'))) return;
  const { TOKEN_FORM } = await import('../rules/format.js');
  if (!ownArguments().some((argument) => argument.search(TOKEN_FORM) >= 0)) return;
  throw new UsageError(
    'a token does not belong on the command line: it is in the process list and your shell history now.\nRevoke it: put it on standard input of `countersign token revoke --stdin`',
  );
}
