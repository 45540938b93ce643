import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { freePort } from '../setup/free-port.js';
import { MAIN, temporaryDirectory } from './command-line.js';
import { seedDataDir, startServe, untilNothingIsLeft } from './serving.js';

let copyDataDir: () => Promise<string>;
let child: ChildProcess | undefined;

beforeAll(async () => {
  copyDataDir = await seedDataDir();
});

afterEach(() => void child?.kill('SIGKILL'));

describe('serve, when nobody can read what it says,', () => {
  test.runIf(process.platform === 'linux').each([
    ['standard output and error are closed', '>&- 2>&-', 0],
    ['standard error is on a full disk', '>/dev/null 2>/dev/full', 0],
    // What a program waits for did not get through: serve works, and says at the end that this went wrong.
    ['standard output is on a full disk', '>/dev/full 2>/dev/null', 1],
  ])('works all the same: %s', async (_name, redirection, code) => {
    const dataDir = await copyDataDir();
    const port = await freePort();
    child = spawn('/bin/sh', ['-c', `exec "$0" "$1" serve --json ${redirection}`, process.execPath, MAIN], {
      cwd: temporaryDirectory(),
      env: { PATH: process.env['PATH'], PORT: String(port), LOG_LEVEL: 'debug', COUNTERSIGN_DATA_DIR: dataDir },
      stdio: 'ignore',
    });
    const ended = once(child, 'exit');
    const ready = () => fetch(`http://127.0.0.1:${port}/readyz`, { headers: { connection: 'close' } });
    await vi.waitFor(async () => expect((await ready()).status).toBe(200), { timeout: 25_000, interval: 50 });
    child.kill('SIGTERM');
    expect(await ended).toEqual([code, null]);
    await untilNothingIsLeft({ pid: child.pid ?? -1 }, dataDir);
  });

  test('goes on when its readers go away', async () => {
    const dataDir = await copyDataDir();
    const serving = await startServe({ COUNTERSIGN_DATA_DIR: dataDir, LOG_LEVEL: 'debug' });
    serving.child.stdout?.destroy();
    serving.child.stderr?.destroy();
    for (let count = 0; count < 5; count += 1) expect((await fetch(`${serving.url}/readyz`)).status).toBe(200);
    expect(await serving.stop()).toEqual({ code: 0, signal: null });
    await untilNothingIsLeft(serving, dataDir);
  });

  test('waits for no reader of its log that has stopped reading', async () => {
    const dataDir = await copyDataDir();
    const serving = await startServe({ COUNTERSIGN_DATA_DIR: dataDir, LOG_LEVEL: 'debug' });
    serving.child.stderr?.removeAllListeners('data').pause();
    // More than a pipe holds.
    const get = () => fetch(`${serving.url}/healthz`).then((response) => response.text());
    for (let count = 0; count < 60; count += 1) await Promise.all(Array.from({ length: 20 }, get));
    const exited = once(serving.child, 'exit');
    serving.child.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
    serving.child.stderr?.resume();
    await untilNothingIsLeft(serving, dataDir);
  });
});
