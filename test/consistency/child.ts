import { type ChildProcess, spawn } from 'node:child_process';
import { hasEnded } from '../../src/store/embedded-process.js';

/** Starts a program that ends with this process, by `lastSignal`. What it prints goes to `log`. */
export function startChild(
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
  log: number,
  lastSignal: NodeJS.Signals,
): ChildProcess {
  const [program = '', ...args] = argv;
  const child = spawn(program, args, { env: { ...env }, cwd: '/', stdio: ['ignore', 'pipe', log] });
  child.on('error', () => undefined);
  const end = () => void (hasEnded(child) || child.kill(lastSignal));
  process.once('exit', end);
  child.once('exit', () => process.off('exit', end));
  return child;
}
