import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { createClient } from '../../src/sdk/index.js';
import { commandLine, temporaryDirectory } from './command-line.js';
import { seedDataDir, spawnServe, startServe, untilNothingIsLeft } from './serving.js';

const run = commandLine(temporaryDirectory());
const WAIVER = { COUNTERSIGN_START_WITHOUT_JOURNAL: 'yes-revoked-tokens-may-live' };

let copyDataDir: () => Promise<string>;
/** A data directory where something was revoked, its journal, and a backup from before. */
let seed: string;
let backup: string;
let revoked: string;

beforeAll(async () => {
  copyDataDir = await seedDataDir();
  seed = await copyDataDir();
  backup = join(temporaryDirectory(), 'before.backup');
  const serving = await startServe({ COUNTERSIGN_DATA_DIR: seed });
  const owner = await serving.owner();
  await owner.workflows.put('deploy', { allowed_scopes: ['codex:exec'], allowed_expiry_days: [7] });
  const minted = await owner.tokens.mint({ workflow: 'deploy', scopes: ['codex:exec'], expires_in_days: 7 });
  revoked = minted.token;
  expect(await run(['backup', backup], { env: { COUNTERSIGN_DATA_DIR: seed } })).toMatchObject({ code: 0 });
  await owner.tokens.revoke(minted.id, { reason: 'leaked' });
  await serving.stop();
});

/** The journal's directory of a data directory, and the only file that endings are in. */
function journalOf(dataDir: string): { directory: string; file: string } {
  const directory = join(dataDir, 'revocations');
  const [name = ''] = readdirSync(directory).filter((one) => one.endsWith('.journal'));
  return { directory, file: join(directory, name) };
}

/** A data directory with the backup restored and, unless `change` does something to it, the journal brought back. */
async function restored(change: (journal: { directory: string; file: string }) => void): Promise<string> {
  const dataDir = join(temporaryDirectory(), 'data');
  mkdirSync(dataDir, { mode: 0o700 });
  for (const name of ['pepper', 'signing-keys.json', 'owner.token'])
    copyFileSync(join(seed, name), join(dataDir, name));
  cpSync(join(seed, 'revocations'), join(dataDir, 'revocations'), { recursive: true });
  change(journalOf(dataDir));
  const outcome = await run(['restore', backup], { env: { COUNTERSIGN_DATA_DIR: dataDir } });
  expect(outcome).toMatchObject({ code: 0 });
  return dataDir;
}

/** What a serve that refuses to start says. */
async function refusal(dataDir: string): Promise<string> {
  const starting = spawnServe({ COUNTERSIGN_DATA_DIR: dataDir });
  expect(await starting.ended).toMatchObject({ code: 1 });
  expect(starting.stdout()).toBe('');
  await untilNothingIsLeft(starting, dataDir);
  return starting.stderr();
}

describe('the revocation journal', () => {
  test('keeps a restored backup from reviving what had ended, in every way, before the first answer', async () => {
    const dataDir = await copyDataDir();
    const serving = await startServe({ COUNTERSIGN_DATA_DIR: dataDir });
    const owner = await serving.owner();
    const mint = (client = owner, workflow = 'deploy') =>
      client.tokens.mint({ workflow, scopes: ['codex:exec'], expires_in_days: 7 });
    for (const label of ['deploy', 'paused', 'many', 'frozen']) {
      const leaver = label === 'frozen' ? { leaver: { rule: 'freeze' as const } } : {};
      await owner.workflows.put(label, { allowed_scopes: ['codex:exec'], allowed_expiry_days: [7], ...leaver });
    }
    const joins = async (email: string) => {
      const { invitation, id } = await owner.members.invite({ email, role: 'member' });
      const { token } = await createClient({ url: serving.url }).members.accept(invitation);
      return { id, client: createClient({ url: serving.url, token }) };
    };
    const gone = await joins('gone@acme.example');
    const held = await joins('held@acme.example');
    const first = await mint();
    const lineage = await mint();
    const successor = await owner.tokens.rotate(lineage.id);
    const dead = {
      token: first.token,
      itself: (await mint()).token,
      lineage: lineage.token,
      successor: successor.token,
      pause: (await mint(owner, 'paused')).token,
      workflow: (await mint(owner, 'many')).token,
      removed: (await mint(gone.client)).token,
      suspended: (await mint(held.client)).token,
      frozen: (await mint(held.client, 'frozen')).token,
    };
    const alive = (await mint()).token;
    const other = await run(['init', '--workspace', 'other', '--owner-email', 'ada@acme.example'], {
      env: { COUNTERSIGN_DATA_DIR: dataDir },
    });
    const old = join(temporaryDirectory(), 'old.backup');
    expect(await run(['backup', old], { env: { COUNTERSIGN_DATA_DIR: dataDir } })).toMatchObject({ code: 0 });

    await owner.tokens.revoke(first.id, { reason: 'leaked' });
    await owner.revoke(dead.itself);
    await owner.tokens.revokeMany({ reason: 'leaked', lineage_id: lineage.id });
    await owner.workflows.pause('paused');
    await owner.tokens.revokeMany({ reason: 'leaked', workflow: 'many' });
    await owner.members.remove(gone.id);
    await owner.members.suspend(held.id);
    const suspended = await run(['workspace', 'suspend', 'other'], { env: { COUNTERSIGN_DATA_DIR: dataDir } });
    expect(suspended).toMatchObject({ code: 0 });
    const states = async (client: typeof owner) => {
      const told: Record<string, boolean> = {};
      for (const [way, token] of Object.entries(dead)) told[way] = (await client.introspect(token)).active;
      return told;
    };
    const allDead = Object.fromEntries(Object.keys(dead).map((way) => [way, false]));
    expect(await states(owner)).toEqual(allDead);
    await serving.stop();
    // Nothing in it can be used, and each line was on the disk before its answer.
    const written = readdirSync(join(dataDir, 'revocations')).map((name) =>
      readFileSync(join(dataDir, 'revocations', name), 'utf8'),
    );
    for (const token of Object.values(dead)) expect(written.join('')).not.toContain(token.slice(26));

    const args = ['restore', old, '--replace', '--yes'];
    expect(await run(args, { env: { COUNTERSIGN_DATA_DIR: dataDir } })).toMatchObject({ code: 0 });
    for (const isFirst of [true, false]) {
      const again = await startServe({ COUNTERSIGN_DATA_DIR: dataDir });
      const client = await again.owner();
      expect(await states(client)).toEqual(allDead);
      expect(await client.introspect(alive)).toMatchObject({ active: true });
      await expect(createClient({ url: again.url, token: other.stdout.trim() }).me()).rejects.toMatchObject({
        status: 401,
      });
      const replayed = (await client.auditEvents({ action: 'journal.replayed', limit: 200 })).data;
      expect(new Set(replayed.map(({ data }) => data['action']))).toEqual(
        new Set(['token.revoked', 'token.frozen', 'workflow.paused', 'member.removed', 'member.suspended']),
      );
      expect(replayed[0]).toMatchObject({ actor: { type: 'system' } });
      // Once: what an operator lets go on afterwards goes on.
      if (isFirst) await client.workflows.resume('paused');
      allDead['pause'] = isFirst;
      dead.pause = isFirst ? dead.pause : alive;
      if (isFirst) expect(await client.introspect(dead.pause)).toMatchObject({ active: true });
      await again.stop();
    }
    await untilNothingIsLeft(serving, dataDir);
  });

  test.each<[string, (journal: { directory: string; file: string }) => void, RegExp]>([
    ['is not there', ({ directory }) => rmSync(directory, { recursive: true }), /does not hold it: bring it back/],
    [
      'was changed',
      ({ file }) => writeFileSync(file, readFileSync(file, 'utf8').replace('token.revoked', 'token.frozen')),
      /was cut or changed: line 2/,
    ],
    [
      'has lost a line in the middle',
      ({ file }) => writeFileSync(file, readFileSync(file, 'utf8').split('\n').slice(1).join('\n')),
      /was cut or changed: line 1/,
    ],
    [
      'was forged',
      ({ directory }) => writeFileSync(join(directory, 'x.journal'), `${'0'.repeat(64)} {"kid":"none"}\n`),
      /needs the pepper .{0,2}none/,
    ],
    [
      'holds something that is no file',
      ({ directory }) => mkdirSync(join(directory, 'y.journal')),
      /is not a file of the revocation journal/,
    ],
  ])('that %s stops the start in one line, unless told so in so many words', async (_name, change, said) => {
    const dataDir = await restored(change);
    const stderr = await refusal(dataDir);
    expect(stderr).toMatch(said);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    const serving = await startServe({ COUNTERSIGN_DATA_DIR: dataDir, ...WAIVER });
    await serving.owner();
    await serving.stop();
  });

  test('that is shorter than the database knows stops the start in one line, unless told so in so many words', async () => {
    const dataDir = join(temporaryDirectory(), 'data');
    cpSync(seed, dataDir, { recursive: true, verbatimSymlinks: true });
    const { file } = journalOf(dataDir);
    writeFileSync(file, readFileSync(file, 'utf8').replace(/[^\n]*\n$/, ''));
    const stderr = await refusal(dataDir);
    expect(stderr).toMatch(/\.journal has lost its last lines\. Bring it back, or start with/);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    const serving = await startServe({ COUNTERSIGN_DATA_DIR: dataDir, ...WAIVER });
    expect(await (await serving.owner()).introspect(revoked)).toEqual({ active: false });
    await serving.stop();
  });

  test('that was torn by a crash is read up to there', async () => {
    const dataDir = await restored(({ file }) => writeFileSync(file, '0123456789abcdef {"wor', { flag: 'a' }));
    const serving = await startServe({ COUNTERSIGN_DATA_DIR: dataDir });
    expect(await (await serving.owner()).introspect(revoked)).toEqual({ active: false });
    await serving.stop();
  });

  test('that cannot be written makes the answer say so; repeating it is success when it is written', async () => {
    const dataDir = await copyDataDir();
    const serving = await startServe({ COUNTERSIGN_DATA_DIR: dataDir });
    const owner = await serving.owner();
    await owner.workflows.put('deploy', { allowed_scopes: ['codex:exec'], allowed_expiry_days: [7] });
    const mint = () => owner.tokens.mint({ workflow: 'deploy', scopes: ['codex:exec'], expires_in_days: 7 });
    const minted = await mint();
    const rotating = await mint();
    const directory = join(dataDir, 'revocations');
    const aside = `${directory}-aside`;
    cpSync(directory, aside, { recursive: true });
    rmSync(directory, { recursive: true });
    writeFileSync(directory, '');
    const revoke = () => owner.tokens.revoke(minted.id, { reason: 'leaked' });
    await expect(revoke()).rejects.toMatchObject({
      status: 503,
      message: expect.stringContaining('not in the revocation'),
    });
    await expect(revoke()).rejects.toMatchObject({ status: 503 });
    expect(await owner.introspect(minted.token)).toEqual({ active: false });
    // What ends nothing goes on, and what is only superseded.
    await mint();
    await owner.tokens.rotate(rotating.id);
    rmSync(directory);
    cpSync(aside, directory, { recursive: true });
    expect(await revoke()).toMatchObject({ status: 'revoked' });
    const written = readFileSync(journalOf(dataDir).file, 'utf8');
    for (const { id } of [minted, rotating]) expect(written).toContain(id);
    await serving.stop();
    expect(existsSync(join(directory, 'journal-id'))).toBe(true);
  });
});
