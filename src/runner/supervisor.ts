import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { Duplex } from 'node:stream';
import type { Gate, GateOptions } from './gate.js';
import { endOfStatus, type JobEnd, KILLED_WITH_SUPERVISOR } from './job-end.js';
import { makePipes } from './pipe.js';
import { SUPERVISOR_SCRIPT } from './supervisor-script.js';

/** The number of `prctl` on Linux, where the supervisor can be run. */
const PRCTL: Partial<Record<NodeJS.Architecture, number>> = {
  x64: 157,
  arm64: 167,
  riscv64: 167,
  loong64: 167,
  arm: 172,
  ia32: 172,
  s390x: 172,
  ppc64: 171,
};
const PERLS = ['/usr/bin/perl', '/bin/perl', '/usr/local/bin/perl'];
const BEAT_MS = 1_000;

/** What runs the supervisor: a perl, and the number of `prctl` on this architecture. */
export interface Interpreter {
  readonly perl: string;
  readonly prctl: number;
}

/** What runs the supervisor here, if anything does: Linux with perl, which Debian and Ubuntu always have. */
export function findInterpreter(): Interpreter | undefined {
  const prctl = process.platform === 'linux' ? PRCTL[process.arch] : undefined;
  const perl = PERLS.find((path) => existsSync(path));
  return prctl === undefined || perl === undefined ? undefined : { perl, prctl };
}

/** Puts a command behind a gate, as the child of a supervisor from which none of its descendants gets away. With
 *  `hasTerminal` the command keeps the guard's terminal, in a process group of its own; `onStopped` is told when it was
 *  stopped there. Throws when there is no supervisor to be had. */
export async function buildSupervisedGate(options: GateOptions): Promise<Gate> {
  const interpreter = findInterpreter();
  if (interpreter === undefined) throw new Error('there is no perl');
  const { command, env, isPiped, hasTerminal } = options;
  const pipes = isPiped ? await makePipes() : [];
  const [out, err] = pipes;
  const fallback = isPiped ? 'pipe' : 'inherit';
  try {
    const argv = ['-e', SUPERVISOR_SCRIPT, String(interpreter.prctl), hasTerminal ? '1' : '0', ...command];
    const child = spawn(interpreter.perl, argv, {
      detached: !hasTerminal,
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
      stdio: ['inherit', out?.writeFd ?? fallback, err?.writeFd ?? fallback, 'pipe'],
    });
    const talk = new Talk(child, options);
    talk.say(environmentBlock(env));
    const groupId = await talk.leaderUp;
    return {
      groupId,
      supervisorId: child.pid,
      ended: talk.ended,
      stdout: out?.reader ?? child.stdout ?? undefined,
      stderr: err?.reader ?? child.stderr ?? undefined,
      open: (cgroup) => talk.open(cgroup),
      shut: () => void talk.close(),
      kill: () => talk.kill(),
      resume: () => talk.say('fg\n'),
      leave: () => talk.close(),
    };
  } catch (error) {
    for (const pipe of pipes) pipe.reader.destroy();
    throw error;
  } finally {
    for (const pipe of pipes) pipe.closeWriteEnd();
  }
}

/** What guard and supervisor say to each other. */
class Talk {
  readonly leaderUp: Promise<number>;
  readonly ended: Promise<JobEnd>;
  readonly #child: ChildProcess;
  readonly #channel: Duplex;
  readonly #gone: Promise<void>;
  #beat: NodeJS.Timeout | undefined;
  #isKilling = false;

  constructor(child: ChildProcess, { onStopped }: GateOptions) {
    let up: (pid: number) => void = () => undefined;
    let down: (error: Error) => void = () => undefined;
    let end: (end: JobEnd) => void = () => undefined;
    this.leaderUp = new Promise((resolve, reject) => {
      up = resolve;
      down = reject;
    });
    this.ended = new Promise((resolve) => {
      end = resolve;
    });
    this.#gone = new Promise((resolve) => {
      child.once('exit', () => {
        down(new Error('the supervisor did not come up'));
        end(KILLED_WITH_SUPERVISOR);
        resolve();
      });
    });
    child.once('error', down);
    this.#child = child;
    this.#channel = channelOf(child);
    onLine(this.#channel, (line) => {
      const [word, number] = line.split(' ');
      if (word === 'up') up(Number(number));
      if (word === 'end') end(endOfStatus(Number(number)));
      if (word === 'stopped') onStopped();
    });
  }

  say(text: string | Buffer): void {
    if (this.#channel.writable) this.#channel.write(text);
  }

  open(cgroup: string | undefined): void {
    this.say(cgroup === undefined ? 'go\n' : `go ${cgroup}\n`);
    this.#beat = setInterval(() => this.say('beat\n'), BEAT_MS);
    void this.#gone.then(() => clearInterval(this.#beat));
  }

  /** Once: the supervisor tries for seconds. It may have been stopped, by the job for one. */
  kill(): void {
    if (!this.#isKilling) this.say('kill\n');
    this.#isKilling = true;
    this.#child.kill('SIGCONT');
  }

  /** Lets the supervisor kill what is left, and waits until it is gone. */
  async close(): Promise<void> {
    clearInterval(this.#beat);
    this.#channel.destroy();
    this.#child.kill('SIGCONT');
    await this.#gone;
  }
}

function channelOf(child: ChildProcess): Duplex {
  const channel = child.stdio[3];
  if (!(channel instanceof Duplex)) throw new Error('the supervisor cannot be talked to');
  channel.on('error', () => undefined);
  return channel;
}

function onLine(channel: Duplex, take: (line: string) => void): void {
  let rest = '';
  channel.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) take(line);
  });
}

function environmentBlock(env: NodeJS.ProcessEnv): Buffer {
  const block = Buffer.from(
    Object.entries(env)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${name}=${value}\0`)
      .join(''),
  );
  return Buffer.concat([Buffer.from(`${block.length}\n`), block]);
}
