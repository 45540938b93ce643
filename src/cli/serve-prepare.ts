import { access, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config.js';
import type { Host } from '../host.js';
import type { Keys } from '../keys.js';
import { openDatabase } from '../store/database.js';
import { openJournal } from '../store/journal.js';
import { knownFiles, requireWhole } from '../store/journal-files.js';
import { readJournal } from '../store/journal-read.js';
import { replayJournal } from '../store/journal-replay.js';
import { requireJournal } from '../store/journal-start.js';
import { migrateDatabase } from '../store/migrate.js';
import { createSecrets } from '../store/secret.js';
import { createWorkspace, listWorkspaces } from '../store/workspaces.js';
import { say } from './output.js';

const FIRST_WORKSPACE = { slug: 'default', ownerEmail: 'owner@countersign.local' };

/** Brings the database up to this release. On an empty embedded one makes the first workspace, and writes its owner's
 *  token to a file. Gives the file's path, if there is one. */
export async function prepareDatabase(config: Config, host: Host, keys: Keys): Promise<string | null> {
  await migrateDatabase(host.direct, new Date());
  await replay(config, host, keys);
  return firstToken(config, host, keys);
}

/** Ends again what a restored backup does not know to have ended. */
async function replay(config: Config, host: Host, keys: Keys): Promise<void> {
  const { revocationJournal, startsWithoutJournal } = config;
  const journal = revocationJournal === undefined ? undefined : openJournal(revocationJournal, keys.peppers[0]);
  const database = openDatabase(host.options, journal);
  try {
    await requireJournal(database.db, revocationJournal, startsWithoutJournal);
    if (revocationJournal === undefined) return;
    const now = new Date();
    const known = await knownFiles(database.db);
    const { endings, files } = await readJournal(revocationJournal, keys.peppers, startsWithoutJournal);
    await requireWhole(database.db, known, files, startsWithoutJournal, now);
    const count = await replayJournal(database.db, endings, now);
    if (count > 0)
      say(`The database did not know of ${count} endings in the revocation journal: they are in effect again.`);
  } finally {
    await database.close();
    await journal?.close();
  }
}

async function firstToken(config: Config, host: Host, keys: Keys): Promise<string | null> {
  if (host.embedded === undefined) return null;
  const path = join(config.dataDir, 'owner.token');
  const database = openDatabase(host.options);
  try {
    if ((await listWorkspaces(database.db)).length === 0) {
      const signIn = await createWorkspace(database.db, createSecrets(keys.peppers), FIRST_WORKSPACE, new Date());
      if (signIn) await writeWhole(path, `${signIn.printed}\n`);
    }
  } finally {
    await database.close();
  }
  return access(path).then(
    () => path,
    () => null,
  );
}

// Whole or not at all, and 0600 also where an older file was open to others.
async function writeWhole(path: string, text: string): Promise<void> {
  const draft = `${path}.new`;
  await writeFile(draft, text, { mode: 0o600, flush: true });
  await rename(draft, path);
}
