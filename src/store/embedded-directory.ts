import {
  access,
  chmod,
  chown,
  constants,
  mkdir,
  readdir,
  readFile,
  realpath,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { EmbeddedError, errorCode } from './embedded-error.js';

/** Makes the data directory, or makes sure of the one that is there: writable, mode 0700, with a `.gitignore` of `*` so
 *  that it never reaches a repository. Gives its real path. Throws {@link EmbeddedError} when it cannot be used; takes
 *  no directory that is somebody else's. */
export async function prepareDataDir(dataDir: string): Promise<string> {
  const wanted = resolve(dataDir);
  try {
    await makeDirectory(wanted);
    const path = await realpath(wanted);
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
    await makePrivate(path);
    return path;
  } catch (error) {
    if (error instanceof EmbeddedError) throw error;
    throw new EmbeddedError(`the data directory ${wanted} cannot be used: ${whyNot(error)}`, { cause: error });
  }
}

// Not `recursive`: that never returns where the operating system says ENOENT to a directory whose parent is there.
async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    if (errorCode(error) === 'EEXIST' && (await stat(path)).isDirectory()) return;
    if (errorCode(error) !== 'ENOENT' || (await exists(dirname(path)))) throw error;
    await makeDirectory(dirname(path));
    await mkdir(path, { mode: 0o700 }).catch(unless('EEXIST'));
  }
}

async function makePrivate(path: string): Promise<void> {
  const { mode, uid, gid } = await stat(path);
  const ignoreFile = join(path, '.gitignore');
  const ignored = (await readFile(ignoreFile, 'utf8').catch(unless('ENOENT')))?.trim();
  const isOpen = (mode & 0o077) !== 0;
  const isOthers = ignored === undefined && isOpen && (await readdir(path)).some((name) => name !== 'lost+found');
  if (isOthers || (ignored !== undefined && ignored !== '' && ignored !== '*')) {
    throw new EmbeddedError(`the data directory ${path} holds other files: name an empty one in COUNTERSIGN_DATA_DIR`);
  }
  if (isOpen) await chmod(path, 0o700);
  if (ignored === '*') return;
  await writeFile(ignoreFile, '*\n', { mode: 0o600 });
  // A root that comes first leaves nothing behind that the directory's owner cannot read.
  if (process.getuid?.() === 0 && uid !== 0) await chown(ignoreFile, uid, gid);
}

/** Why the operating system refused, and what to do. */
export function whyNot(error: unknown): string {
  switch (errorCode(error)) {
    case 'EACCES':
    case 'EPERM':
      return 'this user may not write it: change its owner, or set COUNTERSIGN_DATA_DIR';
    case 'EROFS':
    case 'ENOENT':
      return 'the place is read-only or is not there: set COUNTERSIGN_DATA_DIR to a writable one, or DATABASE_URL';
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

/** Whether there is something at a path that this process can reach. */
export function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
