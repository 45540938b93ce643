import { spawn } from 'node:child_process';
import { TOKEN_FORM } from '../rules/format.js';
import { type Environment, SinkError, SinkTextError } from './sink.js';

const MAX_TOLD = 2_000;

/** A command of the user's: words, read by no shell. */
export interface FedCommand {
  readonly program: string;
  readonly args: readonly string[];
}

/** Reads a command: words between spaces, of which one may stand in single or double quotes. `origin` says where it was
 *  given. Throws {@link SinkTextError}. */
export function parseCommand(text: string, origin: string): FedCommand {
  const [program, ...args] = splitWords(text, origin);
  if (program === undefined || program === '') throw new SinkTextError(`${origin} names no command`);
  return { program, args };
}

/** Splits a command at its spaces. In quotes a space is one of the word; there are no escapes. */
export function splitWords(text: string, origin: string): string[] {
  const words: string[] = [];
  const rest = text.replace(/\s*((?:"[^"]*"|'[^']*'|[^\s"'])+)/g, (_whole, word: string) => {
    words.push(
      word.replace(/"([^"]*)"|'([^']*)'/g, (_quoted, double?: string, single?: string) => double ?? single ?? ''),
    );
    return '';
  });
  if (rest.trim() !== '') throw new SinkTextError(`a quote in the command of ${origin} is not closed`);
  return words;
}

/** Runs a command that gets the secret on its standard input, without a newline, and nowhere else. It does not get the
 *  rotator's own token, and what it prints is not shown but for the end of its errors. Throws {@link SinkError} unless it
 *  exits 0 before the signal aborts, which kills it. */
export function feedCommand(
  { program, args }: FedCommand,
  env: Environment,
  secret: string,
  signal: AbortSignal,
): Promise<void> {
  const { COUNTERSIGN_TOKEN: _token, COUNTERSIGN_TOKEN_FILE: _file, ...passed } = env;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: passed,
      stdio: ['pipe', 'ignore', 'pipe'],
      signal,
      killSignal: 'SIGKILL',
    });
    let told = '';
    child.stderr.setEncoding('utf8').on('data', (piece: string) => {
      told = `${told}${piece}`.slice(-MAX_TOLD);
    });
    child.once('error', (error: NodeJS.ErrnoException) => {
      // What it started may hold on to its end: nobody waits for that.
      child.stderr.destroy();
      const why = signal.aborted ? 'took too long' : `cannot be run (${error.code ?? 'it failed'})`;
      reject(new SinkError(`${program} ${why}`));
    });
    // A command that does not read its input closes it early: its exit code tells whether that was right.
    child.stdin.on('error', () => {});
    child.stdin.end(secret);
    child.once('close', (code, killer) => {
      if (code === 0) resolve();
      else reject(new SinkError(`${program} ended with ${code ?? killer}${tailOf(told, secret)}`));
    });
  });
}

/** The end of what a command said, without the secret: not a half of it either, where the text was cut. */
function tailOf(told: string, secret: string): string {
  const line = told.replaceAll(secret, '[token]').replace(TOKEN_FORM, '[token]').trim().split('\n').at(-1) ?? '';
  const isSafe = line !== '' && ![...secret.matchAll(/(?=(.{12}))/g)].some(([, part = '']) => line.includes(part));
  return isSafe ? `: ${line.slice(0, 300)}` : '';
}
