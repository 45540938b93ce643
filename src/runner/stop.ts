import { monotonicMs, waitUntil } from './delay.js';
import { type JobMark, type JobProcess, jobProcesses } from './descendants.js';

const POLL_MS = 25;
/** How long SIGKILL is given to take effect; a process in an uninterruptible wait may take longer. */
const KILLED_MS = 5_000;

/** What was found of a job that had to end: nothing any more, processes that are gone now, or some that could not be
 *  ended, because they are another user's. */
export type StopResult = 'empty' | 'stopped' | 'left';

/** Ends every process of a job: SIGTERM to its group and to what has left it, and SIGKILL to what is still there after
 *  `killAfterSeconds`; `kill` has the supervisor do the same. */
export async function stopJob(mark: JobMark, killAfterSeconds: number, kill: () => void): Promise<StopResult> {
  const found = jobProcesses(mark);
  if (found === undefined ? !signalGroup(mark.groupId, 0) : found.length === 0) return 'empty';
  signalJob(mark, 'SIGTERM', found);
  // A stopped process gets its SIGTERM only when it goes on.
  signalJob(mark, 'SIGCONT', found);
  await emptied(mark, killAfterSeconds * 1000, () => undefined);
  await emptied(mark, KILLED_MS, () => {
    mark.cgroup?.kill();
    kill();
    signalJob(mark, 'SIGKILL', jobProcesses(mark));
  });
  return isLiving(mark) ? 'left' : 'stopped';
}

/** Sends a signal to a process group. Gives whether it could be sent. */
export function signalGroup(groupId: number, name: NodeJS.Signals | 0): boolean {
  return signalProcess(-groupId, name);
}

// Once per process: many programs take a second SIGTERM for impatience.
function signalJob(mark: JobMark, name: NodeJS.Signals, found: readonly JobProcess[] | undefined): void {
  signalGroup(mark.groupId, name);
  for (const { pid, groupId } of found ?? []) if (groupId !== mark.groupId) signalProcess(pid, name);
}

function signalProcess(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false; // It is gone, or another user's.
  }
}

/** Waits until nothing of the job is left, at most `limitMs`. Each look first does what is asked. */
async function emptied(mark: JobMark, limitMs: number, beforeLook: () => void): Promise<void> {
  const deadlineMs = monotonicMs() + limitMs;
  while (isLiving(mark) && monotonicMs() < deadlineMs) {
    beforeLook();
    await waitUntil(monotonicMs() + POLL_MS);
  }
}

function isLiving(mark: JobMark): boolean {
  const processes = jobProcesses(mark);
  return processes === undefined ? signalGroup(mark.groupId, 0) : processes.length > 0;
}
