import { constants } from 'node:os';

/** How a command ended: with a code from 0 to 255, or by a signal. */
export interface JobEnd {
  readonly kind: 'ended';
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | undefined;
}

/** What stands for the end of a command that could not be started: the code of shells for that. */
export const NEVER_STARTED: JobEnd = { kind: 'ended', exitCode: 126, signal: undefined };

/** What stands for the end of a command that could not be ended. */
export const UNKNOWN_END: JobEnd = { kind: 'ended', exitCode: null, signal: undefined };

/** What stands for the end of a command whose supervisor was killed: the kernel killed the command with it. */
export const KILLED_WITH_SUPERVISOR: JobEnd = { kind: 'ended', exitCode: null, signal: 'SIGKILL' };

/** The exit code by which a shell tells of an end: the command's own, or 128 and the number of the signal. */
export function exitCodeOf(end: JobEnd): number {
  if (end.exitCode !== null) return end.exitCode;
  return 128 + (end.signal === undefined ? 0 : constants.signals[end.signal]);
}

/** The end that a wait status (POSIX `waitpid`) tells of. */
export function endOfStatus(status: number): JobEnd {
  const number = status & 127;
  if (number === 0) return { kind: 'ended', exitCode: status >> 8, signal: undefined };
  const name = Object.keys(constants.signals)
    .filter(isSignal)
    .find((one) => constants.signals[one] === number);
  return { kind: 'ended', exitCode: null, signal: name };
}

function isSignal(name: string): name is NodeJS.Signals {
  return Object.hasOwn(constants.signals, name);
}
