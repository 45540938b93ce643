// The guard as a process of its own, for what only a process can show: signals, exit codes, standard streams, SIGKILL.
// Arguments: the flags of `exec` as JSON, then the command.
import { type ExecFlags, runExec } from '../../src/cli/exec.js';
import { UsageError } from '../../src/cli/usage-error.js';

const [flags = '{}', ...command] = process.argv.slice(2);
const connection = { url: process.env['COUNTERSIGN_URL'] ?? '', token: process.env['COUNTERSIGN_TOKEN'] };
try {
  process.exitCode = await runExec(JSON.parse(flags) as ExecFlags, command, connection);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}
