import { randomUUID } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Writes a file whole or not at all: as a draft beside it, which is on the disk before it takes the file's name. It has the
 *  mode that is given, whatever the umask. `prepare` sees the draft while it is empty. Nothing is left when it fails. */
export async function writeWhole(
  path: string,
  text: string,
  mode: number,
  prepare: (draft: FileHandle) => Promise<void> = async () => undefined,
): Promise<void> {
  const draft = join(dirname(path), `.${basename(path)}.${randomUUID()}`);
  try {
    const file = await open(draft, 'wx', mode);
    try {
      await file.chmod(mode);
      await prepare(file);
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}
