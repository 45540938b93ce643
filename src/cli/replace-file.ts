import { mkdir, readFile, realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { writeWhole } from '../whole-file.js';

/** Reads a file that may not be there. Throws when it cannot be read. */
export async function readIfThere(path: string): Promise<string | undefined> {
  return await readFile(path, 'utf8').catch(absentIsUndefined);
}

/** Replaces a file in one step, so that nobody ever reads a part of it: its mode stays, a symbolic link goes on pointing to
 *  it, and directories that are missing are made. A new file can be read by everybody. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const target = (await realpath(path).catch(absentIsUndefined)) ?? path;
  const mode = (await stat(target).catch(absentIsUndefined))?.mode ?? 0o644;
  await mkdir(dirname(target), { recursive: true });
  await writeWhole(target, text, mode & 0o777);
}

function absentIsUndefined(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined;
  throw error;
}
