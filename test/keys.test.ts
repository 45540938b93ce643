import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { peppers } from '../src/config.js';
import { generateSigningKey, signingKeySet } from '../src/http/jwt.js';
import { loadKeys, readKeys } from '../src/keys.js';

let root: string;
let config: { dataDir: string; peppers: undefined; signingKeys: undefined };

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'countersign-keys-'));
  config = { dataDir: join(root, 'data'), peppers: undefined, signingKeys: undefined };
});

afterEach(() => rm(root, { recursive: true, force: true }));

describe('the keys of a data directory', () => {
  test('are made once, whole, and closed to others', async () => {
    const made = await loadKeys(config);
    expect(await loadKeys(config)).toEqual(made);
    expect(await readKeys(config)).toEqual(made);
    expect((await readdir(config.dataDir)).sort()).toEqual(['.gitignore', 'pepper', 'signing-keys.json']);
    for (const name of ['pepper', 'signing-keys.json']) {
      expect((await stat(join(config.dataDir, name))).mode & 0o777).toBe(0o600);
    }
    expect(made.peppers[0].key).toHaveLength(32);
  });

  test('are not made by who only looks', async () => {
    expect(await readKeys(config)).toBeUndefined();
    await expect(stat(config.dataDir)).rejects.toThrow('ENOENT');
    await loadKeys(config);
    await rm(join(config.dataDir, 'pepper'));
    expect(await readKeys(config)).toBeUndefined();
    expect(await readdir(config.dataDir)).not.toContain('pepper');
  });

  test('are the same for all processes that start at the same moment', async () => {
    const keys = fileURLToPath(new URL('../src/keys.ts', import.meta.url));
    const program = `
      const { loadKeys } = await import(${JSON.stringify(keys)});
      const { peppers, signingKeys } = await loadKeys(${JSON.stringify({ dataDir: config.dataDir })});
      console.log(JSON.stringify([peppers[0].kid, signingKeys.keys[0].kid]));`;
    const args = ['--import', 'tsx', '--input-type=module', '-e', program];
    const runs = await Promise.all([1, 2, 3, 4].map(() => promisify(execFile)(process.execPath, args)));
    expect(new Set(runs.map((run) => run.stdout)).size).toBe(1);
    expect(await Promise.all([1, 2, 3].map(() => loadKeys(config)))).toHaveLength(3);
    expect(await readdir(config.dataDir)).toHaveLength(3);
  });

  test('that are damaged are refused in one line, and what they hold is not shown', async () => {
    await loadKeys(config);
    const pepper = await readFile(join(config.dataDir, 'pepper'), 'utf8');
    await writeFile(join(config.dataDir, 'pepper'), pepper.slice(0, 20));
    await expect(loadKeys(config)).rejects.toThrow(
      `${join(config.dataDir, 'pepper')} is damaged: restore it from a backup`,
    );
    await expect(readKeys(config)).rejects.not.toThrow(pepper.slice(0, 20));
    await writeFile(join(config.dataDir, 'pepper'), pepper);

    for (const damaged of ['', '{"keys":[]}', JSON.stringify({ keys: [await mixedKey()] })]) {
      await writeFile(join(config.dataDir, 'signing-keys.json'), damaged);
      await expect(loadKeys(config)).rejects.toThrow(/^\S+signing-keys\.json is damaged: [^{}\n]*$/);
    }
  });
});

test('configured keys are used, and nothing is made', async () => {
  const set = signingKeySet.parse({ keys: [await generateSigningKey()] });
  const pepper = peppers.parse(`p1:${Buffer.alloc(32, 7).toString('base64')}`);
  expect(await loadKeys({ dataDir: config.dataDir, peppers: pepper, signingKeys: set })).toEqual({
    peppers: pepper,
    signingKeys: set,
  });
  await expect(stat(config.dataDir)).rejects.toThrow('ENOENT');
});

test('only what is not configured is made', async () => {
  const pepper = peppers.parse(`p1:${Buffer.alloc(32, 7).toString('base64')}`);
  expect((await loadKeys({ ...config, peppers: pepper })).peppers).toEqual(pepper);
  expect(await readdir(config.dataDir)).not.toContain('pepper');
});

async function mixedKey() {
  const [key, other] = await Promise.all([generateSigningKey(), generateSigningKey()]);
  return { ...key, d: other.d };
}
