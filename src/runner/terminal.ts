import { readFileSync } from 'node:fs';

interface Standing {
  readonly parentId: number;
  readonly groupId: number;
  readonly sessionId: number;
}

/** Stops the guard and all of its process group, as Ctrl-Z does, so that the shell that started them has the terminal
 *  again. Gives `false`, and stops nothing, where there is no such shell: nobody would wake them. */
export function suspendGroup(): boolean {
  if (!hasShellAbove(process.pid)) return false;
  process.kill(0, 'SIGSTOP');
  return true;
}

// POSIX calls a group without such a parent orphaned.
function hasShellAbove(pid: number): boolean {
  const own = standingOf(pid);
  const parent = own && standingOf(own.parentId);
  if (own === undefined || parent === undefined || parent.sessionId !== own.sessionId) return false;
  return parent.groupId !== own.groupId || hasShellAbove(own.parentId);
}

function standingOf(pid: number): Standing | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const [, parent, group, session] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { parentId: Number(parent), groupId: Number(group), sessionId: Number(session) };
  } catch {
    return undefined;
  }
}
