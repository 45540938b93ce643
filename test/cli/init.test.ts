import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createClient } from '../../src/sdk/index.js';
import { commandLine, temporaryDirectory } from './command-line.js';
import { startServe, untilNothingIsLeft } from './serving.js';

const home = temporaryDirectory();
const run = commandLine(home);
const TOKEN = /^cst_[0-9A-Za-z]{22}_[0-9A-Za-z]{49}$/;

/** Makes a workspace in a data directory. */
function init(dataDir: string, slug: string, ...flags: string[]) {
  const args = ['init', '--workspace', slug, '--owner-email', 'ada@acme.example', ...flags];
  return run(args, { env: { COUNTERSIGN_DATA_DIR: dataDir } });
}

describe('init', () => {
  test('on an empty directory makes everything that is needed, and leaves nothing running', async () => {
    const dataDir = join(temporaryDirectory(), 'data');
    const made = await init(dataDir, 'acme', '--json');
    expect(made).toMatchObject({ code: 0, stderr: '' });
    const body = JSON.parse(made.stdout);
    expect(Object.keys(body)).toEqual(['workspace_id', 'member_id', 'token', 'token_id', 'expires_at']);
    expect(body).toMatchObject({
      workspace_id: expect.stringMatching(/^ws_\w{22}$/),
      member_id: expect.stringMatching(/^mem_\w{22}$/),
      token: expect.stringMatching(TOKEN),
      token_id: `tok_${body.token.slice(4, 26)}`,
    });
    await untilNothingIsLeft({ pid: -1 }, dataDir);

    const serving = await startServe({ COUNTERSIGN_DATA_DIR: dataDir });
    expect(serving.tokenFile).toBeNull();
    const me = await createClient({ url: serving.url, token: body.token }).me();
    expect(me).toMatchObject({
      id: body.member_id,
      email: 'ada@acme.example',
      role: 'owner',
      workspace: { slug: 'acme' },
    });
    expect(me.token).toMatchObject({ id: body.token_id, expires_at: body.expires_at });
    const days = (Date.parse(body.expires_at) - Date.parse(me.token.created_at)) / 86_400_000;
    expect(days).toBe(7);
    await serving.stop();
  });

  test('beside a serve makes a workspace that the serve knows at once; a taken name is refused', async () => {
    const dataDir = join(temporaryDirectory(), 'data');
    const serving = await startServe({ COUNTERSIGN_DATA_DIR: dataDir });
    const made = await init(dataDir, 'acme');
    expect(made).toMatchObject({ code: 0, stdout: expect.stringMatching(/^cst_\S+\n$/) });
    expect(made.stdout.trim()).toMatch(TOKEN);
    expect(made.stderr).toContain('Made the workspace acme');
    expect(made.stderr).not.toContain('cst_');
    const ada = createClient({ url: serving.url, token: made.stdout.trim() });
    expect(await ada.me()).toMatchObject({ role: 'owner', workspace: { slug: 'acme' } });
    expect((await ada.auditEvents()).data.map((event) => event.action)).toEqual([
      'workspace.created',
      'member.accepted',
      'workflow.created',
      'token.minted',
    ]);

    const again = await init(dataDir, 'acme');
    expect(again).toMatchObject({ code: 1, stdout: '', stderr: 'error: the workspace acme exists already\n' });
    const asJson = await init(dataDir, 'acme', '--json');
    expect(JSON.parse(asJson.stderr).error).toMatchObject({ kind: 'workspace_exists' });
    expect(await (await serving.owner()).me()).toMatchObject({ workspace: { slug: 'default' } });
    await serving.stop();
  });

  test.each([
    ['a capital letter', 'Acme', 'ada@acme.example', '--workspace takes'],
    ['an empty name', '', 'ada@acme.example', '--workspace takes'],
    ['no e-mail address', 'acme', 'ada', '--owner-email takes an e-mail address'],
  ])('refuses %s before it makes anything', async (_name, slug, email, said) => {
    const dataDir = join(temporaryDirectory(), 'data');
    const args = ['init', '--workspace', slug, '--owner-email', email];
    const refused = await run(args, { env: { COUNTERSIGN_DATA_DIR: dataDir } });
    expect(refused).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(said) });
    await expect(readdir(dataDir)).rejects.toThrow('ENOENT');
  });
});
