import { timingSafeEqual } from 'node:crypto';
import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { unless } from './embedded-directory.js';
import { ENDING_ACTIONS, type Ending } from './endings.js';
import { JOURNAL_START, JOURNAL_SUFFIX, JournalError, journalKey, lineMac } from './journal.js';
import type { ReadFiles } from './journal-files.js';
import type { Pepper } from './secret.js';

const head = z.object({ kid: z.string() });
const ending = z.object({
  workspace: z.string(),
  seq: z.int().min(1),
  hash: z.string(),
  at: z.iso.datetime(),
  action: z.enum(ENDING_ACTIONS),
  target: z.string(),
  until: z.iso.datetime().optional(),
});

/** What a journal holds. */
export interface ReadJournal {
  readonly endings: readonly Ending[];
  readonly files: ReadFiles;
}

/** Reads all endings of a journal, in no order but that of each process. A line that a crash cut off at the end of a file is
 *  passed over. Throws {@link JournalError} for a file that was cut or changed anywhere else, and for one whose pepper is
 *  not at hand; with `isWaived` it does without such a file. */
export async function readJournal(
  directory: string,
  peppers: readonly Pepper[],
  isWaived: boolean,
): Promise<ReadJournal> {
  const names = (await readdir(directory).catch(unless('ENOENT'))) ?? [];
  const endings: Ending[] = [];
  const files = new Map<string, ReadonlySet<string>>();
  for (const name of names.filter((one) => one.endsWith(JOURNAL_SUFFIX)).sort()) {
    const path = join(directory, name);
    try {
      const file = await readOne(path, peppers);
      files.set(name, file.macs);
      for (const one of file.endings) endings.push(one);
    } catch (error) {
      if (!isWaived || !(error instanceof JournalError)) throw error;
    }
  }
  return { endings, files };
}

async function readOne(path: string, peppers: readonly Pepper[]): Promise<OneFile> {
  if (!(await lstat(path)).isFile()) throw new JournalError(`${path} is not a file of the revocation journal`);
  const content = await readFile(path, 'utf8');
  // What is behind the last line feed was never answered.
  const [first, ...lines] = content.split('\n').slice(0, -1);
  if (first === undefined) return { endings: [], macs: new Set() };
  const told = head.safeParse(jsonOf(first.slice(65)));
  const pepper = told.success ? peppers.find(({ kid }) => kid === told.data.kid) : undefined;
  if (!told.success) throw brokenAt(path, 1);
  if (pepper === undefined) {
    throw new JournalError(`${path} needs the pepper ${JSON.stringify(told.data.kid)}: give it as an older one`);
  }
  const key = journalKey(pepper);
  let mac = nextMac(key, JOURNAL_START, first) ?? fail(path, 1);
  const macs = new Set([mac]);
  const endings = lines.map((line, at) => {
    mac = nextMac(key, mac, line) ?? fail(path, at + 2);
    macs.add(mac);
    const parsed = ending.safeParse(jsonOf(line.slice(65)));
    return parsed.success ? parsed.data : fail(path, at + 2);
  });
  return { endings, macs };
}

interface OneFile {
  readonly endings: readonly Ending[];
  readonly macs: ReadonlySet<string>;
}

function nextMac(key: Buffer, previous: string, line: string): string | undefined {
  const mac = lineMac(key, previous, line.slice(65));
  const said = Buffer.from(line.slice(0, 65), 'utf8');
  const right = Buffer.from(`${mac} `, 'utf8');
  return said.length === right.length && timingSafeEqual(said, right) ? mac : undefined;
}

function fail(path: string, line: number): never {
  throw brokenAt(path, line);
}

function brokenAt(path: string, line: number): JournalError {
  return new JournalError(`${path} was cut or changed: line ${line} does not continue what is before it`);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
