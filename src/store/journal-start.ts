import { randomBytes } from 'node:crypto';
import { link, mkdir, readFile, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { and, eq, gte } from 'drizzle-orm';
import type { Db } from './database.js';
import { unless } from './embedded-directory.js';
import { errorCode } from './embedded-error.js';
import { JournalError } from './journal.js';
import { seenOnce } from './schema.js';
import { seenDigest, takeOnce } from './seen.js';

const ID_FILE = 'journal-id';
// Nothing else is remembered that long: these rows say that the database has a journal.
const FOR_GOOD = new Date('9999-01-01T00:00:00Z');

/** Makes sure that the journal in a directory is the one that the database has had, and makes it the database's when that had
 *  none. Throws {@link JournalError} when the database had another one, and none is at hand; `isWaived` takes it all the same. */
export async function requireJournal(db: Db, directory: string | undefined, isWaived: boolean): Promise<void> {
  if (directory === undefined) {
    if (!isWaived && (await hasJournal(db))) throw withoutIt('COUNTERSIGN_REVOCATION_JOURNAL is not set');
    return;
  }
  const id = await readId(directory);
  if (id !== undefined && (await isKnown(db, id))) return;
  if (!isWaived && (await hasJournal(db))) throw withoutIt(`${directory} does not hold it`);
  const named = id ?? (await makeId(directory).catch((error: unknown) => unusable(directory, error)));
  await takeOnce(db, 'revocation_journal', named, FOR_GOOD);
}

/** Whether the database says that endings were journaled. */
export async function hasJournal(db: Db): Promise<boolean> {
  const rows = await db
    .select({ digest: seenOnce.digest })
    .from(seenOnce)
    .where(gte(seenOnce.expiresAt, FOR_GOOD))
    .limit(1);
  return rows.length > 0;
}

async function isKnown(db: Db, id: string): Promise<boolean> {
  const isIt = and(eq(seenOnce.digest, seenDigest('revocation_journal', id)), gte(seenOnce.expiresAt, FOR_GOOD));
  const rows = await db.select({ digest: seenOnce.digest }).from(seenOnce).where(isIt);
  return rows.length > 0;
}

async function readId(directory: string): Promise<string | undefined> {
  const text = await readFile(join(directory, ID_FILE), 'utf8').catch((error: unknown) =>
    errorCode(error) === 'ENOENT' ? undefined : unusable(directory, error),
  );
  return text?.trim();
}

/** Names a new journal. Of several that do so at the same moment all get the same name. */
async function makeId(directory: string): Promise<string> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, ID_FILE);
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    await writeFile(draft, `${randomBytes(16).toString('hex')}\n`, { mode: 0o600, flag: 'wx', flush: true });
    await link(draft, path).catch(unless('EEXIST'));
  } finally {
    await unlink(draft).catch(unless('ENOENT'));
  }
  const id = await readId(directory);
  if (id === undefined) throw new JournalError(`${path} went away: start again`);
  return id;
}

function unusable(directory: string, error: unknown): never {
  throw new JournalError(`the revocation journal cannot be in ${directory}: ${errorCode(error)}`, { cause: error });
}

function withoutIt(why: string): JournalError {
  return new JournalError(
    `the database has a revocation journal, and ${why}: bring it back, or start with COUNTERSIGN_START_WITHOUT_JOURNAL=yes-revoked-tokens-may-live`,
  );
}
