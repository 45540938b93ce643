import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { StepFailed } from './step-failed.js';

/** How a command ended. `code` is `null` when a signal ended it. */
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
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** Open files for standard input and output; without them it is nothing, and captured. */
  readonly stdin: number | undefined;
  readonly stdout: number | undefined;
}

/** Starts a program. Its standard error is captured, its standard output too unless that goes to a file. */
export function launch({ program, args, cwd, env, stdin, stdout }: Launch): Running {
  const child = spawn(program, args, { cwd, env, stdio: [stdin ?? 'ignore', stdout ?? 'pipe', 'pipe'] });
  const text = { stdout: '', stderr: '' };
  collect(child, 'stdout', text);
  collect(child, 'stderr', text);
  const ended = once(child, 'close').then(
    ([code]): Outcome => ({ code: Number.isInteger(code) ? code : null, ...text }),
  );
  // Whoever waits for it hears of it; nobody has to.
  ended.catch(() => undefined);

  async function seen(pattern: RegExp) {
    let match = pattern.exec(text.stdout);
    const over = ended.then(() => 'over' as const);
    while (match === null) {
      const news = child.stdout ? await Promise.race([once(child.stdout, 'data'), over]) : await over;
      match = pattern.exec(text.stdout);
      if (match === null && news === 'over') {
        throw new StepFailed(`${args.join(' ')} ended without printing ${pattern}`, text.stderr);
      }
    }
    return { match, atMs: performance.now() };
  }

  return {
    pid: child.pid,
    ended,
    seen,
    signal: (name) => {
      if (child.exitCode === null && child.signalCode === null) child.kill(name);
    },
  };
}

function collect(child: ChildProcess, name: 'stdout' | 'stderr', into: Record<typeof name, string>): void {
  child[name]?.setEncoding('utf8').on('data', (piece: string) => {
    into[name] += piece;
  });
}
