import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Client, createClient } from '../../src/sdk/index.js';
import { commandLine, temporaryDirectory } from './command-line.js';
import { type Serving, startServe } from './serving.js';

const OWNER = 'owner@countersign.local';
const run = commandLine(temporaryDirectory());
const dataDir = join(temporaryDirectory(), 'data');
let serving: Serving;
let owner: Client;

beforeAll(async () => {
  serving = await startServe({ COUNTERSIGN_DATA_DIR: dataDir });
  owner = await serving.owner();
});

/** Runs `member recover` on the data directory. */
function recover(...args: string[]) {
  return run(['member', 'recover', ...args], { env: { COUNTERSIGN_DATA_DIR: dataDir } });
}

async function addMember(email: string, role: 'admin' | 'auditor'): Promise<string> {
  const { invitation } = await owner.members.invite({ email, role });
  return (await createClient({ url: serving.url }).members.accept(invitation)).id;
}

describe('member recover, beside a serve', () => {
  test('prints what init prints: a token of 7 days with what the role allows', async () => {
    const id = await addMember('grace@acme.example', 'auditor');
    const recovered = await recover('grace@acme.example', '--json');
    expect(recovered).toMatchObject({ code: 0, stderr: '' });
    const body = JSON.parse(recovered.stdout);
    expect(Object.keys(body)).toEqual(['workspace_id', 'member_id', 'token', 'token_id', 'expires_at']);
    expect(body.member_id).toBe(id);
    const grace = createClient({ url: serving.url, token: body.token });
    const me = await grace.me();
    expect(me).toMatchObject({ id, role: 'auditor', token: { id: body.token_id, workflow: 'countersign' } });
    expect(Date.parse(body.expires_at) - Date.parse(me.token.created_at)).toBe(7 * 86_400_000);
    await expect(grace.members.invite({ email: 'a@b.example', role: 'member' })).rejects.toMatchObject({ status: 403 });
  });

  test('prints the token alone on standard output, and is in the audit trail', async () => {
    const recovered = await recover(OWNER);
    expect(recovered).toMatchObject({ code: 0, stdout: expect.stringMatching(/^cst_\w{22}_\w{49}\n$/) });
    expect(recovered.stderr).not.toContain('cst_');
    const me = await createClient({ url: serving.url, token: recovered.stdout.trim() }).me();
    expect(me).toMatchObject({ role: 'owner' });
    const { data } = await owner.auditEvents({ action: 'member.recovered', target: me.id });
    expect(data).toMatchObject([{ actor: { type: 'host' }, target: me.id }]);
  });

  test('takes lost passkeys away when it is told to', async () => {
    const recovered = await recover(OWNER, '--remove-passkeys');
    expect(recovered).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('All passkeys of that member are removed'),
    });
  });

  test('finds an address however its letters are written', async () => {
    expect(await recover(OWNER.toUpperCase())).toMatchObject({ code: 0 });
  });

  test('of an address in several workspaces asks which, and takes the answer', async () => {
    const args = ['init', '--workspace', 'acme', '--owner-email', OWNER];
    expect(await run(args, { env: { COUNTERSIGN_DATA_DIR: dataDir } })).toMatchObject({ code: 0 });
    const asked = await recover(OWNER);
    expect(asked).toMatchObject({ code: 2, stdout: '' });
    expect(asked.stderr).toContain('name one with --workspace (default, acme)');
    const recovered = await recover(OWNER, '--workspace', 'acme');
    const me = await createClient({ url: serving.url, token: recovered.stdout.trim() }).me();
    expect(me).toMatchObject({ workspace: { slug: 'acme' }, role: 'owner' });
  });

  test('refuses who is suspended, who is unknown and what does not exist', async () => {
    const id = await addMember('sam@acme.example', 'admin');
    await owner.members.suspend(id);
    expect(await recover('sam@acme.example')).toMatchObject({ code: 1, stdout: '' });
    const unknown = await recover('nobody@acme.example', '--json');
    expect(unknown).toMatchObject({ code: 1, stdout: '' });
    expect(JSON.parse(unknown.stderr).error).toEqual({ kind: 'not_found', detail: 'no member nobody@acme.example' });
    const elsewhere = await recover(OWNER, '--workspace', 'no-such');
    expect(elsewhere).toMatchObject({ code: 1, stderr: 'error: no workspace no-such\n' });
    await owner.members.reactivate(id);
    expect(await recover('sam@acme.example')).toMatchObject({ code: 0 });
  });

  test('does not bring back who was removed', async () => {
    const id = await addMember('lin@acme.example', 'admin');
    await owner.members.remove(id);
    expect(await recover('lin@acme.example')).toMatchObject({ code: 1, stdout: '' });
  });
});

test("a crash between the first workspace and the file of its owner's token loses nothing", async () => {
  await serving.stop('SIGKILL');
  await rm(join(dataDir, 'owner.token'));
  const again = await startServe({ COUNTERSIGN_DATA_DIR: dataDir });
  expect(again.tokenFile).toBeNull();
  await again.stop();
  const recovered = await recover(OWNER, '--workspace', 'default');
  expect(recovered.code).toBe(0);
  const third = await startServe({ COUNTERSIGN_DATA_DIR: dataDir });
  const me = await createClient({ url: third.url, token: recovered.stdout.trim() }).me();
  expect(me).toMatchObject({ role: 'owner', workspace: { slug: 'default' } });
  await third.stop();
});
