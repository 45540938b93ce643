import { join } from 'node:path';
import { Readable } from 'node:stream';
import { runCommandLine } from '../../src/cli/command-line.js';
import type { Circumstances, Outcome } from './command-line.js';

const DECIDES = /^(COUNTERSIGN_|XDG_|HOME$|CI$|CI_|GITHUB_|GITLAB_|BUILDKITE|NO_COLOR$|FORCE_COLOR$)/;

/** A user of the command line within this process, which costs no start of another one: `process` is what a command sees
 *  of the world. The built command itself is tried in the tests of the program and the journey. */
export function commandLineHere(home: string) {
  return async (
    args: readonly string[],
    { env = {}, input = '', isTerminal = false }: Omit<Circumstances, 'cwd'> & { readonly isTerminal?: boolean } = {},
  ): Promise<Outcome> => {
    const written = { stdout: '', stderr: '' };
    const kept = Object.entries(process.env).filter(([name]) => !DECIDES.test(name));
    const stdin = Object.assign(Readable.from(input.length === 0 ? [] : [Buffer.from(input)]), { isTTY: isTerminal });
    const restore = [
      replace(process, 'env', {
        ...Object.fromEntries(kept),
        HOME: home,
        XDG_CONFIG_HOME: join(home, 'config'),
        ...env,
      }),
      replace(process, 'stdin', stdin),
      ...(['stdout', 'stderr'] as const).flatMap((name) => [
        replace(process[name], 'isTTY', isTerminal),
        replace(process[name], 'write', (text: string) => {
          written[name] += text;
          return true;
        }),
      ]),
    ];
    const exitCodeBefore = process.exitCode;
    process.exitCode = undefined;
    try {
      await runCommandLine(args);
      return { code: Number(process.exitCode ?? 0), ...written };
    } finally {
      process.exitCode = exitCodeBefore;
      for (const one of restore.reverse()) one();
    }
  };
}

function replace(target: object, name: string, value: unknown): () => void {
  const before = Object.getOwnPropertyDescriptor(target, name);
  Object.defineProperty(target, name, { value, writable: true, configurable: true });
  return () => {
    Reflect.deleteProperty(target, name);
    if (before) Object.defineProperty(target, name, before);
  };
}
