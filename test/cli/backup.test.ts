import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  copyFileSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { createClient } from '../../src/sdk/index.js';
import { commandLine, MAIN, temporaryDirectory } from './command-line.js';
import { seedDataDir, startServe, untilNothingIsLeft } from './serving.js';

const home = temporaryDirectory();
const run = commandLine(home);
const WORKFLOW = { allowed_scopes: ['codex:exec'], allowed_expiry_days: [7] };
const KEYS = ['pepper', 'signing-keys.json'];

let copyDataDir: () => Promise<string>;
/** A data directory that was served, and a backup of it. */
let seed: string;
let backup: string;

beforeAll(async () => {
  copyDataDir = await seedDataDir();
  seed = await copyDataDir();
  backup = join(temporaryDirectory(), 'one.backup');
  expect(await run(['backup', backup], at(seed))).toMatchObject({ code: 0, stdout: '' });
});

function at(dataDir: string) {
  return { env: { COUNTERSIGN_DATA_DIR: dataDir } };
}

function errorOf(outcome: { stderr: string }): { kind: string; detail: string } {
  return JSON.parse(outcome.stderr).error;
}

/** A data directory with nothing but the keys of the seed. */
async function keysAlone(): Promise<string> {
  const dataDir = join(temporaryDirectory(), 'data');
  await mkdir(dataDir, { mode: 0o700 });
  for (const name of KEYS) copyFileSync(join(seed, name), join(dataDir, name));
  cpSync(join(seed, 'revocations'), join(dataDir, 'revocations'), { recursive: true });
  return dataDir;
}

/** A copy of the backup with something done to its bytes. */
function changed(change: (bytes: Buffer) => Buffer): string {
  const path = join(temporaryDirectory(), 'changed.backup');
  writeFileSync(path, change(readFileSync(backup)));
  return path;
}

describe('backup', () => {
  test('is taken beside a serve, and brought back into an empty directory: tokens, trail and all', async () => {
    const dataDir = await copyDataDir();
    const serving = await startServe({ COUNTERSIGN_DATA_DIR: dataDir });
    const owner = await serving.owner();
    await owner.workflows.put('deploy', WORKFLOW);
    const minted = await owner.tokens.mint({ workflow: 'deploy', scopes: ['codex:exec'], expires_in_days: 7 });
    const check = {
      token: minted.token,
      workflow: 'deploy',
      scopes: ['codex:exec'],
      context: { command: 'a\\b \\n \\. \\N é\u{1f511}' },
    };
    const { check_id: id } = await owner.execChecks.check(check);
    const directory = temporaryDirectory();
    const made = await run(['backup', directory, '--json'], at(dataDir));
    expect(made).toMatchObject({ code: 0, stderr: '' });
    const told = JSON.parse(made.stdout);
    expect(told.file).toMatch(/\/countersign-\d{8}T\d{6}Z\.backup$/);
    expect(statSync(told.file)).toMatchObject({ size: told.bytes, mode: 0o100600 });
    expect(readdirSync(directory)).toHaveLength(1);
    // Nothing that can be used: neither a token nor a key.
    const bytes = readFileSync(told.file, 'latin1');
    expect(bytes).not.toContain(minted.token.slice(30));
    expect(bytes).not.toContain(readFileSync(join(dataDir, 'pepper'), 'utf8').trim().split(':')[1]);
    await serving.stop();

    const other = await keysAlone();
    const restored = await run(['restore', told.file, '--json'], at(other));
    expect(restored).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(restored.stdout)).toEqual({ at: told.at, rows: told.rows, workspaces: ['default'] });
    const again = await startServe({ COUNTERSIGN_DATA_DIR: other });
    const client = createClient({ url: again.url, token: readFileSync(join(dataDir, 'owner.token'), 'utf8').trim() });
    expect(await client.introspect(minted.token)).toMatchObject({ active: true });
    expect(await client.execChecks.show(id)).toMatchObject({ context: { command: 'a\\b \\n \\. \\N é\u{1f511}' } });
    const events = (await client.auditEvents({ action: 'workspace.restored' })).data;
    expect(events).toMatchObject([{ actor: { type: 'host' }, data: { backup_at: told.at } }]);
    await again.stop();
    await untilNothingIsLeft(again, other);
  });

  test('is taken of a stopped service, and replaces no file and no link', async () => {
    const dangling = join(temporaryDirectory(), 'link.backup');
    const elsewhere = join(temporaryDirectory(), 'elsewhere');
    symlinkSync(elsewhere, dangling);
    for (const path of [backup, dangling]) {
      const refused = await run(['backup', path, '--json'], at(seed));
      expect(refused).toMatchObject({ code: 1, stdout: '' });
      expect(errorOf(refused)).toMatchObject({ kind: 'file_exists' });
    }
    expect(existsSync(elsewhere)).toBe(false);
    const nowhere = await run(['backup', join(home, 'nothing', 'here'), '--json'], at(seed));
    expect(errorOf(nowhere)).toMatchObject({ kind: 'not_written', detail: expect.stringContaining('ENOENT') });
  });

  test('makes no database and no keys, and leaves the database of DATABASE_URL to its own means', async () => {
    const dataDir = join(temporaryDirectory(), 'data');
    const none = await run(['backup', join(home, 'x'), '--json'], at(dataDir));
    expect(errorOf(none)).toMatchObject({ kind: 'no_database' });
    expect(existsSync(dataDir)).toBe(false);
    const keyless = await run(['restore', backup, '--json'], at(dataDir));
    expect(errorOf(keyless)).toMatchObject({ kind: 'no_keys' });
    expect(existsSync(dataDir)).toBe(false);
    const pepper = `a:${Buffer.alloc(32).toString('base64')}`;
    const keys = readFileSync(join(seed, 'signing-keys.json'), 'utf8');
    const env = { DATABASE_URL: 'postgres://db/x', COUNTERSIGN_PEPPER: pepper, COUNTERSIGN_SIGNING_KEYS: keys };
    for (const args of [
      ['backup', join(home, 'x')],
      ['restore', backup],
    ]) {
      expect(await run(args, { env })).toMatchObject({ code: 2, stderr: expect.stringContaining('pg_dump') });
    }
  });

  test.runIf(process.getuid?.() === 0)('leaves nothing behind on a disk that is full', async () => {
    const small = join(temporaryDirectory(), 'small');
    await mkdir(small);
    if (spawnSync('sh', ['-c', 'mount -t tmpfs -o size=4k tmpfs "$0"', small]).status !== 0) return;
    try {
      const refused = await run(['backup', small, '--json'], at(seed));
      expect(errorOf(refused)).toMatchObject({ kind: 'not_written', detail: expect.stringContaining('ENOSPC') });
      expect(readdirSync(small)).toEqual([]);
    } finally {
      spawnSync('sh', ['-c', 'umount "$0"', small]);
    }
  });

  test('that is killed on its way leaves nothing with its name', async () => {
    const directory = temporaryDirectory();
    const path = join(directory, 'killed.backup');
    const child = spawn(process.execPath, [MAIN, 'backup', path], { env: at(seed).env, stdio: 'ignore' });
    const exited = once(child, 'exit');
    while (readdirSync(directory).length === 0 && child.exitCode === null) await new Promise(setImmediate);
    child.kill('SIGKILL');
    await exited;
    // Either it was faster, and all of it is there, or only the draft is.
    const [name = ''] = readdirSync(directory);
    if (name.endsWith('.backup'))
      expect(await run(['restore', path], at(await keysAlone()))).toMatchObject({ code: 0 });
    else expect(name).toMatch(/^killed\.backup\..+\.part$/);
  });
});

describe('restore', () => {
  test('takes no backup that was changed, cut, forged or is none', async () => {
    const dataDir = await keysAlone();
    const lastLine = (bytes: Buffer) => bytes.lastIndexOf('\n', bytes.length - 2) + 1;
    const cases: [string, string, string][] = [
      [
        'damaged',
        'one letter of a row',
        changed((bytes) => Buffer.from(bytes.toString('latin1').replace('owner@', 'opner@'), 'latin1')),
      ],
      ['damaged', 'rows cut away', changed((bytes) => Buffer.concat([bytes.subarray(0, 40), bytes.subarray(60)]))],
      ['damaged', 'its end cut away', changed((bytes) => bytes.subarray(0, lastLine(bytes)))],
      ['damaged', 'its last byte cut away', changed((bytes) => bytes.subarray(0, -1))],
      [
        'bad_signature',
        'another signature',
        changed((bytes) => Buffer.concat([bytes.subarray(0, -20), Buffer.from(`${'A'.repeat(19)}\n`)])),
      ],
      [
        'not_a_backup',
        'another first line',
        changed((bytes) => Buffer.concat([Buffer.from('countersign-backup 2\n'), bytes.subarray(21)])),
      ],
      ['not_a_backup', 'nothing', changed(() => Buffer.alloc(0))],
      ['not_a_backup', 'a directory', temporaryDirectory()],
    ];
    for (const [kind, name, path] of cases) {
      const refused = await run(['restore', path, '--json'], at(dataDir));
      expect({ name, code: refused.code, kind: errorOf(refused).kind }).toEqual({ name, code: 1, kind });
    }
    // Nothing was even begun.
    expect(existsSync(join(dataDir, 'postgres'))).toBe(false);
    expect(await run(['restore', join(home, 'nothing')], at(dataDir))).toMatchObject({ code: 2 });
    const strangers = join(temporaryDirectory(), 'data');
    expect(
      await run(['init', '--workspace', 'acme', '--owner-email', 'ada@acme.example'], at(strangers)),
    ).toMatchObject({
      code: 0,
    });
    const args = ['restore', backup, '--replace', '--yes', '--json'];
    expect(errorOf(await run(args, at(strangers)))).toMatchObject({ kind: 'bad_signature' });
    expect(await run([...args, '--unverified'], at(strangers))).toMatchObject({ code: 0 });
  });

  test('takes no document that the service signed for another purpose', async () => {
    const serving = await startServe({ COUNTERSIGN_DATA_DIR: await copyDataDir() });
    const { checkpoint } = await (await serving.owner()).auditCheckpoint();
    await serving.stop();
    const path = join(temporaryDirectory(), 'checkpoint.backup');
    writeFileSync(path, 'countersign-backup 1\n');
    appendFileSync(path, `${checkpoint}\n`);
    const refused = await run(['restore', path, '--json'], at(await keysAlone()));
    expect(errorOf(refused)).toMatchObject({ kind: 'not_a_backup' });
  });

  test('wants a word before it replaces what is there, and nobody who serves it', async () => {
    const dataDir = await copyDataDir();
    const serving = await startServe({ COUNTERSIGN_DATA_DIR: dataDir });
    const owner = await serving.owner();
    await owner.workflows.put('later', WORKFLOW);
    const busy = await run(['restore', backup, '--replace', '--yes'], at(dataDir));
    expect(busy).toMatchObject({ code: 69, stderr: expect.stringContaining('in use') });
    await serving.stop();
    const full = await run(['restore', backup, '--json'], at(dataDir));
    expect(errorOf(full)).toMatchObject({ kind: 'not_empty' });
    expect(await run(['restore', backup, '--replace'], at(dataDir))).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--yes'),
    });
    expect(await run(['restore', backup, '--replace', '--yes'], at(dataDir))).toMatchObject({ code: 0 });
    const again = await startServe({ COUNTERSIGN_DATA_DIR: dataDir });
    expect((await (await again.owner()).workflows.list()).data.map(({ label }) => label)).not.toContain('later');
    await again.stop();
  });

  test('is whole or nothing: killed, it leaves the database as it was; of two at once one does it', async () => {
    const dataDir = await keysAlone();
    const child = spawn(process.execPath, [MAIN, 'restore', backup], { env: at(dataDir).env, stdio: 'ignore' });
    const exited = once(child, 'exit');
    while (!existsSync(join(dataDir, 'postgres/postmaster.pid')) && child.exitCode === null) {
      await new Promise(setImmediate);
    }
    child.kill('SIGKILL');
    await exited;
    const both = await Promise.all([1, 2].map(() => run(['restore', backup], at(dataDir))));
    const codes = both.map(({ code }) => code).sort();
    // The other came too late, to a directory in use or to a database that is not empty.
    expect([
      [0, 1],
      [0, 69],
    ]).toContainEqual(codes);
    const again = await startServe({ COUNTERSIGN_DATA_DIR: dataDir });
    expect(again.tokenFile).toBeNull();
    await again.stop();
    await untilNothingIsLeft(again, dataDir);
  });
});
