import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeNarrator } from './narrator.js';
import { processesAt } from './processes.js';
import { Shell } from './shell.js';
import { StepFailed } from './step-failed.js';
import { leakToken } from './steps/leak-token.js';
import { makeWorkflows } from './steps/make-workflows.js';
import { readAudit } from './steps/read-audit.js';
import { refuseOthers } from './steps/refuse-others.js';
import { revokeLeak } from './steps/revoke-leak.js';
import { rotateUnderLoad } from './steps/rotate-under-load.js';
import { runJob } from './steps/run-job.js';
import { startService } from './steps/start-service.js';
import { stopService } from './steps/stop-service.js';

/** The built command line, or the one that `DEMO_CLI` names. */
const MAIN = process.env['DEMO_CLI'] ?? fileURLToPath(new URL('../dist/bin/countersign.js', import.meta.url));
const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

const startedMs = performance.now();
const interruption = new AbortController();
const narrator = makeNarrator(process.stdout);
let exitCode = 0;

for (const [name, code] of Object.entries(SIGNALS)) process.on(name, () => interrupt(name, code));
// The reader has left (`| head`), or the terminal has.
process.stdout.on('error', () => interrupt('the end of the output', 1));
process.stderr.on('error', () => undefined);

const missing = whatIsMissing();
if (missing === undefined) await demonstrate();
else {
  process.stderr.write(`${missing}\n`);
  exitCode = 1;
}
process.exit(exitCode);

function interrupt(cause: string, code: number): void {
  if (interruption.signal.aborted) return;
  exitCode = code;
  narrator.silence();
  process.stderr.write(`\nStopped by ${cause}: cleaning up.\n`);
  interruption.abort();
}

function whatIsMissing(): string | undefined {
  if (!existsSync(MAIN)) return `There is no ${MAIN}: run \`npm run build\` first.`;
  if (spawnSync('git', ['--version']).error) return 'The demo needs git, and finds none on the PATH: install it first.';
  return undefined;
}

async function demonstrate(): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'countersign-demo-'));
  const shell = new Shell({ main: MAIN, root, narrator, signal: interruption.signal });
  try {
    mkdirSync(join(root, 'home'));
    await tellAll(shell);
    tellEnd();
  } catch (error) {
    if (!interruption.signal.aborted) fail(error);
  } finally {
    await cleanUp(shell);
  }
}

async function tellAll(shell: Shell): Promise<void> {
  narrator.title('Countersign: access tokens for coding agents in CI');
  narrator.say('Everything below happens now, on this machine, with the real service and the real command line.');
  const service = await startService(shell);
  await makeWorkflows(shell);
  await runJob(shell);
  await refuseOthers(shell);
  await rotateUnderLoad(shell, service.url);
  const leak = await leakToken(shell);
  await revokeLeak(shell, leak, interruption.signal);
  await readAudit(shell, leak);
  await stopService(shell, service);
}

function tellEnd(): void {
  narrator.title(`\nEach step was verified, in ${((performance.now() - startedMs) / 1000).toFixed(1)} s.`);
  narrator.say(
    'Next, a service of your own: `npm start`, then `npx countersign auth login --with-token < .countersign/owner.token`.',
  );
  narrator.say('Every endpoint with an example: http://127.0.0.1:8787/docs. Every command: `npx countersign --help`.');
}

function fail(error: unknown): void {
  exitCode = 1;
  if (error instanceof StepFailed) narrator.failed(error.message, error.evidence);
  else
    narrator.failed('the demo itself broke', error instanceof Error ? (error.stack ?? error.message) : String(error));
}

/** Ends what still runs and removes what is left. Whatever withstands makes the demo fail. */
async function cleanUp(shell: Shell): Promise<void> {
  interruption.abort();
  await shell.close();
  const left = processesAt(shell.root);
  for (const pid of left) process.kill(pid, 'SIGKILL');
  rmSync(shell.root, { recursive: true, force: true, maxRetries: 3 });
  if (left.length === 0) return;
  exitCode ||= 1;
  process.stderr.write(`These processes were left behind, and were killed: ${left.join(', ')}.\n`);
}
