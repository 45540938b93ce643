import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { parseSink } from '../../src/rotator/parse-sink.js';
import { type FakeVault, openFakeVault, VAULT_TOKEN } from './vault.js';

const SECRET = `cst_${'1'.repeat(22)}_${'2'.repeat(49)}`;
const { signal } = new AbortController();

let vault: FakeVault;

beforeAll(async () => {
  vault = await openFakeVault();
});
beforeEach(() => {
  vault.secrets.clear();
  vault.asked.length = 0;
  vault.interfere = undefined;
  vault.instead = undefined;
});
afterAll(async () => {
  await vault.close();
});

const sinkOf = (text = 'vault:kv/ci/agent#token', env = {}) =>
  parseSink(text, { VAULT_ADDR: vault.url, VAULT_TOKEN, ...env });

test('a secret of Vault is made where none was, with check-and-set, and read back', async () => {
  expect(await sinkOf().read?.(signal)).toBeUndefined();
  await sinkOf().write(SECRET, signal);
  expect(vault.secrets.get('ci/agent')).toEqual({ data: { token: SECRET }, version: 1 });
  expect(await sinkOf().read?.(signal)).toBe(SECRET);
  expect(new Set(vault.asked)).toEqual(new Set(['GET /v1/kv/data/ci/agent', 'POST /v1/kv/data/ci/agent']));
});

test('the other keys of a secret of Vault stay, also those that somebody writes meanwhile', async () => {
  vault.secrets.set('ci/agent', { data: { user: 'ci', nested: { deep: [1] } }, version: 6 });
  vault.interfere = () => {
    vault.interfere = undefined;
    vault.secrets.set('ci/agent', { data: { user: 'another' }, version: 7 });
  };
  await sinkOf().write(SECRET, signal);
  expect(vault.secrets.get('ci/agent')).toEqual({ data: { user: 'another', token: SECRET }, version: 8 });
});

test('a secret of Vault whose last version was deleted gets another version', async () => {
  vault.secrets.set('ci/agent', { data: null, version: 3 });
  expect(await sinkOf().read?.(signal)).toBeUndefined();
  await sinkOf().write(SECRET, signal);
  expect(vault.secrets.get('ci/agent')).toEqual({ data: { token: SECRET }, version: 4 });
});

test('a path of Vault is sent as it is meant', async () => {
  await sinkOf('vault:kv/a b/c#the key').write(SECRET, signal);
  expect(vault.secrets.get('a%20b/c')?.data).toEqual({ 'the key': SECRET });
});

test('a secret of Vault that always changes is given up', async () => {
  vault.secrets.set('ci/agent', { data: {}, version: 1 });
  vault.interfere = () => {
    vault.secrets.set('ci/agent', { data: {}, version: (vault.secrets.get('ci/agent')?.version ?? 0) + 1 });
  };
  await expect(sinkOf().write(SECRET, signal)).rejects.toThrow('changed by somebody else');
});

test('what Vault refuses is told without what was sent, and nothing is written', async () => {
  await expect(sinkOf(undefined, { VAULT_TOKEN: 'ended' }).write(SECRET, signal)).rejects.toThrow('status 403');
  await expect(sinkOf('vault:kv2/ci/agent#token').read?.(signal)).rejects.toThrow('status 404');
  for (const instead of [
    { status: 503, body: '{"errors":["Vault is sealed"]}' },
    { status: 400, body: `{"errors":["${SECRET}"]}` },
    { status: 200, body: '<html>sign in</html>' },
    { status: 200, body: '{"data":{"data":{"token":' },
    { status: 404, body: '<html>no such page</html>' },
    { status: 307, body: '', headers: { location: `${vault.url}/v1/kv/data/other` } },
  ]) {
    vault.instead = instead;
    const message = await sinkOf().write(SECRET, signal).then(String, String);
    expect(message).toMatch(`answered with status ${instead.status}`);
    expect(message).not.toContain(SECRET);
    expect(message).not.toContain(VAULT_TOKEN);
  }
  expect(vault.secrets.size).toBe(0);
  expect(vault.asked.some((one) => one.includes('other'))).toBe(false);
});

test('an answer of Vault without an end is not waited for, nor one that never comes', async () => {
  vault.instead = { status: 200, body: 'x'.repeat(5_000_000) };
  await expect(sinkOf().read?.(signal)).rejects.toThrow('without an end');
  const controller = new AbortController();
  const asked = sinkOf().read?.(controller.signal);
  controller.abort();
  await expect(asked).rejects.toThrow('did not answer in time');
});
