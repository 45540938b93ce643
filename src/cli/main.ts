#!/usr/bin/env node
import { runCommandLine } from './command-line.js';

let isOutputLost = false;

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // The reader has seen enough (`| head`): what is left is written into the void, and that is no failure.
  if (error.code === 'EPIPE' || isOutputLost) return;
  isOutputLost = true;
  process.stderr.write(`error: standard output cannot be written (${error.code})\n`);
});
// There is nowhere left to complain to.
process.stderr.on('error', () => {});

await runCommandLine(process.argv.slice(2));
await new Promise((written) => process.stdout.write('', written));
process.exit(isOutputLost ? process.exitCode || 1 : process.exitCode);
