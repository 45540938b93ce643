import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The built command, or the one that `CLI_UNDER_TEST` names. */
export const MAIN =
  process.env['CLI_UNDER_TEST'] ?? fileURLToPath(new URL('../../dist/bin/countersign.js', import.meta.url));

/** What a command did. */
export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Circumstances {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly input?: string | Buffer;
  readonly cwd?: string;
}

const directories: string[] = [];

/** Removes what the tests of a file have made. */
export function removeTemporaryDirectories(): void {
  for (const path of directories.splice(0)) rmSync(path, { recursive: true, force: true });
}

/** A directory that is gone after the file's tests, wherever in them it is made. */
export function temporaryDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), 'countersign-cli-'));
  directories.push(path);
  return path;
}

/** A user of the built command line: nothing of this process's environment but `PATH`, a home of its own. */
export function commandLine(home: string) {
  return async (
    args: readonly string[],
    { env = {}, input = '', cwd = home }: Circumstances = {},
  ): Promise<Outcome> => {
    const child = spawn(process.execPath, [MAIN, ...args], {
      cwd,
      env: { PATH: process.env['PATH'], HOME: home, XDG_CONFIG_HOME: join(home, 'config'), ...env },
      stdio: 'pipe',
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (piece) => stdout.push(piece));
    child.stderr.on('data', (piece) => stderr.push(piece));
    // A command that does not read its input closes it early.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    return { code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() };
  };
}
