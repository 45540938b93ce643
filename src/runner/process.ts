import type { ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import type { Writable } from 'node:stream';
import { buildGate, type Gate } from './gate.js';
import { Masker } from './mask.js';
import { type Output, passOutput } from './output.js';
import { type StopResult, signalGroup, stopJob } from './stop.js';
import { startWatchdog } from './watchdog.js';

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

/** A command that runs in a process group of its own and does not outlive the guard. */
export interface Job {
  readonly ended: Promise<JobEnd>;
  /** Passes a signal on to the whole group. */
  signal(name: NodeJS.Signals): void;
  /** Ends every process of the job, SIGKILL following SIGTERM by `killAfterSeconds`. */
  stop(killAfterSeconds: number): Promise<StopResult>;
  /** Lets the rest of the output out and sends the watchdog away. `outputLimitMs` bounds the wait for a reader. */
  release(outputLimitMs: number | undefined): Promise<void>;
}

export interface JobOptions {
  readonly command: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly checkId: string;
  /** What is masked in the output; without it the command writes to the guard's own streams. */
  readonly patterns: readonly Buffer[] | undefined;
  readonly stdout: Writable;
  readonly stderr: Writable;
}

/** Starts a command behind a gate that opens only when the watchdog is on duty, so that there is no instant at which the
 *  death of the guard would leave it running. Throws when either cannot be started: then nothing runs. A command that is
 *  not found ends with 127, one that cannot be executed with 126. */
export async function startJob(options: JobOptions): Promise<Job> {
  const gate = await buildGate(options.command, options.env, options.patterns !== undefined);
  const ended = endOf(gate.child);
  const outputs = passOutputs(gate, options);
  const mark = { groupId: gate.groupId, checkId: options.checkId };
  const watchdog = await startWatchdog(mark).catch(async (error: unknown) => {
    gate.shut();
    await ended;
    throw error;
  });
  gate.open();
  return {
    ended,
    signal: (name) => void signalGroup(gate.groupId, name),
    stop: async (killAfterSeconds) => {
      const result = await stopJob(mark, killAfterSeconds);
      if (result !== 'left') await ended;
      return result;
    },
    release: async (outputLimitMs) => {
      await watchdog.leave();
      await Promise.all(outputs.map((output) => output.finish(outputLimitMs)));
    },
  };
}

/** The exit code by which a shell tells of an end: the command's own, or 128 and the number of the signal. */
export function exitCodeOf(end: JobEnd): number {
  if (end.exitCode !== null) return end.exitCode;
  return 128 + (end.signal === undefined ? 0 : constants.signals[end.signal]);
}

function endOf(child: ChildProcess): Promise<JobEnd> {
  return new Promise((resolve) => {
    child.once('exit', (exitCode, signal) => resolve({ kind: 'ended', exitCode, signal: signal ?? undefined }));
  });
}

function passOutputs(gate: Gate, { patterns, stdout, stderr }: JobOptions): Output[] {
  if (patterns === undefined) return [];
  const out = gate.stdout && passOutput(gate.stdout, stdout, new Masker(patterns));
  const err = gate.stderr && passOutput(gate.stderr, stderr, new Masker(patterns));
  return [out, err].filter((output) => output !== undefined);
}
