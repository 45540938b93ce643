import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import type { Readable } from 'node:stream';
import { makePipes } from './pipe.js';

/** A command that stands ready behind its gate, in a process group and session of its own. */
export interface Gate {
  readonly child: ChildProcess;
  readonly groupId: number;
  /** The command's own output, when it is piped. */
  readonly stdout: Readable | undefined;
  readonly stderr: Readable | undefined;
  /** Lets the command run. */
  open(): void;
  /** Lets the gate give up; the command never runs. */
  shut(): void;
}

// The gate waits for a word on descriptor 3. A guard that dies before it says so closes the descriptor, and the gate
// gives up. `exec` hands over the process itself, with its number, group and session.
const SCRIPT = 'read -r go <&3 || exit 77; exec 3<&-; exec "$@"';
const SHELL_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Puts a command behind a gate. Throws when no process can be made. */
export async function buildGate(command: readonly string[], env: NodeJS.ProcessEnv, isPiped: boolean): Promise<Gate> {
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
    const groupId = await startedId(child);
    const word = child.stdio[3];
    if (!word || !('write' in word)) throw new Error('the gate has no descriptor to wait on');
    word.on('error', () => undefined);
    return {
      child,
      groupId,
      stdout: out?.reader ?? child.stdout ?? undefined,
      stderr: err?.reader ?? child.stderr ?? undefined,
      open: () => void word.end('go\n'),
      shut: () => void word.destroy(),
    };
  } catch (error) {
    for (const pipe of pipes) pipe.reader.destroy();
    throw error;
  } finally {
    for (const pipe of pipes) pipe.closeWriteEnd();
  }
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
