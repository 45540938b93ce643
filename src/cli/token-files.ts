import { access, constants, lstat, mkdir, open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { printable } from './printable.js';
import { UsageError } from './usage-error.js';

/** Where the secret of a token goes. */
export interface TokenFile {
  readonly path: string;
  /** Writes the secret, for this user alone, where nothing is. Gives what stood against it. */
  write(secret: string): Promise<string | undefined>;
}

/** Makes sure, before anything is minted, that each token can have a file of its own: a directory (mode 0700 when it is made)
 *  that others cannot write in, and names by workflow and name of which none is taken. */
export async function prepareFiles(
  directory: string,
  asked: readonly { readonly workflow: string; readonly name?: string | undefined }[],
): Promise<readonly TokenFile[]> {
  const names = asked.map(fileName);
  // Some file systems do not tell upper from lower case.
  const folded = names.map((name) => name.toLowerCase());
  const twice = folded.findIndex((name, at) => folded.indexOf(name) !== at);
  if (twice >= 0) {
    const first = folded.indexOf(folded[twice] ?? '');
    throw new UsageError(
      `tokens ${first} and ${twice} of the list would both be ${names[twice]}: give each a name of its own`,
    );
  }
  await prepareDirectory(directory);
  const files = names.map((name) => join(directory, name));
  for (const path of files) {
    if (await isThere(path)) throw new UsageError(`${printable(path)} is there already, and is not written over`);
  }
  return files.map((path) => ({ path, write: (secret) => writeNew(path, secret) }));
}

/** What is no letter, digit, `.`, `_` or `-` in a name becomes `-`: it leads to no other directory. */
function fileName({ workflow, name }: { readonly workflow: string; readonly name?: string | undefined }): string {
  const suffix = name === undefined ? '' : `.${name.replaceAll(/[^A-Za-z0-9._-]+/g, '-')}`;
  return `${workflow}${suffix}.token`;
}

async function prepareDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await access(directory, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new UsageError(`${printable(directory)} cannot be written in: ${codeOf(error)}`);
  }
  const { mode } = await stat(directory);
  if (process.platform === 'win32' || (mode & 0o022) === 0) return;
  throw new UsageError(
    `others can write in ${printable(directory)}, so it is not used. Run: chmod go-w ${printable(directory)}`,
  );
}

async function isThere(path: string): Promise<boolean> {
  return await lstat(path).then(
    () => true,
    () => false,
  );
}

async function writeNew(path: string, secret: string): Promise<string | undefined> {
  try {
    const file = await open(path, 'wx', 0o600);
    try {
      await file.writeFile(`${secret}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    return undefined;
  } catch (error) {
    return `${printable(path)} cannot be written: ${codeOf(error)}`;
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'for no known reason';
}
