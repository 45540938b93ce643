import { execFile, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { completionScript, SHELLS } from '../../src/cli/completion.js';
import { places } from '../../src/cli/completion-table.js';
import { createProgram } from '../../src/cli/program.js';
import { commandLine, temporaryDirectory } from './command-line.js';

const directory = temporaryDirectory();
const table = places(createProgram());
const scripts = Object.fromEntries(
  SHELLS.map((shell) => {
    const path = join(directory, `countersign.${shell}`);
    writeFileSync(path, completionScript(shell, table));
    return [shell, path];
  }),
);
const isInstalled = (shell: string) => spawnSync(shell, ['-c', 'true']).status === 0;

describe.skipIf(!isInstalled('bash'))('the bash script', () => {
  async function complete(...words: string[]): Promise<string[]> {
    const program = `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _countersign; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout } = await promisify(execFile)('bash', ['-c', program, 'bash', scripts['bash'] ?? '', ...words]);
    return stdout.split('\n').filter((line) => line !== '');
  }

  test.for([
    [['countersign', 'to'], ['token']],
    [
      ['countersign', 'token', 'r'],
      ['rotate', 'revoke'],
    ],
    [['countersign', 'token', 'revoke', 'tok_1', '--reason', 'le'], ['leaked']],
    [['countersign', 'token', 'mint', '--work'], ['--workflow']],
    [
      ['countersign', 'completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
    [['countersign', 'run', '--status'], ['--status-file']],
    [['countersign', 'exec-check', 'list', '--decision', 'd'], ['deny']],
    [['countersign', 'member', 'add', 'a@b.example', '--role', 'au'], ['auditor']],
    [['countersign', 'token', 'mint', '--workflow', ''], []],
    [['countersign', 'exec', '--workflow', 'w', '--', 'to'], []],
  ] as const)('completes %j', async ([words, offered]) => {
    expect(await complete(...words)).toEqual(offered);
  });
});

test.for(SHELLS)('the %s script is sound, where the shell is here to say so', (shell, { skip }) => {
  if (!isInstalled(shell)) skip();
  const checked = spawnSync(shell, ['-n', scripts[shell] ?? ''], { encoding: 'utf8' });
  expect(checked).toMatchObject({ status: 0, stderr: '' });
});

test.for(SHELLS)('the %s script knows every command and option', (shell) => {
  const script = completionScript(shell, table);
  for (const place of table) {
    for (const { text } of [...place.commands, ...place.options]) expect(script).toContain(text.replace(/^--/, ''));
  }
});

test('completion prints the script', async () => {
  const outcome = await commandLine(directory)(['completion', 'bash']);
  expect(outcome).toMatchObject({ code: 0, stdout: `${completionScript('bash', table)}\n`, stderr: '' });
});
