import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

const PREFIX = 'countersign-job-';
/** Far longer than a guard takes to fill a group that it has made. */
const STALE_MS = 3_600_000;

/** A control group (version 2) that holds one job, however its processes fork, and ends it at one stroke. */
export interface Cgroup {
  readonly path: string;
  /** Puts a process in, and with it whatever it starts from then on. */
  take(pid: number): void;
  processIds(): number[];
  kill(): void;
  /** Removes the group. It must be empty. */
  remove(): void;
}

/** Makes a control group below the guard's own. Gives `undefined` where the guard may not: a group that is not delegated
 *  to it, a read-only file system in a container, version 1, a kernel before 5.14. */
export function makeCgroup(name: string): Cgroup | undefined {
  const parent = process.platform === 'linux' ? ownPath() : undefined;
  if (parent === undefined) return undefined;
  removeStale(parent);
  const path = join(parent, PREFIX + name);
  try {
    mkdirSync(path);
  } catch {
    return undefined;
  }
  if (!existsSync(join(path, 'cgroup.kill'))) {
    removeBelow(path);
    return undefined;
  }
  return {
    path,
    take: (pid) => writeFileSync(join(path, 'cgroup.procs'), String(pid)),
    processIds: () => processIdsBelow(path),
    kill: () => attempt(() => writeFileSync(join(path, 'cgroup.kill'), '1')),
    remove: () => removeBelow(path),
  };
}

/** Where the guard's own group of version 2 is, as this mount namespace sees it. */
function ownPath(): string | undefined {
  const own = readLines('/proc/self/cgroup')
    .find((line) => line.startsWith('0::'))
    ?.slice(3);
  const mount = readLines('/proc/self/mountinfo')
    .map((line) => ({ fields: line.split(' '), isVersion2: line.includes(' - cgroup2 ') }))
    .find((one) => one.isVersion2);
  const [, , , root, point] = mount?.fields ?? [];
  if (own === undefined || root === undefined || point === undefined || own.includes('..')) return undefined;
  const isBelow = root === '/' || own === root || own.startsWith(`${root}/`);
  return isBelow ? join(point, root === '/' ? own : own.slice(root.length)) : undefined;
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n');
  } catch {
    return [];
  }
}

// The job may have made groups of its own below.
function processIdsBelow(path: string): number[] {
  const own = readLines(join(path, 'cgroup.procs'))
    .filter((line) => line !== '')
    .map(Number);
  return [...own, ...directoriesIn(path).flatMap(processIdsBelow)];
}

function removeBelow(path: string): void {
  for (const below of directoriesIn(path)) removeBelow(below);
  attempt(() => rmdirSync(path));
}

function directoriesIn(path: string): string[] {
  try {
    const entries = readdirSync(path, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map((entry) => join(path, entry.name));
  } catch {
    return [];
  }
}

// A guard that is killed with all that guards its job leaves an empty group. One with processes in it cannot be removed.
function removeStale(parent: string): void {
  for (const path of directoriesIn(parent)) {
    if (basename(path).startsWith(PREFIX) && ageMs(path) > STALE_MS) attempt(() => rmdirSync(path));
  }
}

function ageMs(path: string): number {
  return Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
}

// It may be gone already, with all that was in it.
function attempt(act: () => void): void {
  try {
    act();
  } catch {
    // Nothing is left to do.
  }
}
