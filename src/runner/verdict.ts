import { randomUUID } from 'node:crypto';
import { renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { ExecReason } from '../sdk/index.js';
import type { Containment } from './containment.js';
import { exitCodeOf, type JobEnd, NEVER_STARTED } from './job-end.js';
import type { NotAllowed } from './permission.js';
import type { RightEnd } from './watch.js';

/** What the guard has to say at the end, as `--status-file` and `--json` show it. Members are added, never changed.
 *  - `unfinished`: the guard has not come to an end; what is found when it was killed
 *  - `refused`: the service said no, nothing was started (77)
 *  - `unreachable`: the service could not be asked, nothing was started (69)
 *  - `not_started`: the service said yes and the command could not be started (126)
 *  - `ran`: the command came to its own end
 *  - `stopped`: the guard ended the command, because the right to run ended (77) or nobody could say whether it had (69) */
export interface Verdict {
  readonly verdict: 'unfinished' | 'refused' | 'unreachable' | 'not_started' | 'ran' | 'stopped';
  readonly check_id: string | null;
  /** The command's own exit code; `null` when it never ran or a signal ended it. */
  readonly exit_code: number | null;
  /** The signal that ended the command. */
  readonly signal: string | null;
  readonly reasons: readonly ExecReason[];
  /** What held the job's processes; `null` when there were none. */
  readonly containment: Containment | null;
  /** What the guard itself exits with; `null` while unfinished. */
  readonly guard_exit_code: number | null;
}

/** The verdict of a guard that is still at work. */
export const UNFINISHED: Verdict = {
  verdict: 'unfinished',
  check_id: null,
  exit_code: null,
  signal: null,
  reasons: [],
  containment: null,
  guard_exit_code: null,
};

/** How a run came out. `rightEnd` is why the guard stopped the command; without it the command came to its own end. */
export interface Outcome {
  readonly containment: Containment | null;
  readonly end: JobEnd;
  readonly rightEnd: RightEnd | undefined;
}

const EXIT_CODES: Record<RightEnd['kind'], number> = { unreachable: 69, refused: 77 };

/** The verdict when the service's answer was anything but a yes. */
export function verdictOfNo(permission: NotAllowed): Verdict {
  const { kind, reasons } = permission;
  const check_id = (kind === 'refused' ? permission.checkId : undefined) ?? null;
  return { ...UNFINISHED, verdict: kind, check_id, reasons, guard_exit_code: EXIT_CODES[kind] };
}

/** The verdict when no process could be made. */
export function verdictOfNoStart(check_id: string, error: Error): Verdict {
  const reasons = [{ code: 'not_started', detail: error.message }];
  return { ...UNFINISHED, verdict: 'not_started', check_id, reasons, guard_exit_code: exitCodeOf(NEVER_STARTED) };
}

/** The verdict when the command ran. */
export function verdictOfRun(check_id: string, { end, rightEnd, containment }: Outcome): Verdict {
  return {
    verdict: rightEnd ? 'stopped' : 'ran',
    check_id,
    exit_code: end.exitCode,
    signal: end.signal ?? null,
    reasons: rightEnd ? [rightEnd.reason] : [],
    containment,
    guard_exit_code: rightEnd ? EXIT_CODES[rightEnd.kind] : exitCodeOf(end),
  };
}

/** Writes a verdict to a file that only its owner reads. A reader sees the old one or the new one, never a part. Throws
 *  when it cannot be written. */
export function writeVerdict(path: string, verdict: Verdict): void {
  // A rename would put the file in the place of a device or a pipe.
  if (!(statSync(path, { throwIfNoEntry: false })?.isFile() ?? true)) throw new Error(`${path} is not a regular file`);
  const draft = `${path}.${randomUUID()}.tmp`;
  try {
    writeFileSync(draft, `${JSON.stringify(verdict)}\n`, { mode: 0o600, flag: 'wx' });
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
}
