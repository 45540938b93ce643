import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { printable } from './printable.js';
import { UsageError } from './usage-error.js';

/** A running git. `ended` settles when it is gone; it rejects when it failed, with what it said. */
export interface GitProcess {
  readonly child: ChildProcess;
  readonly ended: Promise<void>;
}

/** Which repository to ask: where, and whether the surroundings may say so too, as they do in a hook. */
export interface Repository {
  readonly directory: string;
  readonly isNamed: boolean;
}

// Nothing that a repository holds may hide objects, start a program, or reach for the network.
const SETTINGS = ['-c', 'core.fsmonitor=false', '-c', 'core.quotePath=false', '--no-pager'];
const ENVIRONMENT = {
  GIT_NO_REPLACE_OBJECTS: '1',
  GIT_GRAFT_FILE: '/dev/null',
  GIT_NO_LAZY_FETCH: '1',
  GIT_ALLOW_PROTOCOL: 'none',
  GIT_OPTIONAL_LOCKS: '0',
  GIT_TERMINAL_PROMPT: '0',
  LC_ALL: 'C',
};
const LOCATION =
  /^GIT_(?:DIR|WORK_TREE|INDEX_FILE|OBJECT_DIRECTORY|COMMON_DIR|NAMESPACE|ALTERNATE_OBJECT_DIRECTORIES)$/;
const TOKENS = /^COUNTERSIGN_TOKEN(?:_FILE)?$/;

/** Starts git. Refuses where there is none. */
export function startGit(repository: Repository, args: readonly string[], stdio: SpawnOptions['stdio']): GitProcess {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !TOKENS.test(name) && !(repository.isNamed && LOCATION.test(name)),
  );
  const child = spawn('git', [...SETTINGS, ...args], {
    cwd: repository.directory,
    env: { ...Object.fromEntries(inherited), ...ENVIRONMENT },
    stdio,
  });
  const said = child.stderr ? text(child.stderr) : Promise.resolve('');
  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      const where = printable(repository.directory);
      reject(
        new UsageError(`git cannot be started in ${where} (${error.code}): is it installed, and is that a directory?`),
      );
    });
    child.once('close', async (code, signal) => {
      if (code === 0) resolve();
      else reject(new UsageError(`git ${args[0]} failed (${code ?? signal}): ${firstLine(await said)}`));
    });
  });
  // Whoever waits for it later is told then.
  ended.catch(() => {});
  return { child, ended };
}

/** Runs git and gives what it prints. Refuses when it fails, with its own words. */
export async function askGit(repository: Repository, args: readonly string[]): Promise<Buffer> {
  const { child, ended } = startGit(repository, args, ['ignore', 'pipe', 'pipe']);
  const pieces: Buffer[] = [];
  child.stdout?.on('data', (piece: Buffer) => pieces.push(piece));
  await ended;
  return Buffer.concat(pieces);
}

function firstLine(words: string): string {
  return printable(words.trim().split('\n')[0] ?? '').slice(0, 300);
}
