import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';

/** A pipe for a command's output. */
export interface Pipe {
  readonly reader: Readable;
  /** The end that the command gets. The guard closes its own copy once the command has one. */
  readonly writeFd: number;
  closeWriteEnd(): void;
}

// Two pipes as a shell makes them for its own ends. Whoever holds one can open either end of it by the shell's `/proc`
// entry. It goes when it is told to, or when the guard is dead.
const HOLDER = ": | { exec 4<&0; : | { exec 5<&0; exec /bin/sh -c 'echo $$; read -r word <&3'; }; }";
const HELD_FDS = [4, 5];

/** Makes true pipes for standard output and standard error, or gives none where that cannot be done. What Node makes of
 *  `stdio: 'pipe'` is a pair of sockets, and a script that writes to `/dev/stderr` cannot open a socket. */
export async function makePipes(): Promise<Pipe[]> {
  return (process.platform === 'linux' ? await borrowPipes() : undefined) ?? namedPipes() ?? [];
}

/** Pipes that never had a name: a guard that is killed leaves nothing of them. */
async function borrowPipes(): Promise<Pipe[] | undefined> {
  let holder: ChildProcess | undefined;
  try {
    holder = spawn('/bin/sh', ['-c', HOLDER], { env: {}, stdio: ['ignore', 'pipe', 'ignore', 'pipe'] });
    const pid = await firstLine(holder);
    return opened(HELD_FDS.map((fd) => `/proc/${pid}/fd/${fd}`));
  } catch {
    return undefined;
  } finally {
    const word = holder?.stdio[3];
    word?.on('error', () => undefined);
    word?.destroy();
  }
}

function firstLine(holder: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    let text = '';
    holder.once('error', reject);
    holder.once('exit', () => reject(new Error('nobody holds the pipes')));
    holder.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.endsWith('\n')) resolve(Number(text));
    });
  });
}

/** Where no process can lend its pipes: pipes that have a name for an instant. */
function namedPipes(): Pipe[] | undefined {
  let directory: string | undefined;
  try {
    directory = mkdtempSync(join(tmpdir(), 'countersign-'));
    const paths = ['out', 'err'].map((name) => join(directory ?? '', name));
    execFileSync('mkfifo', ['-m', '600', ...paths], { stdio: 'ignore' });
    return opened(paths);
  } catch {
    return undefined;
  } finally {
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  }
}

function opened(paths: readonly string[]): Pipe[] {
  const open: number[] = [];
  try {
    return paths.map((path) => {
      const readFd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
      open.push(readFd);
      const writeFd = openSync(path, constants.O_WRONLY);
      open.push(writeFd);
      return { reader: new Socket({ fd: readFd, readable: true }), writeFd, closeWriteEnd: () => closeSync(writeFd) };
    });
  } catch (error) {
    for (const fd of open) closeSync(fd);
    throw error;
  }
}
