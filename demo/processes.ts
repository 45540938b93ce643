import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

/** A process that is alive. `traces` is all that tells where it belongs: its command line, and on Linux its directory and
 *  environment. */
interface LivingProcess {
  readonly pid: number;
  readonly groupId: number;
  readonly traces: string;
}

const POLL_MS = 2;

/** Waits until no process of a group is alive. Gives when that was seen, on the monotonic clock. */
export async function untilGroupEnds(groupId: number, signal: AbortSignal): Promise<number> {
  while (livingProcesses().some((one) => one.groupId === groupId)) await pause(POLL_MS, undefined, { signal });
  return performance.now();
}

/** The processes that have a directory in their command line, working directory or environment. */
export function processesAt(directory: string): number[] {
  return livingProcesses()
    .filter(({ pid, traces }) => pid !== process.pid && traces.includes(directory))
    .map(({ pid }) => pid);
}

function livingProcesses(): LivingProcess[] {
  return process.platform === 'linux' ? fromProc() : fromPs();
}

function fromProc(): LivingProcess[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.flatMap((pid) => {
    const stat = readable(() => readFileSync(`/proc/${pid}/stat`, 'latin1'));
    // The name in parentheses may hold anything, so the fields are counted from the last parenthesis.
    const [state = 'X', , group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (stat === '' || state === 'Z' || state === 'X') return [];
    const traces = [
      readable(() => readFileSync(`/proc/${pid}/cmdline`, 'latin1')),
      readable(() => readFileSync(`/proc/${pid}/environ`, 'latin1')),
      readable(() => readlinkSync(`/proc/${pid}/cwd`)),
    ];
    return [{ pid: Number(pid), groupId: Number(group), traces: traces.join('\n') }];
  });
}

function fromPs(): LivingProcess[] {
  const { stdout } = spawnSync('ps', ['-A', '-ww', '-o', 'pid=,pgid=,stat=,args='], { encoding: 'utf8' });
  return stdout.split('\n').flatMap((line) => {
    const [, pid, group, state, traces = ''] = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    return pid === undefined || state?.startsWith('Z') ? [] : [{ pid: Number(pid), groupId: Number(group), traces }];
  });
}

// A process may be gone or another user's by the time it is read: then there is nothing to know of it.
function readable(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}
