import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { printId } from '../../src/rules/format.js';
import { addDays } from '../../src/rules/lifetime.js';
import { type Database, openDatabase } from '../../src/store/database.js';
import { type Journal, openJournal } from '../../src/store/journal.js';
import { knownFiles, requireWhole } from '../../src/store/journal-files.js';
import { readJournal } from '../../src/store/journal-read.js';
import { copyIn } from '../../src/store/restore.js';
import { createSecrets } from '../../src/store/secret.js';
import { createWorkspace, setSuspended } from '../../src/store/workspaces.js';
import { copyDatabase } from '../setup/copied.js';
import { createTestDatabase, type TestDatabase } from '../setup/database.js';

const PEPPER = { kid: 'p1', key: randomBytes(32) };
const NOW = new Date();

let database: TestDatabase;
let directory: string;
let processes: { readonly journal: Journal; readonly db: Database }[];

beforeEach(async () => {
  database = await createTestDatabase();
  directory = mkdtempSync(join(tmpdir(), 'countersign-journal-'));
  processes = [startProcess(), startProcess()];
  const secrets = createSecrets([PEPPER], { memoryCost: 1024, timeCost: 2 });
  await createWorkspace(
    processes[0]?.db.db as Database['db'],
    secrets,
    { slug: 'acme', ownerEmail: 'a@b.example' },
    NOW,
  );
});
afterEach(async () => {
  for (const { journal, db } of processes) {
    await db.close();
    await journal.close();
  }
  await database.drop();
  rmSync(directory, { recursive: true });
});

/** One of those that share the database and the directory. */
function startProcess() {
  const journal = openJournal(directory, PEPPER);
  return { journal, db: openDatabase(database.options, journal) };
}

function processOf(at: number) {
  const process = processes[at];
  if (process === undefined) throw new Error('there are two');
  return process;
}

/** Puts an ending on record in the file of a process. */
async function endIn(at: number): Promise<void> {
  const { db } = processOf(at);
  await setSuspended(db.db, 'acme', true, NOW);
  await setSuspended(db.db, 'acme', false, NOW);
}

/** What a start does before it replays. */
async function start({ isWaived = false, now = NOW } = {}): Promise<void> {
  const { db } = processOf(0);
  const known = await knownFiles(db.db);
  const { files } = await readJournal(directory, [PEPPER], isWaived);
  await requireWhole(db.db, known, files, isWaived, now);
}

const files = () => readdirSync(directory).map((name) => join(directory, name));
const first = () => files()[0] ?? '';
const last = () => files().at(-1) ?? '';
const cutLine = (file: string) => writeFileSync(file, readFileSync(file, 'utf8').replace(/[^\n]*\n$/, ''));

test.each<[string, () => void, RegExp]>([
  ['has lost its last line', () => cutLine(first()), /\.journal has lost its last lines\. Bring it back, or/],
  [
    'has lost all lines but the first',
    () => {
      cutLine(last());
      cutLine(last());
    },
    /has lost its last lines/,
  ],
  ['was emptied', () => writeFileSync(first(), ''), /has lost its last lines/],
  ['was deleted', () => rmSync(last()), /\.journal is not there\. Bring it back, or/],
])(
  'a file of one of several processes that %s stops the start, unless told so in so many words',
  async (_, change, said) => {
    for (const at of [0, 1, 1, 0]) await endIn(at);
    await start();
    expect(files()).toHaveLength(2);
    change();
    await expect(start()).rejects.toThrow(said);
    await expect(start()).rejects.toMatchObject({ name: 'JournalError' });
    await start({ isWaived: true });
    // Told once: what is there now is what there is.
    await start();
  },
);

test('a journal that is longer than the database knows, and files that it does not know, are those of a later time', async () => {
  await endIn(0);
  const backup = await copyDatabase(database.options);
  await endIn(0);
  await endIn(1);
  await copyIn(database.options, backup, { replaces: true, now: NOW });
  await start();
  // Shorter than the restored database knows is still too short.
  for (const file of files()) writeFileSync(file, '');
  await expect(start()).rejects.toThrow(/has lost its last lines/);
});

test('who deletes a file that nothing was written to for 90 days is not asked why', async () => {
  await endIn(0);
  rmSync(first());
  await expect(start({ now: addDays(NOW, 89) })).rejects.toThrow(/is not there/);
  await start({ now: addDays(NOW, 91) });
  await start();
});

test('a line that is on the disk and was never answered is nothing that a file is too long for', async () => {
  await endIn(0);
  const { journal } = processOf(0);
  const ending = {
    workspace: printId('ws', '00000000-0000-7000-8000-000000000001' as never),
    seq: 1,
    hash: 'a',
  } as const;
  await journal.append([{ ...ending, at: NOW.toISOString(), action: 'token.revoked', target: 'tok_1' }]);
  await start();
  await endIn(0);
  await start();
});
