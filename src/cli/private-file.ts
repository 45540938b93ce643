import { chmod, mkdir, readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { writeWhole } from '../whole-file.js';
import { UsageError } from './usage-error.js';

/** Reads a file that holds a secret; `undefined` when there is none. Refuses one that others can read or write. */
export async function readPrivate(path: string): Promise<string | undefined> {
  try {
    const { mode } = await stat(path);
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      const octal = (mode & 0o777).toString(8).padStart(4, '0');
      throw new UsageError(
        `${path} is open to others (mode ${octal}), so it is not used. Run: chmod 600 ${path}, and revoke the token in it if others had access`,
      );
    }
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Writes a file that holds a secret, whole at once, for this user alone, in a directory that is too. */
export async function writePrivate(path: string, text: string): Promise<void> {
  const directory = dirname(path);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await chmod(directory, 0o700);
  await writeWhole(path, text, 0o600);
}

/** Parses JSON; `undefined` for what is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
