import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** A process as /proc tells of it. */
export interface ProcessStat {
  readonly pid: number;
  readonly parentId: number;
  readonly name: string;
  readonly isAlive: boolean;
  /** User and system time of all its threads, and of its ended children. */
  readonly cpuSeconds: number;
}

/** CPU time of a server and of the PostgreSQL below it, in seconds. */
export interface CpuTime {
  readonly server: number;
  readonly database: number;
}

/** The cores of a run: the server has one, the load generator and PostgreSQL the other. */
export const CORES = { server: '0', load: '1' };

// The unit of /proc/<pid>/stat on Linux, whatever the kernel's own tick is.
const TICKS_PER_SECOND = 100;
const PAGE_BYTES = 4096;

/** One process; `undefined` when it is gone. */
export function readProcess(pid: number): ProcessStat | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  // The name in parentheses may hold anything, so the fields are counted from the last parenthesis.
  const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0);
  return {
    pid,
    parentId: Number(fields[1]),
    name,
    isAlive: fields[0] !== 'Z' && fields[0] !== 'X',
    cpuSeconds: ticks / TICKS_PER_SECOND,
  };
}

/** A process and all below it. */
export function treeOf(pid: number): ProcessStat[] {
  const all = readdirSync('/proc').flatMap((name) => {
    const found = /^\d+$/.test(name) ? readProcess(Number(name)) : undefined;
    return found === undefined ? [] : [found];
  });
  const tree = all.filter((one) => one.pid === pid);
  for (const one of tree) tree.push(...all.filter(({ parentId }) => parentId === one.pid));
  return tree;
}

/** The CPU time that was used so far below a process. */
export function cpuTimeOf(pid: number): CpuTime {
  const tree = treeOf(pid);
  const sum = (isDatabase: boolean) =>
    tree.filter((one) => isPostgres(one) === isDatabase).reduce((total, one) => total + one.cpuSeconds, 0);
  return { server: sum(false), database: sum(true) };
}

/** Resident memory of a server and its workers, without PostgreSQL, in bytes. */
export function residentBytesOf(pid: number): number {
  return treeOf(pid)
    .filter((one) => !isPostgres(one))
    .reduce((total, one) => total + residentBytes(one.pid), 0);
}

/** The PostgreSQL that a process started. */
export function postmasterOf(pid: number): number | undefined {
  return treeOf(pid).find((one) => isPostgres(one) && one.parentId === pid)?.pid;
}

/** Puts every PostgreSQL process below a process on the load's core. New backends inherit it. */
export function pinPostgres(pid: number): void {
  for (const one of treeOf(pid).filter(isPostgres)) {
    spawnSync('taskset', ['-a', '-c', '-p', CORES.load, String(one.pid)], { stdio: 'ignore' });
  }
}

function isPostgres({ name }: ProcessStat): boolean {
  return name === 'postgres';
}

function residentBytes(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')[1]) * PAGE_BYTES;
  } catch {
    return 0;
  }
}
