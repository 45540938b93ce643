import type { Command } from 'commander';
import { addCommand, exitsWith } from './command.js';
import type { RestoreFlags } from './restore.js';

interface InitFlags {
  workspace: string;
  ownerEmail: string;
  json?: true;
}

/** The commands of the machine that the service runs on. */
export function addHostCommands(program: Command): void {
  addCommand(
    program,
    'serve',
    'start the service',
    `countersign serve
PORT=0 COUNTERSIGN_DATA_DIR=/var/lib/countersign countersign serve --json`,
  )
    .addHelpText('after', '\nSIGTERM and SIGINT stop it in good order. SIGHUP renews its workers one after the other.')
    .action(onHost(async (flags: { json?: true }) => (await import('./serve.js')).runServe(flags)));

  addCommand(
    program,
    'migrate',
    'bring the database up to date',
    'DATABASE_URL=postgres://db.internal/countersign countersign migrate',
  ).action(onHost(async (flags: { json?: true }) => (await import('./migrate.js')).runMigrate(flags)));

  addCommand(
    program,
    'init',
    "make a workspace, its owner and the owner's token",
    'countersign init --workspace acme --owner-email ada@acme.example > owner.token',
  )
    .requiredOption('--workspace <slug>', 'short name of the workspace')
    .requiredOption('--owner-email <email>', 'e-mail address of its owner')
    .action(onHost(async (flags: InitFlags) => (await import('./init.js')).runInit(flags)));

  addCommand(
    program,
    'backup <target>',
    'copy the embedded database into one file, while the service runs or not',
    'countersign backup /mnt/backups',
  )
    .addHelpText(
      'after',
      '\nThe target is a new file, or a directory for a file named after the time. It holds what the database holds: no token\nthat can be used. It does not hold the keys: keep pepper and signing-keys.json of the data directory elsewhere.',
    )
    .action(
      onHost(async (target: string, flags: { json?: true }) => (await import('./backup.js')).runBackup(target, flags)),
    );

  addCommand(
    program,
    'restore <file>',
    'put a backup into the embedded database, while nobody serves it',
    'countersign restore /mnt/backups/countersign-20261124T030000Z.backup',
  )
    .option('--replace', 'put it in the place of what the database holds')
    .option('--yes', 'do not ask before replacing')
    .option('--unverified', 'do not ask who signed it: the signing keys are lost')
    .addHelpText(
      'after',
      '\nPut pepper and signing-keys.json of the service that made the backup into the data directory first.',
    )
    .action(
      onHost(async (file: string, flags: RestoreFlags) => (await import('./restore.js')).runRestore(file, flags)),
    );

  addCommand(
    program,
    'doctor',
    'check configuration, database, migrations, clock, keys and notifications',
    'countersign doctor',
  ).action(onHost(async (flags: { json?: true }) => (await import('./doctor.js')).runDoctor(flags)));
}

/** Makes an action of a command on the host: what the configuration or the database fails with gets its exit code. */
export function onHost<Args extends unknown[]>(run: (...args: Args) => Promise<number>) {
  return exitsWith(async (...args: Args) => {
    try {
      return await run(...args);
    } catch (error) {
      throw (await import('./host-error.js')).hostError(error);
    }
  });
}
