import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { TestContext } from 'vitest';
import type { ExecFlags } from '../../src/cli/exec.js';
import { type GuardOptions, runGuard } from '../../src/runner/guard.js';
import { allow, json, newCheckId, type ScriptedService, scriptedService, TOKEN } from './scripted-service.js';

/** Takes down what is written and tells when a text has come. */
export class Sink extends Writable {
  #bytes: Buffer = Buffer.alloc(0);
  readonly #waiting: { wanted: string; resolve: () => void }[] = [];

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    for (const one of this.#waiting) if (this.#bytes.includes(one.wanted)) one.resolve();
    done();
  }

  get text(): string {
    return this.#bytes.toString();
  }

  shows(wanted: string): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ wanted, resolve });
      if (this.text.includes(wanted)) resolve();
    });
  }
}

/** What `countersign exec` takes where no flag says otherwise. */
export const UNLESS_SAID = {
  passTokenAs: undefined,
  killAfterSeconds: 10,
  graceSeconds: 60,
  silenceSeconds: 30,
  isMasked: true,
  statusFile: undefined,
  isJson: false,
} as const;

/** A guard in this process, over a scripted service. */
export function guard(
  service: { url: string },
  over: Partial<GuardOptions> & Pick<GuardOptions, 'command'>,
  run: typeof runGuard = runGuard,
) {
  const stdout = new Sink();
  const stderr = new Sink();
  const options: GuardOptions = {
    url: service.url,
    token: TOKEN,
    workflow: 'tests',
    scopes: ['codex:exec'],
    context: {},
    env: { PATH: process.env['PATH'], COUNTERSIGN_TOKEN: TOKEN },
    ...UNLESS_SAID,
    ...over,
  };
  return { stdout, stderr, exitCode: run(options, { stdout, stderr }) };
}

export interface GuardProcess {
  readonly process: ChildProcess;
  readonly stdout: Sink;
  readonly stderr: Sink;
  readonly ended: Promise<{ code: number | null; signal: string | null }>;
}

const DRIVER = fileURLToPath(new URL('driver.mjs', import.meta.url));

/** What starts a guard as a process of its own. */
export function guardArguments(
  service: Pick<ScriptedService, 'url'>,
  flags: Partial<ExecFlags>,
  command: readonly string[],
) {
  const given = JSON.stringify({ workflow: 'tests', ...flags });
  return {
    path: process.execPath,
    args: [DRIVER, given, ...command],
    env: { PATH: process.env['PATH'], COUNTERSIGN_URL: service.url, COUNTERSIGN_TOKEN: TOKEN },
  };
}

/** A guard as a process of its own. */
export function guardProcess(
  service: Pick<ScriptedService, 'url'>,
  flags: Partial<ExecFlags>,
  command: readonly string[],
  env: NodeJS.ProcessEnv = {},
): GuardProcess {
  const start = guardArguments(service, flags, command);
  const child = spawn(start.path, start.args, { env: { ...start.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
  const stdout = new Sink();
  const stderr = new Sink();
  child.stdout.pipe(stdout);
  child.stderr.pipe(stderr);
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal }));
  return { process: child, stdout, stderr, ended };
}

/** Resolves when a process is gone, a zombie counting as gone. Rejects after 25 seconds. */
export async function gone(pid: number): Promise<void> {
  await eventually(() => !isLiving(pid) || undefined);
}

/** Looks until there is something to be seen, and gives it. Rejects after 25 seconds. */
export async function eventually<T>(look: () => T | undefined): Promise<T> {
  const deadline = Date.now() + 25_000;
  for (;;) {
    const found = look();
    if (found !== undefined) return found;
    if (Date.now() > deadline) throw new Error('it did not come to pass');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export function isLiving(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return false;
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}

/** The first number behind a word in a text. */
export function numberAfter(word: string, text: string): number {
  return Number(new RegExp(`${word} (\\d+)`).exec(text)?.[1]);
}

/** What a test that runs beside others needs: a service that allows under a check id of its own, a server that must never
 *  be asked, and a directory. */
export async function ground(onTestFinished: TestContext['onTestFinished']) {
  const [service, elsewhere] = await Promise.all([scriptedService(), scriptedService()]);
  const directory = mkdtempSync(join(tmpdir(), 'guard-test-'));
  onTestFinished(async () => {
    await Promise.all([service.close(), elsewhere.close()]);
    rmSync(directory, { recursive: true, maxRetries: 10 });
  });
  const checkId = newCheckId();
  service.check = (response) => json(response, 200, allow({ check_id: checkId }));
  return { service, elsewhere, directory, checkId, trace: join(directory, 'trace') };
}
