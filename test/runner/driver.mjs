// The guard as a process of its own, for what only a process can show: signals, exit codes, standard streams, SIGKILL.
// Arguments: the flags of `exec` as JSON, then the command. It is the built one, which starts in a third of the time.
import { runExec } from '../../dist/cli/exec.js';
import { UsageError } from '../../dist/cli/usage-error.js';

const [flags = '{}', ...command] = process.argv.slice(2);
const connection = { url: process.env['COUNTERSIGN_URL'] ?? '', token: process.env['COUNTERSIGN_TOKEN'] };
try {
  process.exitCode = await runExec(JSON.parse(flags), command, connection);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}
