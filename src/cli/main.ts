#!/usr/bin/env node
// An agent waits for its hook before every tool call, and the hook must answer whatever else of the program is broken:
// nothing is loaded for it but the hook.
const [command, ...argv] = process.argv.slice(2);
const isHook = command === 'hook' && !argv.includes('--help') && !argv.includes('-h');
await (isHook ? runHookAlone() : runProgram());

async function runHookAlone(): Promise<never> {
  try {
    return await (await import('../hook/adapter.js')).runHook(argv);
  } catch {
    process.stderr.write('countersign: the hook cannot be loaded\n');
    process.exit(2);
  }
}

async function runProgram(): Promise<never> {
  let isOutputLost = false;
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // The reader has seen enough (`| head`): what is left is written into the void, and that is no failure.
    if (error.code === 'EPIPE' || isOutputLost) return;
    isOutputLost = true;
    process.stderr.write(`error: standard output cannot be written (${error.code})\n`);
  });
  // There is nowhere left to complain to.
  process.stderr.on('error', () => {});

  const { runCommandLine } = await import('./command-line.js');
  await runCommandLine(process.argv.slice(2));
  await new Promise((written) => process.stdout.write('', written));
  process.exit(isOutputLost ? process.exitCode || 1 : process.exitCode);
}
