import { execFileSync } from 'node:child_process';
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

/** Makes a true pipe, or gives `undefined` where there is no place for one. What Node makes of `stdio: 'pipe'` is a pair
 *  of sockets, and a script that writes to `/dev/stderr` cannot open a socket. A named pipe that loses its name at once
 *  is a pipe. */
export function makePipe(): Pipe | undefined {
  let directory: string | undefined;
  try {
    directory = mkdtempSync(join(tmpdir(), 'countersign-'));
    const path = join(directory, 'output');
    execFileSync('mkfifo', ['-m', '600', path], { stdio: 'ignore' });
    const readFd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const writeFd = openSync(path, constants.O_WRONLY);
    return { reader: new Socket({ fd: readFd, readable: true }), writeFd, closeWriteEnd: () => closeSync(writeFd) };
  } catch {
    return undefined;
  } finally {
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  }
}
