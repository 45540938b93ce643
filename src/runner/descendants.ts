import { readdirSync, readFileSync } from 'node:fs';
import type { Cgroup } from './cgroup.js';

/** How the processes of a job are told from others: the group and session that its command leads; the check's id, which
 *  every process inherits in its environment; the supervisor, whose children they are or become; and the control group
 *  that they are in. */
export interface JobMark {
  readonly groupId: number;
  readonly checkId: string;
  readonly supervisorId?: number | undefined;
  readonly cgroup?: Cgroup | undefined;
}

export interface JobProcess {
  readonly pid: number;
  readonly groupId: number;
}

interface ProcessFacts extends JobProcess {
  readonly parentId: number;
  readonly belongs: boolean;
}

/** The living processes of a job, from `/proc`: its group, its session, whatever carries its check id, its supervisor's
 *  children, its control group, and the children of all these. Gives `undefined` where there is no `/proc`. A process that
 *  has left group and session, lost its parent and cleared its environment is found by supervisor and control group only. */
export function jobProcesses(mark: JobMark): JobProcess[] | undefined {
  const processes = readProcesses(mark);
  if (processes === undefined) return undefined;
  const inCgroup = mark.cgroup?.processIds() ?? [];
  const found = new Set([...processes.filter((one) => one.belongs).map((one) => one.pid), ...inCgroup]);
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    for (const one of processes) if (found.has(one.parentId)) found.add(one.pid);
  }
  return processes.filter((one) => found.has(one.pid) && one.pid !== process.pid);
}

function readProcesses(mark: JobMark): ProcessFacts[] | undefined {
  if (process.platform !== 'linux') return undefined;
  const names = readText(() => readdirSync('/proc').join('\n'))?.split('\n');
  return names?.filter((name) => /^\d+$/.test(name)).flatMap((pid) => readProcess(Number(pid), mark));
}

function readProcess(pid: number, mark: JobMark): ProcessFacts[] {
  const stat = readText(() => readFileSync(`/proc/${pid}/stat`, 'latin1'));
  // The name in parentheses may hold anything, so the fields are counted from the last parenthesis.
  const [state, parent, group, session] = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
  if (state === undefined || state === 'Z' || state === 'X') return [];
  const isOfGroup = Number(group) === mark.groupId || Number(session) === mark.groupId;
  const belongs = isOfGroup || Number(parent) === mark.supervisorId || carriesCheckId(pid, mark.checkId);
  return [{ pid, groupId: Number(group), parentId: Number(parent), belongs }];
}

function carriesCheckId(pid: number, checkId: string): boolean {
  const environ = readText(() => readFileSync(`/proc/${pid}/environ`, 'latin1'));
  return environ?.split('\0').includes(`COUNTERSIGN_CHECK_ID=${checkId}`) ?? false;
}

// A process may be gone or another user's by the time it is read: then there is nothing to know of it.
function readText(read: () => string): string | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
