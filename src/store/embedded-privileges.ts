import { chown, stat } from 'node:fs/promises';
import { userInfo } from 'node:os';
import type { Binaries } from './embedded-binaries.js';
import { EmbeddedError, errorCode } from './embedded-error.js';
import { type Finished, runToEnd, tellingLine } from './embedded-process.js';

/** Who PostgreSQL runs as. It refuses to run as root. */
export interface Account {
  /** The argv that runs a program as this account. */
  argv(program: string, args: readonly string[]): readonly string[];
  /** Makes a file or directory that this process made the account's. */
  give(path: string): Promise<void>;
}

const NOBODY = 65_534;

/** Finds a way to run PostgreSQL in a directory, and tries it. As an ordinary user that is plainly. As root it is a
 *  user namespace in which root is called nobody; where namespaces are off, or another user's directory is used, it is
 *  the directory's owner (else nobody) with the one capability to pass through directories. Throws
 *  {@link EmbeddedError} when none works. */
export async function findAccount(directory: string, binaries: Binaries): Promise<Account> {
  const faults: string[] = [];
  for (const account of await candidates(directory)) {
    const answer = await tryOut(account, directory, binaries);
    if (answer.code === 0) return account;
    faults.push(tellingLine(answer.output));
  }
  const advice = process.getuid?.() === 0 ? 'run as an ordinary user, or set DATABASE_URL' : 'set DATABASE_URL';
  throw new EmbeddedError(`the embedded PostgreSQL cannot run here (${faults.at(-1)}): ${advice}`);
}

async function candidates(directory: string): Promise<readonly Account[]> {
  if (process.getuid?.() !== 0) return isKnownUser() ? [plain] : [renamed, plain];
  const owner = await stat(directory);
  return owner.uid === 0 ? [renamed, steppedDown(NOBODY, NOBODY)] : [steppedDown(owner.uid, owner.gid)];
}

// `--version` shows that the program can be reached and executed and finds its libraries; only on a half-open path does it
// print more than that.
async function tryOut(account: Account, directory: string, binaries: Binaries): Promise<Finished> {
  const script = 'cd "$2" && exec "$1" --version';
  const argv = account.argv('sh', ['-c', script, 'sh', binaries.postgres, directory]);
  const answer = await runToEnd(argv, binaries.env);
  return answer.code === 0 && !/^postgres \(PostgreSQL\) /.test(answer.output) ? { ...answer, code: 1 } : answer;
}

const plain: Account = { argv: (program, args) => [program, ...args], give: async () => undefined };

// The files stay root's outside of the namespace.
const renamed: Account = {
  argv: (program, args) => [
    'unshare',
    '--user',
    `--map-user=${NOBODY}`,
    `--map-group=${NOBODY}`,
    '--',
    program,
    ...args,
  ],
  give: async () => undefined,
};

// The data directory is closed to everybody else, and so may be what is above it.
function steppedDown(uid: number, gid: number): Account {
  const capability = '+dac_override';
  return {
    argv: (program, args) => [
      'setpriv',
      `--reuid=${uid}`,
      `--regid=${gid}`,
      '--clear-groups',
      `--inh-caps=${capability}`,
      `--ambient-caps=${capability}`,
      '--',
      program,
      ...args,
    ],
    give: (path) => chown(path, uid, gid),
  };
}

// initdb insists that its user has a name, which in a container is not always so.
function isKnownUser(): boolean {
  try {
    return userInfo().username !== '';
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return false;
  }
}
