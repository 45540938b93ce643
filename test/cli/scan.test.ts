import { createWriteStream } from 'node:fs';
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { describe, expect, test } from 'vitest';
import { commandLine, temporaryDirectory } from './command-line.js';
import { looseToken } from './resources.js';

const directory = temporaryDirectory();
const run = commandLine(directory);
const { token, id } = looseToken();
const OWN = { kind: 'countersign-token', fingerprint: expect.stringMatching(/^[0-9a-f]{32}$/) };

describe('scan', () => {
  test('names file, line, column and public id of each token, never the secret, and exits 1', async () => {
    const tree = join(directory, 'tree');
    await mkdir(join(tree, 'deep', '.git'), { recursive: true });
    await writeFile(join(tree, 'deep', 'settings.env'), `# agent\nCOUNTERSIGN_TOKEN=${token}\n`);
    await writeFile(join(tree, 'image.bin'), Buffer.concat([Buffer.from([0, 255, 10, 0]), Buffer.from(token)]));
    await writeFile(join(tree, 'deep', '.git', 'packed'), token);
    await symlink('..', join(tree, 'deep', 'loop'));
    const outcome = await run(['scan', 'tree']);
    expect(outcome.code).toBe(1);
    expect(outcome.stdout.split('\n').sort()).toEqual([
      '',
      `tree/deep/settings.env:2:19: ${id}`,
      `tree/image.bin:2:2: ${id}`,
    ]);
    expect(outcome.stderr).toContain('2 tokens found: 2 files read');
    expect(outcome.stdout + outcome.stderr).not.toContain(token);
  });

  test('says so as JSON', async () => {
    await writeFile(join(directory, 'one.txt'), token);
    const outcome = await run(['scan', '--json', 'one.txt']);
    expect(outcome.code).toBe(1);
    expect(JSON.parse(outcome.stdout)).toEqual({
      findings: [{ ...OWN, file: 'one.txt', line: 1, column: 1, token_id: id }],
      files: 1,
      unreadable: [],
      allowed: 0,
    });
  });

  test('reads standard input without a path, and for -', async () => {
    for (const args of [['scan'], ['scan', '-']]) {
      expect(await run(args, { input: `x ${token}` })).toMatchObject({ code: 1, stdout: `-:1:3: ${id}\n` });
    }
  });

  test('reads what PowerShell writes: UTF-16 with a byte order mark', async () => {
    const input = Buffer.from(`\ufeffCOUNTERSIGN_TOKEN=${token}\r\n`, 'utf16le');
    expect(await run(['scan'], { input })).toMatchObject({ code: 1, stdout: `-:1:39: ${id}\n` });
  });

  test('exits 0 where there is none', async () => {
    const almost = `${token.slice(0, -6)}000000`;
    expect(await run(['scan'], { input: almost })).toMatchObject({ code: 0, stdout: '' });
  });

  test('finds a token across the border of two pieces of a big file', async () => {
    const path = join(directory, 'big.log');
    const file = createWriteStream(path);
    const line = `${'-'.repeat(1023)}\n`;
    for (let written = 0; written < 1023; written++) file.write(line);
    file.write(`${'-'.repeat(1000)}${token}\n`);
    file.write(line.repeat(2000));
    file.end();
    await finished(file);
    expect(await run(['scan', path])).toMatchObject({ code: 1, stdout: `${path}:1024:1001: ${id}\n` });
  });

  test('warns of what cannot be read and exits 2 when nothing was found', async () => {
    const clean = join(directory, 'clean.txt');
    await writeFile(clean, 'nothing');
    const outcome = await run(['scan', clean, join(directory, 'absent')]);
    expect(outcome.code).toBe(2);
    expect(outcome.stderr).toContain('absent cannot be read (ENOENT)');
  });

  test.skipIf(process.getuid?.() === 0)('warns of a directory that it may not enter', async () => {
    const closed = join(directory, 'closed');
    await mkdir(closed);
    await chmod(closed, 0);
    expect(await run(['scan', closed])).toMatchObject({ code: 2, stderr: expect.stringContaining('EACCES') });
  });

  test('escapes control characters in the name of a file', async () => {
    await mkdir(join(directory, 'odd'));
    await writeFile(join(directory, 'odd', 'a\u001b[31m\nb'), token);
    expect(await run(['scan', 'odd'])).toMatchObject({ code: 1, stdout: `odd/a\\x1b[31m\\x0ab:1:1: ${id}\n` });
  });
});
