import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createListeningService, type ListeningService } from '../setup/listening.js';
import { temporaryDirectory } from './command-line.js';
import { commandLineHere } from './in-process.js';

let service: ListeningService;
let first: { token: string; slug: string };
let second: { token: string; slug: string };
beforeAll(async () => {
  service = await createListeningService();
  first = { token: service.owner.printed, slug: service.owner.workspace.slug };
  const made = await service.makeWorkspace('second');
  second = { token: made.printed, slug: made.workspace.slug };
});
afterAll(() => service.close());

function user() {
  const home = temporaryDirectory();
  const here = commandLineHere(home);
  const env = () => ({ COUNTERSIGN_URL: service.url });
  const run = (args: readonly string[], extra: Record<string, string> = {}, input = '') =>
    here(args, { env: { ...env(), ...extra }, input });
  const login = (token: string) => run(['auth', 'login', '--with-token'], {}, token);
  const tokenFor = async (...args: readonly string[]) => (await run([...args, 'auth', 'token'])).stdout.trim();
  const file = join(home, 'config', 'countersign', 'login.json');
  return { run, login, tokenFor, file };
}

describe('a person in two workspaces of a service', () => {
  test('has a login for each: the last one counts unless a workspace is named', async () => {
    const { run, login, tokenFor } = user();
    expect((await login(first.token)).stderr).toContain(`owner of ${first.slug}`);
    await login(second.token);
    expect(await tokenFor()).toBe(second.token);
    expect(await tokenFor('--workspace', first.slug)).toBe(first.token);
    expect(await tokenFor('--workspace=second')).toBe(second.token);
    const env = { COUNTERSIGN_WORKSPACE: first.slug };
    expect((await run(['whoami'], env)).stdout).toContain(`workspace\t${first.slug} (`);
    // The flag is nearer than the variable, and is over with its command.
    expect((await run(['--workspace', 'second', 'auth', 'token'], env)).stdout.trim()).toBe(second.token);
    expect(await tokenFor()).toBe(second.token);
    const status = JSON.parse((await run(['auth', 'status', '--json'])).stdout);
    expect(status).toMatchObject({ workspace: 'second', workspaces: ['second', first.slug].sort() });
  });

  test('goes back by signing in again, and each login is there once', async () => {
    const { login, tokenFor, file } = user();
    await login(first.token);
    await login(second.token);
    await login(first.token);
    expect(await tokenFor()).toBe(first.token);
    expect(await tokenFor('--workspace', 'second')).toBe(second.token);
    const stored = JSON.parse(await readFile(file, 'utf8'));
    expect(stored.elsewhere).toEqual({ [service.url]: { second: { token: second.token, workspace: 'second' } } });
  });

  test('signs out of the one that is named, and is told which are left', async () => {
    const { run, login, tokenFor } = user();
    await login(first.token);
    await login(second.token);
    await run(['--workspace', first.slug, 'auth', 'logout']);
    expect(await run(['--workspace', first.slug, 'whoami'])).toMatchObject({
      code: 77,
      stderr: expect.stringContaining(`and the workspace ${first.slug}; there is one for second`),
    });
    expect(await tokenFor()).toBe(second.token);
    await login(first.token);
    await run(['auth', 'logout']);
    expect(await run(['whoami'])).toMatchObject({
      code: 77,
      stderr: expect.stringContaining('there is one for second: name it with --workspace'),
    });
    expect(await tokenFor('--workspace', 'second')).toBe(second.token);
  });

  test('cannot mean one workspace and hold the token of another', async () => {
    const { run, login } = user();
    await login(first.token);
    const both = await run(['--workspace', first.slug, 'token', 'list'], { COUNTERSIGN_TOKEN: second.token });
    expect(both).toMatchObject({ code: 2, stderr: expect.stringContaining('COUNTERSIGN_TOKEN is set') });
  });

  test('whose login is of before there were several goes on with it', async () => {
    const { run, login, tokenFor, file } = user();
    await login(first.token);
    await writeFile(file, JSON.stringify({ current: service.url, logins: { [service.url]: { token: first.token } } }));
    expect(await tokenFor()).toBe(first.token);
    expect((await run(['--workspace', first.slug, 'whoami'])).code).toBe(77);
    await login(first.token);
    expect(await tokenFor('--workspace', first.slug)).toBe(first.token);
  });

  test('does not hide what comes behind exec from the look for secrets', async () => {
    const { run } = user();
    const stray = await run(['--workspace', 'second', 'token', 'show', second.token]);
    expect(stray).toMatchObject({ code: 2, stderr: expect.stringContaining('does not belong on the command line') });
  });
});
