import { EventEmitter, once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { askGuard } from '../../src/hook/ask-guard.js';
import { MOST_EVENT_BYTES } from '../../src/hook/input.js';
import { type HookSocket, openHookSocket } from '../../src/runner/hook-socket.js';
import { temporaryDirectory } from '../cli/command-line.js';

const open: HookSocket[] = [];
afterEach(async () => {
  for (const socket of open.splice(0)) await socket.close();
  vi.unstubAllEnvs();
});

async function socketThat(rule: Parameters<typeof openHookSocket>[0]): Promise<HookSocket> {
  const socket = await openHookSocket(rule);
  open.push(socket);
  return socket;
}

const silent = async () => ({ verdict: 'silent' }) as const;

/** Sends bytes and gives all that comes back. */
function exchange(path: string, bytes: string | Buffer): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(path);
    socket.on('error', () => undefined);
    socket.on('data', (piece) => {
      text += piece;
    });
    socket.once('close', () => resolve(text));
    socket.end(bytes);
  });
}

describe('the socket of the guard', () => {
  test('is this user’s alone, has a short path, and goes with the guard', async () => {
    const socket = await socketThat(silent);
    expect(statSync(dirname(socket.path)).mode & 0o777).toBe(0o700);
    expect(Buffer.byteLength(socket.path)).toBeLessThanOrEqual(100);
    await socket.close();
    expect(existsSync(dirname(socket.path))).toBe(false);
  });

  test('has a short path where the directory for temporary files has a long one', async () => {
    const long = join(temporaryDirectory(), 'x'.repeat(90));
    mkdirSync(long);
    vi.stubEnv('TMPDIR', long);
    const socket = await socketThat(silent);
    expect(Buffer.byteLength(socket.path)).toBeLessThanOrEqual(100);
    expect(readdirSync(long)).toEqual([]);
  });

  test('hands the question on and the ruling back', async () => {
    const seen: unknown[] = [];
    const socket = await socketThat(async (question) => {
      seen.push(question);
      return { verdict: 'deny', reason: 'no' };
    });
    const question = { event: { hook_event_name: 'Stop' }, canary: 'yellow' };
    expect(await askGuard(socket.path, question)).toEqual({ verdict: 'deny', reason: 'no' });
    expect(seen).toEqual([question]);
  });

  test.each([
    '\n',
    'null\n',
    '[]\n',
    '{}\n',
    '{"event":null}\n',
    '{"event":[]}\n',
    '{"event":{},"more":1}\n',
    '{"event":{},"canary":1}\n',
    '{"event":{}}\n{"event":{}}\n',
    '{"event":\n',
    `{"event":{"x":${'['.repeat(100_000)}${']'.repeat(100_000)}}\n`,
  ])('denies what is no question: %.40s', async (text) => {
    const socket = await socketThat(silent);
    expect(JSON.parse(await exchange(socket.path, text))).toMatchObject({ verdict: 'deny' });
  });

  test('denies when the decision fails', async () => {
    const socket = await socketThat(() => Promise.reject(new Error('out of order')));
    expect(await askGuard(socket.path, { event: {} })).toMatchObject({ verdict: 'deny' });
  });

  test('cuts what is too long or never ends its line: the hook denies', async () => {
    const socket = await socketThat(silent);
    expect(await exchange(socket.path, 'x')).toBe('');
    expect(await exchange(socket.path, Buffer.alloc(MOST_EVENT_BYTES * 2, 'x'))).toBe('');
    const question = { event: { x: 'x'.repeat(MOST_EVENT_BYTES * 2) } };
    expect(await askGuard(socket.path, question)).toMatchObject({ verdict: 'deny' });
    expect(await askGuard(socket.path, { event: {} })).toEqual({ verdict: 'silent' });
  });

  test('answers many at once, and cuts those beyond what it can hold', async () => {
    const gate = new EventEmitter();
    const opened = once(gate, 'open');
    const socket = await socketThat(async () => {
      await opened;
      return { verdict: 'silent' };
    });
    let denials = 0;
    const asked = Array.from({ length: 80 }, async () => {
      const { verdict } = await askGuard(socket.path, { event: {} });
      if (verdict === 'deny' && ++denials === 48) gate.emit('open');
      return verdict;
    });
    const verdicts = await Promise.all(asked);
    expect(verdicts.filter((verdict) => verdict === 'silent').length).toBe(32);
  });

  test('says nothing any more when the guard closes it: the hook denies', async () => {
    const questions = new EventEmitter();
    const socket = await socketThat(() => {
      questions.emit('asked');
      return new Promise(() => undefined);
    });
    const ruling = askGuard(socket.path, { event: {} });
    await once(questions, 'asked');
    await socket.close();
    expect(await ruling).toMatchObject({ verdict: 'deny' });
    expect(await askGuard(socket.path, { event: {} })).toMatchObject({ verdict: 'deny' });
  });

  test('takes away what killed guards left, and nothing of the living', async () => {
    const place = temporaryDirectory();
    vi.stubEnv('TMPDIR', place);
    const living = await socketThat(silent);
    const dead = join(place, 'countersign-guard-dead');
    const starting = join(place, 'countersign-guard-starting');
    const other = join(place, 'something-else');
    for (const directory of [dead, starting, other]) mkdirSync(directory);
    await leaveSocket(join(dead, 'hooks'));
    writeFileSync(join(other, 'hooks'), '');
    await socketThat(silent);
    expect([dead, starting, other, living.path].map((path) => existsSync(path))).toEqual([false, true, true, true]);
  });
});

/** A socket's file without anybody behind it, as after SIGKILL. */
async function leaveSocket(path: string): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(`${path}.then`, resolve));
  renameSync(`${path}.then`, path);
  await new Promise((resolve) => server.close(resolve));
}
