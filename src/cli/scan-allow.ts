import { readFile } from 'node:fs/promises';
import { printable } from './printable.js';
import { UsageError } from './usage-error.js';

/** The list that is read where none is named. */
export const ALLOW_FILE = '.countersign-allow';

/** What is known and no alarm. `file` is where it is written, for people. */
export interface Allowed {
  readonly file: string | undefined;
  has(fingerprint: string): boolean;
}

export const NOTHING_ALLOWED: Allowed = { file: undefined, has: () => false };

const LINE = /^([0-9a-f]{32})(?:\s+#.*)?$/;

/** Reads a list of fingerprints, a line each, with the reason behind a `#`. Refuses a line that is none: its content is not
 *  told, somebody may have put the secret itself there. A file that `isOptional` may be missing. */
export async function readAllowed(path: string, isOptional: boolean): Promise<Allowed> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (isOptional && error.code === 'ENOENT') return undefined;
    throw new UsageError(`${printable(path)} cannot be read (${error.code})`);
  });
  if (text === undefined) return NOTHING_ALLOWED;
  const fingerprints = new Set<string>();
  for (const [at, line] of text.split('\n').entries()) {
    const content = line.trim();
    if (content === '' || content.startsWith('#')) continue;
    const name = LINE.exec(content)?.[1];
    if (name === undefined) {
      throw new UsageError(`line ${at + 1} of ${printable(path)} is not a fingerprint: 32 hex digits, then # and why`);
    }
    fingerprints.add(name);
  }
  return { file: path, has: (fingerprint) => fingerprints.has(fingerprint) };
}
