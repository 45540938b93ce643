import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { inTime, StepFailed } from './step-failed.js';

/** How a command ended. `code` is `null` when a signal ended it or it could not be started. */
export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command at work. */
export interface Running {
  readonly pid: number | undefined;
  readonly ended: Promise<Outcome>;
  /** Resolves as soon as the standard output holds what the pattern asks for; `atMs` is when it came, on the monotonic
   *  clock. Rejects when the command ends without it. */
  seen(pattern: RegExp): Promise<{ readonly match: RegExpExecArray; readonly atMs: number }>;
  /** Sends a signal, if the command still runs. */
  signal(name: NodeJS.Signals): void;
}

export interface Launch {
  /** What a person would call it. */
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** Open files for standard input and output; without them it is nothing, and captured. */
  readonly stdin: number | undefined;
  readonly stdout: number | undefined;
}

/** Starts a program. Its standard error is captured, its standard output too unless that goes to a file. */
export function launch({ name, program, args, cwd, env, stdin, stdout }: Launch): Running {
  const child = spawn(program, args, { cwd, env, stdio: [stdin ?? 'ignore', stdout ?? 'pipe', 'pipe'] });
  const text = { stdout: '', stderr: '' };
  collect(child, 'stdout', text);
  collect(child, 'stderr', text);
  const ended = ending(child, text);

  async function find(pattern: RegExp) {
    for (let isOver = false; ; ) {
      const match = pattern.exec(text.stdout);
      if (match !== null) return { match, atMs: performance.now() };
      if (isOver) throw new StepFailed(`${name} ended without printing ${pattern}`, text.stderr);
      const news = child.stdout ? once(child.stdout, 'data').then(() => false) : new Promise<never>(() => undefined);
      isOver = await Promise.race([news, ended.then(() => true)]);
    }
  }

  return {
    pid: child.pid,
    ended,
    seen: (pattern) => inTime(find(pattern), `${name} to print ${pattern}`),
    signal: (name) => {
      if (child.exitCode === null && child.signalCode === null) child.kill(name);
    },
  };
}

function ending(child: ChildProcess, text: Pick<Outcome, 'stdout' | 'stderr'>): Promise<Outcome> {
  return new Promise((resolve) => {
    child.once('close', (code) => resolve({ code, ...text }));
    child.once('error', (error) => resolve({ code: null, stdout: '', stderr: error.message }));
  });
}

function collect(child: ChildProcess, name: 'stdout' | 'stderr', into: Record<typeof name, string>): void {
  child[name]?.setEncoding('utf8').on('data', (piece: string) => {
    into[name] += piece;
  });
}
