import { readConfig } from '../config.js';
import { type Host, openHost } from '../host.js';
import { createSigner } from '../http/jwt.js';
import type { Keys } from '../keys.js';
import { migrateDatabase } from '../store/migrate.js';
import { copyIn, isEmpty, notEmpty, RestoreError } from '../store/restore.js';
import { requireEmbedded, requireKeys } from './backup.js';
import { type OpenedBackup, openBackup } from './backup-file.js';
import { confirm } from './confirm.js';
import { HostRefusal } from './host-refusal.js';
import { printJson, say } from './output.js';
import { printable } from './printable.js';
import { UsageError } from './usage-error.js';

export interface RestoreFlags {
  replace?: true;
  yes?: true;
  unverified?: true;
  json?: true;
}

/** `restore`: puts a backup into the embedded database, whole or not at all, while nobody serves it. */
export async function runRestore(path: string, flags: RestoreFlags): Promise<number> {
  const config = readConfig(process.env);
  requireEmbedded(config);
  const keys = flags.unverified ? undefined : await requireKeys(config);
  return await asRefusals(async () => {
    const backup = await open(path, keys);
    try {
      const host = await openHost(config, 'serve');
      try {
        return await restore(host, backup, flags);
      } finally {
        await host.close();
      }
    } finally {
      await backup.close();
    }
  });
}

async function restore(host: Host, backup: OpenedBackup, flags: RestoreFlags): Promise<number> {
  const { at } = backup.manifest;
  await migrateDatabase(host.direct, new Date());
  const replaces = !(await isEmpty(host.options));
  if (replaces && !flags.replace) throw notEmpty();
  const question = `Everything that is in the database now is replaced by the backup of ${at.toISOString()}.`;
  if (replaces && !flags.yes && !(await confirm(question, 'replace'))) {
    throw new HostRefusal('not_confirmed', 'nothing was restored');
  }
  const { workspaces, rows } = await copyIn(host.direct, backup, { replaces, now: new Date() });
  if (flags.json) printJson({ at: at.toISOString(), rows, workspaces });
  else {
    say(`Restored ${rows} rows as of ${at.toISOString()}: ${workspaces.map(printable).join(', ')}.`);
    say('The next start ends again what ended after that, as far as the revocation journal tells.');
  }
  return 0;
}

async function open(path: string, keys: Keys | undefined): Promise<OpenedBackup> {
  const signer = keys && (await createSigner(keys.signingKeys));
  return await openBackup(path, signer).catch((error: unknown) => {
    if (!(error instanceof Error && 'syscall' in error && 'code' in error)) throw error;
    throw new UsageError(`${printable(path)} cannot be read (${error.code})`);
  });
}

async function asRefusals<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof RestoreError) throw new HostRefusal(error.kind, error.message);
    throw error;
  }
}
