import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { JobMark } from './descendants.js';

/** Kills a job when the guard is gone, however it went. */
export interface Watchdog {
  /** Sends the watchdog away; the job is not its concern any more. Resolves when it is gone. */
  leave(): Promise<void>;
}

// The guard holds the other end of standard input and nobody else does. A word means "leave"; the end of the stream
// without a word means that the guard is dead. A supervisor that was stopped goes on and does the same work. The second pass gets what was forked during the first.
const SCRIPT = `
trap '' HUP INT TERM
echo up
read -r word && exit
[ -z "$5" ] || kill -s CONT "$5"
[ -z "$3" ] || echo 1 > "$3/cgroup.kill"
for pass in 1 2 3; do
  kill -s KILL -- "-$1"
  for file in $(grep -ls "COUNTERSIGN_CHECK_ID=$2" /proc/[0-9]*/environ); do
    pid=\${file#/proc/}
    kill -s KILL "\${pid%/environ}"
  done
done
[ -z "$4" ] || { rm -f "$4"; rmdir "\${4%/*}"; }
for pass in 1 2 3 4 5 6 7 8 9; do
  [ -d "$3" ] || exit
  rmdir "$3" || sleep 0.2
done`;

/** Starts a watchdog over a job and resolves when it is on duty. Should the guard die, it also takes away the guard's
 *  socket for hooks. One that is killed is replaced; when that fails, the job is killed rather than left without one.
 *  Throws when the first cannot be started. */
export async function startWatchdog(mark: JobMark, hookSocket: string | undefined): Promise<Watchdog> {
  let isLeaving = false;
  const first = await startOne(mark, hookSocket);
  let current: Promise<ChildProcess | undefined> = Promise.resolve(first);

  const replaceWhenKilled = (watchdog: ChildProcess) => {
    watchdog.once('exit', () => {
      if (isLeaving) return;
      current = startOne(mark, hookSocket).catch(() => undefined);
      void current.then((next) => (next === undefined ? killGroup(mark.groupId) : replaceWhenKilled(next)));
    });
  };

  replaceWhenKilled(first);
  return {
    async leave() {
      isLeaving = true;
      const watchdog = await current;
      if (watchdog === undefined || watchdog.exitCode !== null || watchdog.signalCode !== null) return;
      const gone = once(watchdog, 'exit');
      watchdog.stdin?.end('leave\n');
      await gone;
    },
  };
}

function killGroup(groupId: number): void {
  try {
    process.kill(-groupId, 'SIGKILL');
  } catch {
    // It is gone already.
  }
}

/** In a session of its own, so that what ends the guard's terminal or group does not end the watchdog first. Its
 *  environment is empty but for the path: no secret, and no mark that would make it part of the job. */
async function startOne(mark: JobMark, hookSocket: string | undefined): Promise<ChildProcess> {
  const { groupId, checkId, cgroup, supervisorId } = mark;
  const rest = [cgroup?.path, hookSocket, supervisorId].map((one) => String(one ?? ''));
  const argv = ['-c', SCRIPT, 'countersign-watchdog', String(groupId), checkId, ...rest];
  const watchdog = spawn('/bin/sh', argv, {
    detached: true,
    cwd: '/',
    env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin' },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  watchdog.stdin?.on('error', () => undefined);
  await new Promise((resolve, reject) => {
    watchdog.once('error', reject);
    watchdog.once('exit', () => reject(new Error('the watchdog did not come up')));
    watchdog.stdout?.once('data', resolve);
  });
  return watchdog;
}
