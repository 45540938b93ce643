import { inArray } from 'drizzle-orm';
import { addDays } from '../rules/lifetime.js';
import type { Db } from './database.js';
import { JournalError } from './journal.js';
import { journalFiles } from './schema.js';

/** A file of the journal as the database knows it. */
export type KnownFile = typeof journalFiles.$inferSelect;

/** A file of the journal as it was read: what its lines begin with. */
export type ReadFiles = ReadonlyMap<string, ReadonlySet<string>>;

/** Who deletes a file that nothing was written to for so long is not asked why. */
const ASKED_DAYS = 90;

/** The files that the database knows. Read them before the files themselves, which others may be writing to. */
export function knownFiles(db: Db): Promise<KnownFile[]> {
  return db.select().from(journalFiles).orderBy(journalFiles.name);
}

/** Makes sure that no file of the journal is shorter than the database knows, or away. A journal that is longer belongs to a
 *  database that was restored from before. Throws {@link JournalError}; `isWaived` takes it as it is from now on. */
export async function requireWhole(
  db: Db,
  known: readonly KnownFile[],
  read: ReadFiles,
  isWaived: boolean,
  now: Date,
): Promise<void> {
  const lacking = known.filter(({ name, mac }) => read.get(name)?.has(mac) !== true);
  const isAsked = ({ name, writtenAt }: KnownFile) => read.has(name) || writtenAt > addDays(now, -ASKED_DAYS);
  const [first] = lacking.filter(isAsked);
  if (first !== undefined && !isWaived) {
    const fault = read.has(first.name) ? 'has lost its last lines' : 'is not there';
    throw new JournalError(
      `the database knows more of the revocation journal than there is: ${first.name} ${fault}. Bring it back, or start with COUNTERSIGN_START_WITHOUT_JOURNAL=yes-revoked-tokens-may-live`,
    );
  }
  if (lacking.length === 0) return;
  const names = lacking.map(({ name }) => name);
  await db.delete(journalFiles).where(inArray(journalFiles.name, names));
}
