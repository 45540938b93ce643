import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive } from '../../src/store/embedded-cluster.js';

// A file system in memory that every Linux has, in a container often too small to be of use.
const MEMORY = '/dev/shm';
const PREFIX = 'countersign-';
const GIB = 2 ** 30;
/** What the run may need at once, a database with a million rows in it. */
const NEEDED_BYTES = 4 * GIB;
/** What the machine keeps for its programs. */
const SPARE_BYTES = 2 * GIB;

/** Has the temporary directories of the run made in memory, where the machine has plenty: a data directory with its
 *  cluster is a thousand files, which cost more to write to a disk than all that the tests do with them. Nothing is told
 *  by a file system in memory that a disk would tell otherwise, but for what outlives a loss of power, and no test can
 *  cut that. `TMPDIR` names another place and is left alone. Gives what removes them. */
export function keepTemporaryFilesInMemory(): () => void {
  if (process.env['TMPDIR'] !== undefined || !hasRoom()) return () => undefined;
  removeAbandoned();
  const directory = mkdtempSync(join(MEMORY, `${PREFIX}${process.pid}-`));
  const remove = () => rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  if (!runsPrograms(directory)) {
    remove();
    return () => undefined;
  }
  // As open as where it stands in for, to a test that steps down to another user.
  chmodSync(directory, 0o711);
  process.env['TMPDIR'] = directory;
  process.once('exit', remove);
  return () => {
    delete process.env['TMPDIR'];
    process.off('exit', remove);
    remove();
  };
}

function hasRoom(): boolean {
  if (process.platform !== 'linux' || process.availableMemory() < NEEDED_BYTES + SPARE_BYTES) return false;
  try {
    const { bavail, bsize } = statfsSync(MEMORY);
    return bavail * bsize >= NEEDED_BYTES;
  } catch {
    return false;
  }
}

// Where nothing may be executed, the tests' own programs could not run.
function runsPrograms(directory: string): boolean {
  const program = join(directory, 'program');
  writeFileSync(program, '#!/bin/sh\nexit 0\n', { mode: 0o755 });
  const { status } = spawnSync(program);
  rmSync(program);
  return status === 0;
}

// A run that was killed could not clear up, and memory is dear. The name tells whose it is.
function removeAbandoned(): void {
  for (const name of readdirSync(MEMORY)) {
    const pid = name.startsWith(PREFIX) ? Number.parseInt(name.slice(PREFIX.length), 10) : Number.NaN;
    if (Number.isNaN(pid) || isAlive(pid)) continue;
    rmSync(join(MEMORY, name), { recursive: true, force: true });
  }
}
