import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Client } from '../../src/sdk/index.js';
import { temporaryDirectory } from './command-line.js';
import { commandLineHere } from './in-process.js';
import { type Serving, startServe } from './serving.js';

const home = temporaryDirectory();
const dataDir = join(home, 'data');
let serving: Serving;
let owner: Client;
beforeAll(async () => {
  serving = await startServe({ COUNTERSIGN_DATA_DIR: dataDir });
  owner = await serving.owner();
});

const workspace = (...args: string[]) =>
  commandLineHere(home)(['workspace', ...args], { env: { COUNTERSIGN_DATA_DIR: dataDir } });

describe('workspace, beside a serve', () => {
  test('suspend makes its tokens inactive at once, resume good again, and both are on record', async () => {
    const { id } = (await owner.me()).workspace;
    expect(await workspace('list')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`default\tactive\t${id}`),
    });
    const suspended = await workspace('suspend', 'default');
    expect(suspended).toMatchObject({ code: 0, stdout: '', stderr: expect.stringContaining('is suspended') });
    await expect(owner.me()).rejects.toMatchObject({ status: 401 });
    const again = await workspace('suspend', 'default', '--json');
    expect(JSON.parse(again.stdout)).toMatchObject({ id, slug: 'default', status: 'suspended' });
    const listed = JSON.parse((await workspace('list', '--json')).stdout);
    expect(listed.data).toMatchObject([{ slug: 'default', status: 'suspended', suspended_at: expect.any(String) }]);
    expect(await workspace('resume', 'default')).toMatchObject({ code: 0, stderr: 'default goes on.\n' });
    const me = await owner.me();
    const { data } = await owner.auditEvents({ target: id });
    expect(data.slice(-2)).toMatchObject([
      { action: 'workspace.suspended', actor: { type: 'host' }, data: { slug: 'default' } },
      { action: 'workspace.resumed', actor: { type: 'host' } },
    ]);
    const before = await owner.tokens.explain(me.token.id, data.at(-2)?.at);
    expect(before).toMatchObject({
      status: 'suspended',
      summary: expect.stringContaining('its workspace was suspended'),
    });
  });

  test('refuses what does not exist', async () => {
    expect(await workspace('suspend', 'no-such')).toMatchObject({ code: 1, stderr: 'error: no workspace no-such\n' });
  });
});
