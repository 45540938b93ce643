import { constants, type Stats } from 'node:fs';
import { lstat, open } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { writeWhole } from '../whole-file.js';
import { type Sink, SinkError, SinkTextError } from './sink.js';

const MAX_BYTES = 65_536;

/** `file:PATH`: a file that its owner alone can read. It is replaced whole, and keeps its owner. What is a symbolic link, no
 *  plain file, or open to others is refused. */
export function fileSink(rest: string, name: string): Sink {
  if (rest.includes('\0')) throw new SinkTextError('the path of a file must not hold a NUL');
  const path = resolve(rest);
  return {
    name,
    describe: () => `the file ${path}`,
    write: (secret) => told(path, () => replace(path, secret)),
    read: () => told(path, () => readSecret(path)),
  };
}

async function readSecret(path: string): Promise<string | undefined> {
  if ((await statOf(path)) === undefined) return undefined;
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const { size } = await file.stat();
    if (size > MAX_BYTES) throw new SinkError(`${path} is longer than any token`);
    const text = (await file.readFile('utf8')).trim();
    return text === '' ? undefined : text;
  } finally {
    await file.close();
  }
}

async function replace(path: string, secret: string): Promise<void> {
  const known = await statOf(path);
  await writeWhole(path, `${secret}\n`, 0o600, async (draft) => {
    const made = await draft.stat();
    if (known && (known.uid !== made.uid || known.gid !== made.gid)) await draft.chown(known.uid, known.gid);
  });
  await syncDirectory(dirname(path));
}

/** A rename is on the disk when its directory is. */
async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const directory = await open(path, constants.O_RDONLY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

async function statOf(path: string): Promise<Stats | undefined> {
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (found === undefined) return undefined;
  if (!found.isFile())
    throw new SinkError(`${path} is ${found.isSymbolicLink() ? 'a symbolic link' : 'no plain file'}`);
  if (process.platform !== 'win32' && (found.mode & 0o077) !== 0) {
    throw new SinkError(`${path} is open to others (mode ${(found.mode & 0o777).toString(8).padStart(4, '0')})`);
  }
  return found;
}

async function told<T>(path: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof SinkError) throw error;
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'it failed';
    throw new SinkError(`${path} cannot be used: ${code}`);
  }
}
