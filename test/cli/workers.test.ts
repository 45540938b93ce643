import { readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { createClient } from '../../src/sdk/index.js';
import { freePort } from '../setup/free-port.js';
import {
  leftOf,
  postmasterOf,
  type Serving,
  seedDataDir,
  spawnServe,
  startServe,
  untilNothingIsLeft,
} from './serving.js';

let copyDataDir: () => Promise<string>;

beforeAll(async () => {
  copyDataDir = await seedDataDir();
});

describe('workers', () => {
  test('share one port, what one revokes is dead for all, and each gives the figures of all', async () => {
    const { serving } = await start(3);
    const owner = await serving.owner();
    await vi.waitFor(() => answeringWorkers(serving).then((count) => expect(count).toBe(3)), 25_000);
    await owner.workflows.put('nightly', { allowed_scopes: ['repo:*'] });
    for (let round = 0; round < 5; round += 1) {
      const minted = await owner.tokens.mint({ workflow: 'nightly', scopes: ['repo:read'], expires_in_days: 7 });
      const isActive = async () => (await owner.introspect(minted.token)).active;
      expect(new Set(await Promise.all(Array.from({ length: 12 }, isActive)))).toEqual(new Set([true]));
      await owner.tokens.revoke(minted.id, { reason: 'leaked' });
      expect(new Set(await Promise.all(Array.from({ length: 24 }, isActive)))).toEqual(new Set([false]));
    }
    for (const figures of await Promise.all(Array.from({ length: 6 }, () => figuresOf(serving)))) {
      expect(figures).toMatchObject({
        'countersign_introspections_total{active="true"}': 60,
        'countersign_introspections_total{active="false"}': 120,
        'countersign_tokens_total{act="minted"}': 5,
        countersign_watches: 0,
      });
      expect(figures).not.toHaveProperty('process_start_time_seconds');
    }
    expect(await serving.stop()).toEqual({ code: 0, signal: null });
    await untilNothingIsLeft(serving);
  });

  test('that are killed are replaced on the same port, all at once too, and no data is lost, nor does a figure fall', async () => {
    const { serving, dataDir } = await start(2);
    const owner = await serving.owner();
    await owner.workflows.put('nightly', { allowed_scopes: ['repo:*'] });
    const served = 'countersign_http_request_seconds_count{method="GET",route="/healthz",status="200"}';
    for (const victims of [1, 2]) {
      const before = await workersOf(serving);
      await answeringWorkers(serving);
      const { [served]: counted = 0 } = await figuresOf(serving);
      expect(counted).toBeGreaterThanOrEqual(24);
      if (victims === 1) {
        // One that hangs holds nobody up: what is handed to it fails with its end.
        for (const pid of before.slice(0, 1)) process.kill(pid, 'SIGSTOP');
        const asked = Array.from({ length: 4 }, () => figuresOf(serving));
        expect(await Promise.any(asked)).toMatchObject({ [served]: counted });
      }
      for (const pid of before.slice(0, victims)) process.kill(pid, 'SIGKILL');
      await untilWorkers(
        serving,
        (now) => now.length === 2 && now.filter((pid) => !before.includes(pid)).length === victims,
      );
      await vi.waitFor(() => answeringWorkers(serving).then((count) => expect(count).toBe(2)), 25_000);
      expect(await owner.workflows.show('nightly')).toMatchObject({ label: 'nightly' });
      const { [served]: after = 0 } = await figuresOf(serving);
      expect(after).toBeGreaterThanOrEqual(counted + 24);
    }
    expect(await serving.stop('SIGINT')).toEqual({ code: 0, signal: null });
    await untilNothingIsLeft(serving, dataDir);
  });

  test.each(['SIGINT', 'SIGTERM'] as const)('all stop when %s reaches the whole group', async (signal) => {
    const { serving, dataDir } = await start(2);
    process.kill(-serving.pid, signal);
    expect(await serving.ended).toEqual({ code: 0, signal: null });
    await untilNothingIsLeft(serving, dataDir);
  });

  test('go with their primary, and PostgreSQL too, when that is killed', async () => {
    const { serving, dataDir } = await start(2);
    await serving.stop('SIGKILL');
    await untilNothingIsLeft(serving, dataDir);
  });

  test('find PostgreSQL again when that was killed', async () => {
    const { serving, dataDir } = await start(2);
    const owner = await serving.owner();
    process.kill(await postmasterOf(dataDir), 'SIGKILL');
    await vi.waitFor(() => owner.me(), { timeout: 25_000, interval: 50 });
    expect(await serving.stop()).toEqual({ code: 0, signal: null });
    await untilNothingIsLeft(serving, dataDir);
  });

  test('that cannot listen stop the start, in one line', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((listening) => other.once('listening', listening));
    onTestFinished(() => void other.close());
    const { port } = other.address() as AddressInfo;
    const dataDir = await copyDataDir();
    const starting = spawnServe({ COUNTERSIGN_DATA_DIR: dataDir, COUNTERSIGN_WORKERS: '2', PORT: String(port) });
    expect(await starting.ended).toEqual({ code: 69, signal: null });
    expect(starting.stderr()).toMatch(
      /^\{"error":\{"kind":"unreachable","detail":"cannot listen on .*: it is in use.*\n$/,
    );
    await untilNothingIsLeft(starting, dataDir);
  });
});

describe('SIGHUP', () => {
  test('renews the workers one after the other, and no request is lost, in the figures neither', async () => {
    const { serving, dataDir } = await start(2);
    const { token } = await (await serving.owner()).me();
    const first = await workersOf(serving);
    let isOver = false;
    let answered = 0;
    onTestFinished(() => {
      isOver = true;
    });
    // One connection a request: an idle one may end at any time, as it always may.
    const client = createClient({
      url: serving.url,
      token: (await readFile(serving.tokenFile ?? '', 'utf8')).trim(),
      fetch: (input, init) => fetch(input, { ...init, headers: { ...headersOf(init), connection: 'close' } }),
    });
    const stream = async () => {
      while (!isOver) {
        expect(await client.tokens.show(token.id)).toMatchObject({ id: token.id });
        answered += 1;
      }
    };
    const streams = [1, 2, 3, 4].map(stream);
    for (let round = 0; round < 2; round += 1) {
      const old = await workersOf(serving);
      serving.child.kill('SIGHUP');
      await untilWorkers(serving, (now) => now.length === 2 && now.every((pid) => !old.includes(pid)));
      // The new ones are asked, too.
      const before = answered;
      await vi.waitFor(() => expect(answered).toBeGreaterThan(before + streams.length), 25_000);
    }
    isOver = true;
    await Promise.all(streams);
    const shown = 'countersign_http_request_seconds_count{method="GET",route="/v1/tokens/{id}",status="200"}';
    await vi.waitFor(async () => expect(await figuresOf(serving)).toMatchObject({ [shown]: answered }), 25_000);
    expect((await workersOf(serving)).filter((pid) => first.includes(pid))).toEqual([]);
    expect(await serving.stop()).toEqual({ code: 0, signal: null });
    await untilNothingIsLeft(serving, dataDir);
  }, 90_000);

  test('leaves the old workers at work when a new one does not start', async () => {
    const { serving, dataDir } = await start(2);
    const before = await workersOf(serving);
    await writeFile(`${dataDir}/pepper`, 'damaged');
    serving.child.kill('SIGHUP');
    await vi.waitFor(() => expect(serving.stderr()).toContain('the old ones go on'), 25_000);
    expect((await workersOf(serving)).sort()).toEqual(before.sort());
    expect(await (await serving.owner()).me()).toMatchObject({ role: 'owner' });
    expect(await serving.stop()).toEqual({ code: 0, signal: null });
    await untilNothingIsLeft(serving, dataDir);
  });

  test('during the stop renews nobody', async () => {
    const { serving, dataDir } = await start(2);
    serving.child.kill('SIGHUP');
    serving.child.kill('SIGTERM');
    expect(await serving.ended).toEqual({ code: 0, signal: null });
    await untilNothingIsLeft(serving, dataDir);
    expect(await readdir(`${dataDir}/postgres`)).not.toContain('postmaster.pid');
  });
});

async function start(workers: number): Promise<{ serving: Serving; dataDir: string }> {
  const dataDir = await copyDataDir();
  const env = {
    COUNTERSIGN_DATA_DIR: dataDir,
    COUNTERSIGN_WORKERS: String(workers),
    LOG_LEVEL: 'debug',
    // Of a port of 0 the primary lets go again before its workers listen.
    PORT: String(await freePort()),
  };
  return { serving: await startServe(env), dataDir };
}

async function workersOf(serving: Serving): Promise<number[]> {
  const pids = (await leftOf(serving)).map((line) => Number.parseInt(line.trim(), 10));
  return pids.filter((pid) => pid !== serving.pid);
}

async function untilWorkers(serving: Serving, isReached: (workers: number[]) => boolean): Promise<void> {
  await vi.waitFor(async () => expect(isReached(await workersOf(serving))).toBe(true), {
    timeout: 25_000,
    interval: 50,
  });
}

/** How many workers answer: the log says who did. */
async function answeringWorkers(serving: Serving): Promise<number> {
  const from = serving.stderr().length;
  const get = () => fetch(`${serving.url}/healthz`, { headers: { connection: 'close' } });
  await Promise.all(Array.from({ length: 24 }, get));
  const lines = serving
    .stderr()
    .slice(from)
    .split('\n')
    .filter((line) => line.includes('"answered"'));
  return new Set(lines.map((line) => JSON.parse(line).pid)).size;
}

/** What `/metrics` says, by series. */
async function figuresOf(serving: Serving): Promise<Record<string, number>> {
  const answer = await fetch(`${serving.url}/metrics`, { headers: { connection: 'close' } });
  expect(answer.status).toBe(200);
  const lines = (await answer.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(lines.map((line) => [line.replace(/ \S+$/, ''), Number(line.split(' ').at(-1))]));
}

function headersOf(init: RequestInit | undefined): Record<string, string> {
  return Object.fromEntries(new Headers(init?.headers));
}
