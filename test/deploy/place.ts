import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MAIN, temporaryDirectory } from '../cli/command-line.js';

/** The folder of the recipes. */
export const DEPLOY = fileURLToPath(new URL('../../deploy', import.meta.url));

/** The text of a file below `deploy/`. */
export function recipe(path: string): string {
  return readFileSync(join(DEPLOY, path), 'utf8');
}

// What the agent of the recipes is here: it tells where it was and what it saw. Beside its own environment that is the
// command line of every process there is, for whoever could read a token in one.
const REVIEW = `#!/bin/sh
env >ran
cat /proc/[0-9]*/cmdline >command-lines 2>/dev/null
echo "reviewed by $$"
exit "\${REVIEW_CODE:-0}"
`;

/** A machine that a job runs on, as far as a job sees it: a checkout, a home, and a directory for what is temporary. */
export interface Place {
  readonly checkout: string;
  readonly temporary: string;
  /** First on the `PATH` of the job. */
  readonly bin: string;
  readonly env: Readonly<Record<string, string>>;
  /** The environment that the agent saw; `undefined` when it never ran. */
  ran(): string | undefined;
  /** Every command line that there was while it ran. */
  commandLines(): string;
  /** The files below the place that hold a text, and those that are left in the temporary directory. */
  filesWith(text: string): string[];
  leftovers(): string[];
}

/** Makes a place whose checkout holds `review.sh`. With `hasGuard` the built command is on its `PATH`. */
export function makePlace({ hasGuard }: { hasGuard: boolean }): Place {
  const root = temporaryDirectory();
  const [checkout, temporary, bin, home] = ['checkout', 'temporary', 'bin', 'home'].map((name) => join(root, name));
  for (const path of [checkout, temporary, bin, home]) mkdirSync(path ?? '');
  if (checkout === undefined || temporary === undefined || bin === undefined || home === undefined) throw new Error();
  writeProgram(join(checkout, 'review.sh'), REVIEW);
  if (hasGuard) writeProgram(join(bin, 'countersign'), `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`);
  const ran = join(checkout, 'ran');
  return {
    checkout,
    temporary,
    bin,
    env: { PATH: `${bin}:${process.env['PATH']}`, HOME: home, TMPDIR: temporary },
    ran: () => (existsSync(ran) ? readFileSync(ran, 'utf8') : undefined),
    commandLines: () => readFileSync(join(checkout, 'command-lines'), 'latin1'),
    filesWith: (text) => filesBelow(root).filter((path) => readFileSync(path).includes(text)),
    leftovers: () => readdirSync(temporary),
  };
}

export function writeProgram(path: string, text: string): void {
  writeFileSync(path, text);
  chmodSync(path, 0o755);
}

function filesBelow(root: string): string[] {
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' }).map((name) => join(root, name));
  return names.filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile());
}

/** How a shell came out. */
export interface End {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A shell of a job under way. */
export interface Running {
  readonly ended: Promise<End>;
  /** Resolves when a text was printed on standard output. */
  shows(text: string): Promise<void>;
  signal(name: NodeJS.Signals): void;
}

/** Starts a program in the checkout with nothing but the given environment. */
export function start(
  place: Place,
  words: readonly [string, ...string[]],
  env: Readonly<Record<string, string>>,
): Running {
  const [program, ...args] = words;
  const child = spawn(program, args, { cwd: place.checkout, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (piece) => {
    stdout += piece;
    child.emit('printed');
  });
  child.stderr.on('data', (piece) => {
    stderr += piece;
  });
  const ended = new Promise<End>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code: code ?? -1, stdout, stderr }));
  });
  return {
    ended,
    shows: async (text) => {
      while (!stdout.includes(text)) {
        const end = await Promise.race([once(child, 'printed'), ended]);
        if (!Array.isArray(end) && !stdout.includes(text)) throw new Error(`ended without it: ${stdout}${stderr}`);
      }
    },
    signal: (name) => void child.kill(name),
  };
}
