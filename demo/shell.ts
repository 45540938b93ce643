import { closeSync, openSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { type Command, commandText } from './command.js';
import type { Narrator } from './narrator.js';
import { launch, type Outcome, type Running } from './running.js';
import { StepFailed } from './step-failed.js';

/** How long a command may take that is waited for. */
const PATIENCE_MS = 30_000;
/** How long a process may take to end after SIGTERM. The service gives work in flight 10 s. */
const STOP_MS = 15_000;

export interface ShellOptions {
  /** The built command line. */
  readonly main: string;
  /** The directory in which everything happens; its `home` is the user's. */
  readonly root: string;
  readonly narrator: Narrator;
  /** Starts nothing more once it is aborted. */
  readonly signal: AbortSignal;
}

/** Runs commands as a user would, shown and as processes of their own, in an environment that has nothing of this
 *  process's but its path. */
export class Shell {
  readonly root: string;
  readonly narrator: Narrator;
  readonly #options: ShellOptions;
  readonly #running = new Set<Running>();
  #cwd: string;

  constructor(options: ShellOptions) {
    this.#options = options;
    this.root = options.root;
    this.narrator = options.narrator;
    this.#cwd = options.root;
  }

  /** The absolute path of a file of the directory that the shell is in. */
  path(name: string): string {
    return join(this.#cwd, name);
  }

  /** Goes to a directory. */
  enter(name: string): void {
    this.narrator.command(`cd ${name}`);
    this.#cwd = this.path(name);
  }

  /** Shows a command, runs it and gives how it ended. Throws {@link StepFailed} unless it exits with `code`. */
  async run(command: Command, code = 0): Promise<Outcome> {
    this.narrator.command(commandText(command));
    return this.quietly(command, code);
  }

  /** As {@link run}, without showing the command. */
  async quietly(command: Command, code = 0): Promise<Outcome> {
    const running = this.#launch(command);
    const late = setTimeout(() => running.signal('SIGKILL'), PATIENCE_MS);
    const outcome = await running.ended;
    clearTimeout(late);
    this.#options.signal.throwIfAborted();
    if (outcome.code !== code) {
      const how =
        outcome.code === null ? `was ended by a signal or took ${PATIENCE_MS / 1000} s` : `exited with ${outcome.code}`;
      throw new StepFailed(`${commandText(command)}\n     ${how}, not ${code}`, outcome.stdout + outcome.stderr);
    }
    return outcome;
  }

  /** Shows a command and starts it. */
  start(command: Command): Running {
    this.narrator.command(commandText(command));
    return this.#launch(command);
  }

  /** Ends what still runs, the latest first, so that the service outlives those who need it. */
  async close(): Promise<void> {
    for (const running of [...this.#running].reverse()) {
      running.signal('SIGTERM');
      const late = setTimeout(() => running.signal('SIGKILL'), STOP_MS);
      await running.ended;
      clearTimeout(late);
    }
  }

  #launch(command: Command): Running {
    const { program, args, env = {}, stdin, stdout } = command;
    const { main, signal } = this.#options;
    signal.throwIfAborted();
    const own = program === 'countersign';
    const files = {
      stdin: stdin === undefined ? undefined : openSync(this.path(stdin), 'r'),
      stdout: stdout === undefined ? undefined : openSync(this.path(stdout), 'w', 0o600),
    };
    const running = launch({
      name: commandText(command),
      program: own ? process.execPath : program,
      args: own ? [main, ...args] : args,
      cwd: this.#cwd,
      env: { ...this.#environment(), ...env },
      ...files,
    });
    for (const file of Object.values(files)) if (file !== undefined) closeSync(file);
    this.#running.add(running);
    void running.ended.then(() => this.#running.delete(running));
    return running;
  }

  #environment(): NodeJS.ProcessEnv {
    const { PATH = '/usr/bin:/bin', LANG, TMPDIR } = process.env;
    const home = join(this.#options.root, 'home');
    return {
      PATH: `${dirname(process.execPath)}${delimiter}${PATH}`,
      ...(LANG === undefined ? {} : { LANG }),
      ...(TMPDIR === undefined ? {} : { TMPDIR }),
      HOME: home,
      XDG_CONFIG_HOME: join(home, '.config'),
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_CONFIG_NOSYSTEM: '1',
    };
  }
}
