import { mkdtemp, readdir, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Binaries } from './embedded-binaries.js';
import { remove, unless } from './embedded-directory.js';
import { EmbeddedError, errorCode } from './embedded-error.js';
import type { Account } from './embedded-privileges.js';
import { runToEnd, tellingLine } from './embedded-process.js';

const MAJOR = '18';
const inTheMaking = new Set<string>();
const INITDB = ['--auth=trust', '--encoding=UTF8', '--locale=C', '--username=postgres', '--no-instructions'];

/** Makes sure that `cluster` holds a database cluster of the right version. A new one is made beside it and renamed when
 *  it is whole, so that an initdb that was killed leaves nothing that looks like data. */
export async function ensureCluster(cluster: string, binaries: Binaries, account: Account): Promise<void> {
  const version = await readFile(join(cluster, 'PG_VERSION'), 'utf8').catch(unless('ENOENT'));
  const isWhole = (await contents(join(cluster, 'global'))).includes('pg_control');
  if (version !== undefined && isWhole) return refuseOtherMajor(cluster, version.trim());
  if (version !== undefined || (await contents(cluster)).length > 0) await clearHalfMade(cluster);
  await makeCluster(cluster, binaries, account);
}

function refuseOtherMajor(cluster: string, version: string): void {
  if (version === MAJOR) return;
  throw new EmbeddedError(
    `the data in ${cluster} is of PostgreSQL ${version}, this release runs ${MAJOR}: dump it with PostgreSQL ${version} and load it into an empty data directory`,
  );
}

// An initdb that did not finish has made no database but template1, which is number 1.
async function clearHalfMade(cluster: string): Promise<void> {
  const databases = (await contents(join(cluster, 'base'))).filter((name) => name !== '1');
  const names = await contents(cluster);
  if (databases.length > 0 || (names.length > 0 && !names.includes('base'))) {
    throw new EmbeddedError(`${cluster} is not a whole PostgreSQL data directory: restore it, or move it away`);
  }
  await remove(cluster);
}

async function makeCluster(cluster: string, binaries: Binaries, account: Account): Promise<void> {
  await removeAbandoned(cluster);
  const fresh = await mkdtemp(`${cluster}-new-${process.pid}-`);
  inTheMaking.add(fresh);
  try {
    await account.give(fresh);
    const made = await runToEnd(account.argv(binaries.initdb, [...INITDB, '-D', fresh]), binaries.env);
    if (made.code !== 0) {
      throw new EmbeddedError(`PostgreSQL could not make its data in ${cluster}: ${tellingLine(made.output)}`);
    }
    await rename(fresh, cluster);
  } catch (error) {
    await remove(fresh);
    // Another process was faster, which is as good.
    if (errorCode(error) !== 'ENOTEMPTY' && errorCode(error) !== 'EEXIST') throw error;
  } finally {
    inTheMaking.delete(fresh);
  }
}

// The name tells who makes it. In a container the next process often has the same id.
async function removeAbandoned(cluster: string): Promise<void> {
  const prefix = `${cluster}-new-`;
  for (const name of await contents(dirname(cluster))) {
    const path = join(dirname(cluster), name);
    if (!path.startsWith(prefix) || inTheMaking.has(path)) continue;
    const maker = Number.parseInt(path.slice(prefix.length), 10);
    if (maker === process.pid || !isAlive(maker)) await remove(path);
  }
}

/** Whether a process of that id exists, whoever owns it. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}

async function contents(directory: string): Promise<string[]> {
  return (await readdir(directory).catch(unless('ENOENT'))) ?? [];
}
