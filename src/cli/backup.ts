import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Config, readConfig } from '../config.js';
import { openHost } from '../host.js';
import { createSigner } from '../http/jwt.js';
import { type Keys, readKeys } from '../keys.js';
import { copyOut } from '../store/backup.js';
import { isClusterMade } from '../store/embedded.js';
import { saveBackup } from './backup-file.js';
import { HostRefusal } from './host-refusal.js';
import { printJson, say } from './output.js';
import { printable } from './printable.js';
import { UsageError } from './usage-error.js';

/** `backup`: one file with all that the embedded database holds at one moment. The service may run meanwhile. */
export async function runBackup(target: string, flags: { json?: true }): Promise<number> {
  const config = readConfig(process.env);
  requireEmbedded(config);
  if (!(await isClusterMade(config.dataDir))) throw noDatabase(config);
  const keys = await requireKeys(config);
  const path = await fileAt(resolve(target));
  const host = await openHost(config, 'visit');
  try {
    const signer = await createSigner(keys.signingKeys);
    const saved = await saveBackup(path, signer, (write) => copyOut(host.options, write)).catch((error: unknown) => {
      throw cannotWrite(path, error);
    });
    if (saved === undefined) throw noDatabase(config);
    const { contents, bytes } = saved;
    const rows = contents.tables.reduce((sum, table) => sum + table.rows, 0);
    if (flags.json) printJson({ file: path, at: contents.at.toISOString(), bytes, rows });
    else {
      say(`Wrote ${printable(path)}: ${rows} rows as of ${contents.at.toISOString()}, ${bytes} bytes.`);
      say(`It does not hold the keys: keep pepper and signing-keys.json of ${printable(config.dataDir)} elsewhere.`);
    }
    return 0;
  } finally {
    await host.close();
  }
}

/** Refuses where the database is one's own. */
export function requireEmbedded({ databaseUrl }: Config): void {
  if (databaseUrl === undefined) return;
  throw new UsageError(
    'DATABASE_URL names a PostgreSQL of your own, which has its own means (pg_dump, pg_basebackup, snapshots): this command is for the embedded database',
  );
}

/** The keys of the service, which are never made here. */
export async function requireKeys(config: Config): Promise<Keys> {
  const keys = await readKeys(config);
  if (keys !== undefined) return keys;
  throw new HostRefusal(
    'no_keys',
    `the keys are not there: put pepper and signing-keys.json of the service into ${config.dataDir}, or set COUNTERSIGN_PEPPER and COUNTERSIGN_SIGNING_KEYS`,
  );
}

async function fileAt(path: string): Promise<string> {
  const isDirectory = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isDirectory) return path;
  return join(path, `countersign-${new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '')}.backup`);
}

function noDatabase({ dataDir }: Config): HostRefusal {
  return new HostRefusal('no_database', `there is no database in ${dataDir}`);
}

// Of the operating system, not of the database.
function cannotWrite(path: string, error: unknown): unknown {
  const isOfFile = error instanceof Error && 'syscall' in error && 'code' in error && !('address' in error);
  return isOfFile ? new HostRefusal('not_written', `${path} cannot be written (${error.code})`) : error;
}
