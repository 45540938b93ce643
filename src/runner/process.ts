import type { Writable } from 'node:stream';
import { isatty } from 'node:tty';
import { type Containment, contain } from './containment.js';
import type { Gate } from './gate.js';
import type { JobEnd } from './job-end.js';
import { Masker } from './mask.js';
import { type Output, passOutput } from './output.js';
import { type StopResult, signalGroup, stopJob } from './stop.js';
import { suspendGroup } from './terminal.js';
import { startWatchdog } from './watchdog.js';

/** A command that runs in a process group of its own and does not outlive the guard. */
export interface Job {
  readonly ended: Promise<JobEnd>;
  readonly containment: Containment;
  /** Whether the command has the guard's terminal: then Ctrl-C and Ctrl-Z reach it by themselves. */
  readonly hasTerminal: boolean;
  /** Passes a signal on to the whole group. */
  signal(name: NodeJS.Signals): void;
  /** Wakes the job after the guard was stopped with it, and gives it the terminal back. */
  resume(): void;
  /** Ends every process of the job, SIGKILL following SIGTERM by `killAfterSeconds`. */
  stop(killAfterSeconds: number): Promise<StopResult>;
  /** Lets the rest of the output out and sends the watchdog away. `outputLimitMs` bounds the wait for a reader. */
  release(outputLimitMs: number | undefined): Promise<void>;
}

export interface JobOptions {
  readonly command: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly checkId: string;
  /** The socket that goes when the guard is killed. */
  readonly hookSocket: string | undefined;
  /** The containment that it must be; without one it is the best that can be had unnoticed. */
  readonly containment: Containment | undefined;
  /** What is masked in the output; without it the command writes to the guard's own streams. */
  readonly patterns: readonly Buffer[] | undefined;
  readonly stdout: Writable;
  readonly stderr: Writable;
}

/** Starts a command behind a gate that opens only when the watchdog is on duty, so that there is no instant at which the
 *  death of the guard would leave it running. Throws when either cannot be started: then nothing runs. A command that is
 *  not found ends with 127, one that cannot be executed with 126. */
export async function startJob(options: JobOptions): Promise<Job> {
  const { gate, cgroup, containment } = await buildContained(options);
  const { ended, groupId, supervisorId } = gate;
  const outputs = passOutputs(gate, options);
  const mark = { groupId, checkId: options.checkId, supervisorId, cgroup };
  const watchdog = await startWatchdog(mark, options.hookSocket).catch(async (error: unknown) => {
    gate.shut();
    await ended;
    cgroup?.remove();
    throw error;
  });
  gate.open(cgroup?.path);
  return {
    ended,
    containment,
    hasTerminal: hasTerminal() && supervisorId !== undefined,
    signal: (name) => void signalGroup(groupId, name),
    resume: () => gate.resume(),
    stop: async (killAfterSeconds) => {
      const result = await stopJob(mark, killAfterSeconds, () => gate.kill());
      gate.kill();
      if (result !== 'left') await ended;
      return result;
    },
    release: async (outputLimitMs) => {
      await Promise.all([watchdog.leave(), gate.leave()]);
      cgroup?.remove();
      await Promise.all(outputs.map((output) => output.finish(outputLimitMs)));
    },
  };
}

async function buildContained(options: JobOptions) {
  let wake: () => void = () => undefined;
  const contained = await contain(
    {
      command: options.command,
      env: options.env,
      isPiped: options.patterns !== undefined,
      hasTerminal: hasTerminal(),
      onStopped: () => suspendGroup() || wake(),
    },
    options.checkId,
    options.containment,
  );
  wake = () => contained.gate.resume();
  return contained;
}

function hasTerminal(): boolean {
  return isatty(0);
}

function passOutputs(gate: Gate, { patterns, stdout, stderr }: JobOptions): Output[] {
  if (patterns === undefined) return [];
  const out = gate.stdout && passOutput(gate.stdout, stdout, new Masker(patterns));
  const err = gate.stderr && passOutput(gate.stderr, stderr, new Masker(patterns));
  return [out, err].filter((output) => output !== undefined);
}
