import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createListeningService, type ListeningService } from '../setup/listening.js';
import { temporaryDirectory } from './command-line.js';
import { commandLineHere } from './in-process.js';

let service: ListeningService;
let id: string;
beforeAll(async () => {
  service = await createListeningService();
  id = (await service.seedToken({ name: 'old one', expires_in_days: 30 })).id;
});
beforeEach(() => service.client().policy.remove());
afterAll(() => service.close());

const home = temporaryDirectory();
const run = (args: readonly string[], input = '') =>
  commandLineHere(home)(args, {
    env: { COUNTERSIGN_URL: service.url, COUNTERSIGN_TOKEN: service.owner.printed },
    input,
  });
const policy = (...args: readonly string[]) => run(['policy', ...args]);

describe('policy', () => {
  test('show says that there is none, and what it bounds', async () => {
    expect(await policy('show')).toEqual({
      code: 0,
      stdout: 'enforcement\treport\n',
      stderr: 'It bounds nothing. `countersign policy set` does.\n',
    });
    await policy('set', '--require', 'repository', '--minter', 'owner', 'admin');
    expect((await policy('show')).stdout).toBe(
      'enforcement\treport\nmust be constrained by\trepositories\nminters\towner admin\n',
    );
  });

  test('set changes what is named, keeps the rest, and lists what does not comply', async () => {
    await policy('set', '--allow-scope', 'repo:*');
    const set = await policy('set', '--longest-expiry-days', '7');
    expect(set.code).toBe(0);
    expect(set.stdout).toContain(`${id}\tnightly\told one\t`);
    expect(set.stdout).toContain("lives longer than the workspace's policy allows: 7 days\n");
    expect(set.stderr).toBe('Tokens that do not comply: 1. They are on a list and good as before.\n');
    expect(await service.client().policy.show()).toMatchObject({ allowed_scopes: ['repo:*'], longest_expiry_days: 7 });
    await policy('set', '--lift', 'allow-scope', '--max-tokens-per-workflow', '5');
    expect(await service.client().policy.show()).toMatchObject({
      allowed_scopes: null,
      longest_expiry_days: 7,
      max_tokens_per_workflow: 5,
    });
    await policy('set', '--lift', 'all');
    expect(await service.client().policy.show()).toMatchObject({ longest_expiry_days: null });
  });

  test('set takes what show --json printed, from a file or standard input, in the place of all', async () => {
    await policy('set', '--allow-scope', 'repo:*');
    const kept = (await policy('show', '--json')).stdout;
    writeFileSync(join(home, 'policy.json'), kept);
    await policy('set', '--lift', 'all', '--longest-expiry-days', '90');
    expect((await policy('set', '--file', join(home, 'policy.json'))).code).toBe(0);
    expect((await policy('show', '--json')).stdout).toBe(kept);
    const set = await run(['policy', 'set', '--file', '-', '--json'], '{"longest_expiry_days":30}');
    expect(JSON.parse(set.stdout)).toMatchObject({ policy: { longest_expiry_days: 30, allowed_scopes: null } });
    const bad = await run(['policy', 'set', '--file', '-'], '{"longest_days":30}');
    expect(bad).toMatchObject({ code: 2, stderr: expect.stringContaining('#/longest_days is not known here') });
  });

  test('set wants a yes before a policy that blocks where there is nobody to ask', async () => {
    const args = ['set', '--enforcement', 'block', '--longest-expiry-days', '7'];
    expect(await policy(...args)).toMatchObject({ code: 2, stderr: expect.stringContaining('--yes') });
    expect((await service.client().tokens.show(id)).status).toBe('active');
    const set = await policy(...args, '--yes');
    expect(set.stderr).toBe('Tokens that do not comply: 1. They are inactive from now on.\n');
    expect((await run(['token', 'show', id])).stderr).toBe(`What holds it back: countersign token explain ${id}\n`);
    expect((await run(['workflow', 'show', 'nightly'])).stderr).toContain('countersign policy show');
  });

  test('set freezes what nobody uses, after a yes, and says how much that is', async () => {
    const args = ['set', '--freeze-unused-after-days', '7'];
    expect(await policy(...args)).toMatchObject({ code: 2, stderr: expect.stringContaining('--yes') });
    expect(await policy('test', '--freeze-unused-after-days', '6')).toMatchObject({ code: 2 });
    expect(await policy(...args, '--yes')).toMatchObject({ code: 0, stderr: 'Every token complies.\n' });
    expect((await policy('show')).stdout).toBe('enforcement\treport\nunused are frozen\tafter 7 days\n');
    await policy('set', '--lift', 'freeze-unused-after-days');
    expect(await service.client().policy.show()).toMatchObject({ freeze_unused_after_days: null });
  });

  test('set does not bound and lift the same', async () => {
    const both = await policy('set', '--lift', 'minter', '--minter', 'owner');
    expect(both).toMatchObject({ code: 2, stderr: expect.stringContaining('keep one') });
  });

  test('test changes nothing; exit 1 when a token would not comply', async () => {
    const tried = await policy('test', '--longest-expiry-days', '7', '--enforcement', 'block');
    expect(tried).toMatchObject({ code: 1, stderr: 'Tokens that do not comply: 1. They are inactive then.\n' });
    const fine = await policy('test', '--longest-expiry-days', '30');
    expect(fine).toEqual({ code: 0, stdout: '', stderr: 'Every token complies.\n' });
    expect(await service.client().policy.show()).toMatchObject({ longest_expiry_days: null });
  });
});
