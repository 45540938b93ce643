import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import type { Readable } from 'node:stream';
import type { JobEnd } from './job-end.js';
import { makePipes } from './pipe.js';

/** A command that stands ready behind its gate, in a process group of its own. */
export interface Gate {
  readonly groupId: number;
  /** The supervisor that is the command's parent, if it has one. */
  readonly supervisorId: number | undefined;
  readonly ended: Promise<JobEnd>;
  /** The command's own output, when it is piped. */
  readonly stdout: Readable | undefined;
  readonly stderr: Readable | undefined;
  /** Lets the command run. A supervisor is told the control group that it is in. */
  open(cgroup: string | undefined): void;
  /** Lets the gate give up; the command never runs. */
  shut(): void;
  /** Has the supervisor kill whatever descends from it. */
  kill(): void;
  /** Wakes a command that was stopped on the terminal and gives it the terminal back. */
  resume(): void;
  /** Sends the supervisor away; what is left of the job goes first. */
  leave(): Promise<void>;
}

export interface GateOptions {
  readonly command: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly isPiped: boolean;
  /** Whether the guard has a terminal that the command is to keep. Only a supervisor can let it. */
  readonly hasTerminal: boolean;
  readonly onStopped: () => void;
}

// The gate waits for a word on descriptor 3. A guard that dies before it says so closes the descriptor, and the gate
// gives up. `exec` hands over the process itself, with its number, group and session.
const SCRIPT = 'read -r go <&3 || exit 77; exec 3<&-; exec "$@"';
const SHELL_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Puts a command behind a gate that is a plain shell, in a session of its own. Throws when no process can be made. */
export async function buildGate({ command, env, isPiped }: GateOptions): Promise<Gate> {
  const pipes = isPiped ? await makePipes() : [];
  const [out, err] = pipes;
  const fallback = isPiped ? 'pipe' : 'inherit';
  const shell = shellFor(env);
  try {
    const child = spawn(shell.path, [...shell.flags, '-c', SCRIPT, 'countersign', ...command], {
      detached: true,
      env,
      stdio: ['inherit', out?.writeFd ?? fallback, err?.writeFd ?? fallback, 'pipe'],
    });
    const ended = endOf(child);
    const groupId = await startedId(child);
    const word = child.stdio[3];
    if (!word || !('write' in word)) throw new Error('the gate has no descriptor to wait on');
    word.on('error', () => undefined);
    return {
      groupId,
      supervisorId: undefined,
      ended,
      stdout: out?.reader ?? child.stdout ?? undefined,
      stderr: err?.reader ?? child.stderr ?? undefined,
      open: () => void word.end('go\n'),
      shut: () => void word.destroy(),
      kill: () => undefined,
      resume: () => undefined,
      leave: () => Promise.resolve(),
    };
  } catch (error) {
    for (const pipe of pipes) pipe.reader.destroy();
    throw error;
  } finally {
    for (const pipe of pipes) pipe.closeWriteEnd();
  }
}

function endOf(child: ChildProcess): Promise<JobEnd> {
  return new Promise((resolve) => {
    child.once('exit', (exitCode, signal) => resolve({ kind: 'ended', exitCode, signal: signal ?? undefined }));
  });
}

function startedId(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('spawn', () => (child.pid === undefined ? reject(new Error('no process')) : resolve(child.pid)));
  });
}

/** The plain shell drops variables whose names are none to it (`INPUT_MY-NAME`, exported functions); bash passes them
 *  on, `-p` keeping it from reading anything at its start. */
function shellFor(env: NodeJS.ProcessEnv): { path: string; flags: string[] } {
  const bash = Object.keys(env).every((name) => SHELL_NAME.test(name))
    ? undefined
    : ['/bin/bash', '/usr/bin/bash', '/usr/local/bin/bash'].find(isExecutable);
  return bash === undefined ? { path: '/bin/sh', flags: [] } : { path: bash, flags: ['-p'] };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
