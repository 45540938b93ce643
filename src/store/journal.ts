import { createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Ending } from './endings.js';
import type { Pepper } from './secret.js';

/** How far a process has come with its file: `mac` begins the last line that is on the disk. */
export interface JournalPosition {
  readonly file: string;
  readonly mac: string;
}

/** Puts endings on record outside of the database. */
export interface Journal {
  /** Resolves when they are on the disk. Rejects with {@link JournalError} when they are not: they are kept, and written with
   *  the next ones. */
  append(endings: readonly Ending[]): Promise<JournalPosition | undefined>;
  /** Writes what could not be written before. Gives `undefined` when that is nothing. */
  settle(): Promise<JournalPosition | undefined>;
  close(): Promise<void>;
}

/** Why the revocation journal cannot be written or read. One line for a person. */
export class JournalError extends Error {
  override readonly name = 'JournalError';
}

/** What the first line of a file continues. */
export const JOURNAL_START = 'countersign revocation journal 1';
export const JOURNAL_SUFFIX = '.journal';

/** Opens a journal in a directory. Each process writes a file of its own there, which is made with its first ending. Its
 *  lines are chained by an HMAC under a key that is derived from the pepper. */
export function openJournal(directory: string, pepper: Pepper): Journal {
  const key = journalKey(pepper);
  let file: JournalFile | undefined;
  let mac = JOURNAL_START;
  let waiting: Ending[] = [];
  let turn: Promise<unknown> = Promise.resolve();

  function line(document: object): string {
    const text = JSON.stringify(document);
    mac = lineMac(key, mac, text);
    return `${mac} ${text}\n`;
  }

  async function write(): Promise<JournalPosition | undefined> {
    const endings = waiting;
    if (endings.length === 0) return undefined;
    try {
      const isNew = file === undefined;
      if (isNew) mac = JOURNAL_START;
      file ??= await openFile(directory);
      const head = isNew ? line({ kid: pepper.kid, host: hostname(), pid: process.pid }) : '';
      await file.handle.writeFile(head + endings.map(line).join(''));
      await file.handle.datasync();
      waiting = waiting.slice(endings.length);
      return { file: file.name, mac };
    } catch (error) {
      // Nobody knows how much of it is there: the file stays as it is, and the next attempt begins another.
      await file?.handle.close().catch(() => undefined);
      file = undefined;
      throw new JournalError(`the revocation journal in ${directory} cannot be written`, { cause: error });
    }
  }

  function settle(): Promise<JournalPosition | undefined> {
    if (waiting.length === 0) return Promise.resolve(undefined);
    const mine = turn.then(write);
    turn = mine.catch(() => undefined);
    return mine;
  }

  return {
    append: (endings) => {
      // A new list: one that is being written stays what it was.
      waiting = [...waiting, ...endings];
      return settle();
    },
    settle,
    close: async () => {
      await turn;
      await file?.handle.close();
      file = undefined;
    },
  };
}

/** The key of a journal. */
export function journalKey(pepper: Pepper): Buffer {
  return Buffer.from(hkdfSync('sha256', pepper.key, '', 'countersign revocation journal', 32));
}

/** What a line begins with: lower-case hex. */
export function lineMac(key: Buffer, previous: string, text: string): string {
  return createHmac('sha256', key).update(`${previous}\n${text}`, 'utf8').digest('hex');
}

interface JournalFile {
  readonly name: string;
  readonly handle: FileHandle;
}

async function openFile(directory: string): Promise<JournalFile> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const host = hostname().replaceAll(/[^A-Za-z0-9.-]/g, '_');
  const name = `${host}-${process.pid}-${randomBytes(8).toString('hex')}${JOURNAL_SUFFIX}`;
  const handle = await open(join(directory, name), 'ax', 0o600);
  const folder = await open(directory, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
  return { name, handle };
}
