import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { connect as connectSocket, type Socket } from 'node:net';
import { join } from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { generateSigningKey } from '../../src/http/jwt.js';
import { connect } from '../../src/store/connect.js';
import { createTestDatabase } from '../setup/database.js';
import { temporaryDirectory } from './command-line.js';
import {
  leftOf,
  postmasterOf,
  type Serving,
  seedDataDir,
  spawnServe,
  startServe,
  untilNothingIsLeft,
} from './serving.js';

const BODY = 'token=cst_';
/** The service waits 250 ms for the next request of a connection. */
const BUSY_MS = 200;
let copyDataDir: () => Promise<string>;

beforeAll(async () => {
  copyDataDir = await seedDataDir();
});

describe('asked to stop, it', () => {
  test('finishes a request whose body is still on its way, and tells the client not to come back', async () => {
    const { serving, dataDir } = await start();
    const slow = await beginPost(serving);
    serving.child.kill('SIGTERM');
    await untilClosed(serving);
    slow.socket.write(BODY);
    const answer = await slow.answer;
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(answer).toMatch(/\r\nconnection: close\r\n/i);
    expect(await serving.ended).toEqual({ code: 0, signal: null });
    await untilNothingIsLeft(serving, dataDir);
  });

  test('cuts off a request that does not end, and a connection without a word', async () => {
    const { serving, dataDir } = await start();
    const stuck = await beginPost(serving);
    const silent = connectSocket(serving.port, '127.0.0.1');
    await once(silent, 'connect');
    silent.on('error', () => {});
    expect(await serving.stop('SIGINT')).toEqual({ code: 0, signal: null });
    expect(await stuck.answer).toBe('');
    await untilNothingIsLeft(serving, dataDir);
  }, 90_000);

  test('ends the open watches', async () => {
    const { serving, dataDir } = await start();
    const owner = await serving.owner();
    await owner.workflows.put('nightly', { allowed_scopes: ['repo:*'] });
    const minted = await owner.tokens.mint({ workflow: 'nightly', scopes: ['repo:read'], expires_in_days: 7 });
    const check = await owner.execChecks.check({ token: minted.token, workflow: 'nightly' });
    const watch = owner.execChecks.watch(check.check_id);
    expect(await watch.next()).toMatchObject({ value: { type: 'alive' } });
    serving.child.kill('SIGTERM');
    await expect(watched(watch)).rejects.toThrow('the watch ended without a word');
    expect(await serving.ended).toEqual({ code: 0, signal: null });
    await untilNothingIsLeft(serving, dataDir);
  });

  test('loses no request of a client that keeps its connection busy', async () => {
    const { serving } = await start();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const answers: (number | string)[] = [];
    let answeredAt = performance.now();
    while (answers.at(-1) !== 'ECONNREFUSED') {
      const answer = await statusOf(serving, agent);
      // A machine that stood still for so long did not keep the connection busy: then it may be ended.
      const wasBusy = performance.now() - answeredAt < BUSY_MS;
      answeredAt = performance.now();
      if (wasBusy || answer !== 'ECONNRESET') answers.push(answer);
      if (answers.length === 20) serving.child.kill('SIGTERM');
    }
    agent.destroy();
    expect(new Set(answers)).toEqual(new Set([200, 'ECONNREFUSED']));
    expect(await serving.ended).toEqual({ code: 0, signal: null });
  });

  test('twice, stops once', async () => {
    const { serving, dataDir } = await start();
    const slow = await beginPost(serving);
    serving.child.kill('SIGINT');
    await untilClosed(serving);
    serving.child.kill('SIGINT');
    slow.socket.write(BODY);
    expect(await slow.answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(await serving.ended).toEqual({ code: 0, signal: null });
    await untilNothingIsLeft(serving, dataDir);
  });

  test('by Ctrl-C, which reaches the whole group, stops in good order', async () => {
    const { serving, dataDir } = await start();
    process.kill(-serving.pid, 'SIGINT');
    expect(await serving.ended).toEqual({ code: 0, signal: null });
    await untilNothingIsLeft(serving, dataDir);
  });
});

describe('asked to stop while it starts, it', () => {
  test.each(['owner.token', 'postgres', 'pepper'])('stops, and the next start works: %s is there', async (name) => {
    const dataDir = join(temporaryDirectory(), 'data');
    const starting = spawnServe({ COUNTERSIGN_DATA_DIR: dataDir });
    await vi.waitFor(async () => expect(await readdir(dataDir)).toContain(name), { timeout: 25_000, interval: 2 });
    expect(await starting.stop()).toEqual({ code: 0, signal: null });
    await untilNothingIsLeft(starting, dataDir);
    const serving = await startServe({ COUNTERSIGN_DATA_DIR: dataDir });
    expect(await (await serving.owner()).me()).toMatchObject({ role: 'owner' });
    await serving.stop();
  });

  test('does not wait for the migrations of another node', async () => {
    const database = await createTestDatabase();
    const sql = connect(database.options, { max: 1 });
    onTestFinished(async () => {
      await sql.end({ timeout: 1 });
      await database.drop();
    });
    await sql`select pg_advisory_lock(4837201183)`;
    const starting = spawnServe({
      DATABASE_URL: database.url,
      COUNTERSIGN_PEPPER: `p:${Buffer.alloc(32).toString('base64')}`,
      COUNTERSIGN_SIGNING_KEYS: JSON.stringify({ keys: [await generateSigningKey()] }),
    });
    await vi.waitFor(async () => {
      const waiting = sql`select 1 from pg_locks l join pg_database d on d.oid = l.database
        where d.datname = current_database() and l.locktype = 'advisory' and not l.granted`;
      expect(await waiting).toHaveLength(1);
    }, 25_000);
    expect(await starting.stop()).toEqual({ code: 0, signal: null });
    expect(starting.stdout()).toBe('');
  });
});

test('a closed terminal does not stop it', async () => {
  const { serving } = await start();
  serving.child.kill('SIGHUP');
  expect((await fetch(`${serving.url}/readyz`)).status).toBe(200);
  expect(await serving.stop()).toEqual({ code: 0, signal: null });
});

test('after a SIGKILL nothing is left running, and the next start has all data', async () => {
  const { serving, dataDir } = await start();
  await (await serving.owner()).workflows.put('nightly', { allowed_scopes: ['repo:*'] });
  expect(await serving.stop('SIGKILL')).toEqual({ code: null, signal: 'SIGKILL' });
  const again = await startServe({ COUNTERSIGN_DATA_DIR: dataDir });
  expect(await (await again.owner()).workflows.show('nightly')).toMatchObject({ label: 'nightly' });
  await again.stop('SIGKILL');
  await untilNothingIsLeft(again, dataDir);
});

test.each(['SIGKILL', 'SIGQUIT', 'SIGINT'] as const)(
  'a PostgreSQL that ended by %s is started again; meanwhile no answer is wrong',
  async (signal) => {
    const { serving, dataDir } = await start();
    const owner = await serving.owner();
    const { token } = await owner.me();
    const first = await postmasterOf(dataDir);
    process.kill(first, signal);
    const statuses = new Set<number>();
    await vi.waitFor(
      async () => {
        // Read before it is asked: an answer of the old one says nothing of the new one.
        const current = await postmasterOf(dataDir).catch(() => Number.NaN);
        const response = await fetch(`${serving.url}/v1/tokens/${token.id}`, {
          headers: { authorization: `Bearer ${await ownerToken(dataDir)}` },
        });
        statuses.add(response.status);
        expect([first, Number.NaN]).not.toContain(current);
        expect(response.status).toBe(200);
      },
      { timeout: 25_000, interval: 20 },
    );
    expect([...statuses].filter((status) => status !== 200 && status !== 503)).toEqual([]);
    expect(await owner.me()).toMatchObject({ role: 'owner' });
    expect(await serving.stop()).toEqual({ code: 0, signal: null });
    await untilNothingIsLeft(serving, dataDir);
  },
);

test('a service manager that stops PostgreSQL together with it meets no trouble', async () => {
  const { serving, dataDir } = await start();
  await (await serving.owner()).me();
  process.kill(await postmasterOf(dataDir), 'SIGTERM');
  expect(await serving.stop()).toEqual({ code: 0, signal: null });
  await untilNothingIsLeft(serving, dataDir);
});

test('what ended with the service is not started again', async () => {
  const { serving, dataDir } = await start();
  const slow = await beginPost(serving);
  serving.child.kill('SIGTERM');
  await untilClosed(serving);
  process.kill(await postmasterOf(dataDir), 'SIGKILL');
  slow.socket.write(BODY);
  expect(await slow.answer).toMatch(/^HTTP\/1\.1 (200|503) /);
  expect(await serving.ended).toEqual({ code: 0, signal: null });
  await untilNothingIsLeft(serving, dataDir);
  expect(await leftOf(serving, dataDir)).toEqual([]);
});

async function start(): Promise<{ serving: Serving; dataDir: string }> {
  const dataDir = await copyDataDir();
  return { serving: await startServe({ COUNTERSIGN_DATA_DIR: dataDir }), dataDir };
}

async function watched(events: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of events);
}

async function ownerToken(dataDir: string): Promise<string> {
  return (await readFile(join(dataDir, 'owner.token'), 'utf8')).trim();
}

/** Sends a request to the public revocation endpoint without its body. */
async function beginPost(serving: Serving): Promise<{ socket: Socket; answer: Promise<string> }> {
  const socket = connectSocket(serving.port, '127.0.0.1');
  let text = '';
  socket.on('data', (piece) => {
    text += piece;
  });
  socket.on('error', () => {});
  const answer = new Promise<string>((resolve) => {
    socket.once('close', () => resolve(text));
  });
  await once(socket, 'connect');
  socket.write(
    `POST /oauth2/revoke HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: ${BODY.length}\r\nexpect: 100-continue\r\n\r\n`,
  );
  // The server says when it has taken up the request.
  await once(socket, 'data');
  text = '';
  return { socket, answer };
}

async function untilClosed(serving: Serving): Promise<void> {
  await vi.waitFor(
    async () => {
      const socket = connectSocket(serving.port, '127.0.0.1');
      const refusal = await new Promise((resolve) => {
        socket
          .once('connect', () => resolve(undefined))
          .once('error', (error: NodeJS.ErrnoException) => resolve(error.code));
      });
      socket.destroy();
      expect(refusal).toBe('ECONNREFUSED');
    },
    { timeout: 25_000, interval: 10 },
  );
}

function statusOf(serving: Serving, agent: Agent): Promise<number | string> {
  return new Promise((resolve) => {
    request(`${serving.url}/healthz`, { agent }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode ?? 0));
    })
      .once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
      .end();
  });
}
