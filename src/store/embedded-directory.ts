import { access, chmod, constants, mkdir, readdir, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { EmbeddedError, errorCode } from './embedded-error.js';

const IGNORE_FILE = '.gitignore';

/** Makes the data directory, or makes sure of the one that is there: writable, mode 0700, with a `.gitignore` of `*` so
 *  that it never reaches a repository. Gives its real path. Throws {@link EmbeddedError} when it cannot be used; never
 *  closes a directory that holds other people's files. */
export async function prepareDataDir(dataDir: string): Promise<string> {
  const wanted = resolve(dataDir);
  try {
    await mkdir(wanted, { recursive: true, mode: 0o700 });
    const path = await realpath(wanted);
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
    await makePrivate(path);
    await writeFile(join(path, IGNORE_FILE), '*\n', { mode: 0o600, flag: 'wx' }).catch(unless('EEXIST'));
    return path;
  } catch (error) {
    if (error instanceof EmbeddedError) throw error;
    throw new EmbeddedError(`the data directory ${wanted} cannot be used: ${whyNot(error)}`, { cause: error });
  }
}

async function makePrivate(path: string): Promise<void> {
  const { mode } = await stat(path);
  if ((mode & 0o077) === 0) return;
  const names = await readdir(path);
  const holdsOthers = names.some((name) => name !== 'lost+found') && !names.includes(IGNORE_FILE);
  if (holdsOthers) {
    throw new EmbeddedError(
      `the data directory ${path} holds other files and is open to other users: name an empty one, or chmod 700 it`,
    );
  }
  await chmod(path, 0o700);
}

function whyNot(error: unknown): string {
  switch (errorCode(error)) {
    case 'EACCES':
    case 'EPERM':
      return 'this user may not write it: change its owner, or set COUNTERSIGN_DATA_DIR';
    case 'EROFS':
      return 'it is read-only: set COUNTERSIGN_DATA_DIR to a writable place, or DATABASE_URL';
    case 'ENOSPC':
    case 'EDQUOT':
      return 'the disk is full';
    case 'EEXIST':
    case 'ENOTDIR':
      return 'it is not a directory: set COUNTERSIGN_DATA_DIR';
    default:
      return error instanceof Error ? error.message : String(error);
  }
}

/** Removes a file or a directory with all that is in it. What is not there is removed already. */
export async function remove(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 3 });
}

/** Swallows one expected error of the operating system. */
export function unless(code: string): (error: unknown) => undefined {
  return (error) => {
    if (errorCode(error) !== code) throw error;
    return undefined;
  };
}
