import { type ChildProcess, spawn } from 'node:child_process';

export interface Finished {
  /** The exit code; null when a signal ended it or it could not be started. */
  readonly code: number | null;
  readonly output: string;
}

const MAX_OUTPUT = 64 * 1024;
const FAULT = /^.*?\b(FATAL|PANIC|ERROR|error): */;
const DISK_FULL = /No space left on device|Disk quota exceeded|Check free disk space/;
const ABOUT_CLIENTS = /the database system is |terminating connection/;

/** Runs a short program to its end, out of reach of the terminal's Ctrl-C. Keeps the last 64 KiB of what it prints. */
export function runToEnd(argv: readonly string[], env: Readonly<Record<string, string>>): Promise<Finished> {
  const [program = '', ...args] = argv;
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      env: { ...env },
      cwd: '/',
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const keep = (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-MAX_OUTPUT);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', (error) => resolve({ code: null, output: output + error.message }));
    child.on('close', (code) => resolve({ code, output }));
  });
}

/** What went wrong, in one line: the first thing that PostgreSQL or initdb calls an error, since what follows tells of
 *  the consequences; else the last line. */
export function tellingLine(output: string): string {
  const lines = output.split('\n').filter((line) => line.trim() !== '');
  const line = lines.find((text) => FAULT.test(text) && !ABOUT_CLIENTS.test(text)) ?? lines.at(-1) ?? 'it said nothing';
  const isUntold = DISK_FULL.test(output) && !DISK_FULL.test(line);
  return line.replace(FAULT, '').trim() + (isUntold ? ' (the disk is full)' : '');
}

/** Waits until a child ended, at most so long. */
export function ended(child: ChildProcess, timeoutMs: number): Promise<boolean> {
  if (hasEnded(child)) return Promise.resolve(true);
  return new Promise((resolve) => {
    const onExit = () => {
      clearTimeout(timer);
      resolve(true);
    };
    const timer = setTimeout(() => {
      child.off('exit', onExit);
      resolve(false);
    }, timeoutMs);
    child.once('exit', onExit);
  });
}

/** Whether a child has ended or never came to be. */
export function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null || child.pid === undefined;
}
