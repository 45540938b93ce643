import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { splitWords } from '../../src/rotator/fed-command.js';
import { parseSink } from '../../src/rotator/parse-sink.js';
import { removeTemporaryDirectories, temporaryDirectory } from '../cli/command-line.js';

const SECRET = `cst_${'1'.repeat(22)}_${'2'.repeat(49)}`;
const OTHER = `cst_${'3'.repeat(22)}_${'4'.repeat(49)}`;
const { signal } = new AbortController();

afterAll(removeTemporaryDirectories);

const CREDENTIALS = {
  VAULT_ADDR: 'https://vault.example',
  VAULT_TOKEN: 'a-token',
  KUBERNETES_SERVICE_HOST: '10.0.0.1',
};

test.each([
  ['', 'is no sink'],
  ['file', 'is no sink'],
  ['file:', 'is no sink'],
  ['constructor:x', 'is no sink'],
  ['s3:bucket/key', 'is no sink'],
  ['exec:  ', 'names no command'],
  ['exec:sh -c "it', 'not closed'],
  ['vault:kv/agent', 'no secret of Vault'],
  ['vault:kv/../sys/raw#token', 'no secret of Vault'],
  ['vault:kv/a//b#token', 'no secret of Vault'],
  ['kubernetes:ci/agent', 'no Secret of Kubernetes'],
  ['kubernetes:ci/agent/status#token', 'no Secret of Kubernetes'],
  ['kubernetes:../agent#token', 'no Secret of Kubernetes'],
])('the sink %j is refused', (text, why) => {
  expect(() => parseSink(text, CREDENTIALS)).toThrow(why);
});

test.each([
  [{ VAULT_ADDR: '' }, 'VAULT_ADDR is no https URL'],
  [{ VAULT_ADDR: 'http://vault.example' }, 'use https'],
  [{ VAULT_ADDR: 'https://root:word@vault.example' }, 'must not hold a user name'],
  [{ VAULT_TOKEN: undefined }, 'VAULT_TOKEN is not set'],
  [{ VAULT_TOKEN: 'two words' }, 'no header can carry'],
])('a sink without what it needs from the environment is refused before anything is rotated: %j', (env, why) => {
  expect(() => parseSink('vault:kv/agent#token', { ...CREDENTIALS, ...env })).toThrow(why);
});

describe('a file', () => {
  test('is made and replaced whole, for its owner alone, and leaves no draft', async () => {
    const directory = temporaryDirectory();
    const path = join(directory, 'agent token');
    const sink = parseSink(`file:${path}`, {});
    expect(await sink.read?.(signal)).toBeUndefined();
    await sink.write(OTHER, signal);
    const first = statSync(path);
    await sink.write(SECRET, signal);
    expect(await sink.read?.(signal)).toBe(SECRET);
    expect(readFileSync(path, 'utf8')).toBe(`${SECRET}\n`);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(path).ino).not.toBe(first.ino);
    expect(readdirSync(directory)).toEqual(['agent token']);
  });

  test('that is a symbolic link is not followed', async () => {
    const directory = temporaryDirectory();
    const [target, dangling] = [join(directory, 'target'), join(directory, 'absent')];
    writeFileSync(target, 'kept', { mode: 0o600 });
    for (const [at, to] of [
      ['link', target],
      ['dangling', dangling],
    ]) {
      symlinkSync(to ?? '', join(directory, at ?? ''));
      const sink = parseSink(`file:${join(directory, at ?? '')}`, {});
      await expect(sink.read?.(signal)).rejects.toThrow('a symbolic link');
      await expect(sink.write(SECRET, signal)).rejects.toThrow('a symbolic link');
    }
    expect(readFileSync(target, 'utf8')).toBe('kept');
    expect(existsSync(dangling)).toBe(false);
  });

  test('that is open to others, no plain file, or nowhere is refused, and stays as it is', async () => {
    const directory = temporaryDirectory();
    const open = join(directory, 'open');
    writeFileSync(open, 'kept');
    chmodSync(open, 0o640);
    mkdirSync(join(directory, 'folder'));
    for (const [at, why] of [
      ['open', 'mode 0640'],
      ['folder', 'no plain file'],
      ['absent/token', 'ENOENT'],
    ]) {
      await expect(parseSink(`file:${directory}/${at}`, {}).write(SECRET, signal)).rejects.toThrow(why);
    }
    expect(readFileSync(open, 'utf8')).toBe('kept');
    expect(readdirSync(directory).sort()).toEqual(['folder', 'open']);
  });
});

describe('a command', () => {
  const env = { PATH: process.env['PATH'], COUNTERSIGN_TOKEN: OTHER, GH_TOKEN: 'kept' };

  test('gets the secret on its standard input and nowhere else, nor the token of the rotator', async () => {
    const directory = temporaryDirectory();
    const sink = parseSink(`exec:sh -c 'cat > "$0/in"; env > "$0/env"' ${directory}`, env);
    expect(sink.read).toBeUndefined();
    await sink.write(SECRET, signal);
    expect(readFileSync(join(directory, 'in'), 'utf8')).toBe(SECRET);
    const seen = readFileSync(join(directory, 'env'), 'utf8');
    expect(seen).toContain('GH_TOKEN=kept');
    expect(seen).not.toMatch(/cst_|COUNTERSIGN_TOKEN/);
  });

  test.each([
    ["sh -c 'cat >/dev/null; exit 3'", 'ended with 3'],
    ["sh -c 'kill -9 $$'", 'ended with SIGKILL'],
    ["sh -c 'cat >/dev/null; echo no such place >&2; exit 1'", 'ended with 1: no such place'],
    ['/no/such/command', 'cannot be run (ENOENT)'],
    ['exit', 'cannot be run (ENOENT)'],
  ])('that fails says so: %s', async (command, why) => {
    await expect(parseSink(`exec:${command}`, env).write(SECRET, signal)).rejects.toThrow(why);
  });

  test.each(['cat >&2', 'cut -c 30- >&2'])('that prints the secret gets it into no message: %s', async (print) => {
    const sink = parseSink(`exec:sh -c '${print}; exit 1'`, env);
    const message = await sink.write(SECRET, signal).then(String, (error: unknown) => String(error));
    expect(message).toContain('ended with 1');
    expect(message).not.toMatch(/2222222/);
  });

  test('that takes too long is killed', async () => {
    const controller = new AbortController();
    const written = parseSink("exec:sh -c 'exec sleep 600'", env).write(SECRET, controller.signal);
    controller.abort();
    await expect(written).rejects.toThrow('took too long');
  });

  test('is split at spaces, quotes aside, and read by no shell', () => {
    expect(splitWords(`gh secret set "MY TOKEN" --repo='acme/a b' $HOME;ls "" a"b"c`, 'exec:')).toEqual([
      'gh',
      'secret',
      'set',
      'MY TOKEN',
      '--repo=acme/a b',
      '$HOME;ls',
      '',
      'abc',
    ]);
  });
});
