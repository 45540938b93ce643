import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { createProgram } from '../../src/cli/program.js';
import { commandPath } from '../../src/cli/usage-hint.js';
import { commandLine, MAIN, temporaryDirectory } from './command-line.js';
import { commandLineHere } from './in-process.js';
import { looseToken } from './resources.js';

const run = commandLine(temporaryDirectory());
const runHere = commandLineHere(temporaryDirectory());

async function shell(script: string): Promise<{ code: unknown; stderr: string }> {
  return await new Promise((resolve) => {
    execFile('sh', ['-c', script, process.execPath, MAIN], (error, _, stderr) => {
      resolve({ code: error?.code ?? 0, stderr });
    });
  });
}

function leaves(command: Command): Command[] {
  return command.commands.flatMap((one) => (one.commands.length > 0 ? leaves(one) : [one]));
}

describe('the table of commands', () => {
  test.for(leaves(createProgram()).map((command) => [commandPath(command), command] as const))(
    '`%s` has --help with an example, and --json',
    ([path, command]) => {
      const written: string[] = [];
      command.configureOutput({ writeOut: (text) => void written.push(text) });
      command.outputHelp();
      const help = written.join('');
      expect(help).toContain('--json');
      expect(help).toMatch(/Example:\n.*countersign /);
      expect(help).toContain(path.split(' ').at(-1));
    },
  );

  test('is printed for no arguments and for a bare group, as a success', async () => {
    const root = await run([]);
    expect(root).toMatchObject({ code: 0, stderr: '' });
    expect(root.stdout).toContain('revoke-all');
    const group = await run(['token']);
    expect(group).toMatchObject({ code: 0, stderr: '' });
    expect(group.stdout).toContain('introspect');
  });

  test('says which options must be given, and puts what every command has last', async () => {
    const help = (await runHere(['token', 'mint', '--help'])).stdout;
    expect(help).toMatch(/--workflow <label> .*\(required\)\n/);
    expect(help).not.toMatch(/--name .*\(required\)/);
    expect(help).toMatch(/ {2}--json .*\n {2}-h, --help .*\n\nExample:/);
  });

  test('has a version', async () => {
    expect(await run(['--version'])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
  });
});

describe('a usage error exits 2 and says what to do', () => {
  test.for([
    [['tokn'], 'Did you mean token?'],
    [['token', 'mnit'], 'Did you mean mint?'],
    [['audit', 'verfy'], 'Did you mean verify?'],
    [['mint'], 'Did you mean `countersign token mint`?'],
    [['token', 'list', '--worflow', 'x'], 'Did you mean --workflow?'],
    [['token', 'mint', '--scope', 'repo:read'], "required option '--workflow <label>'"],
    [['token', 'mint', '--scope', 'a:b', '--workflow', 'w', '--expires-in-days', '400'], 'from 1 to 366'],
    [['token', 'list', '--status', 'fine'], 'active, rotating'],
    [['token', 'list', '--expires-before', 'soon'], 'RFC 3339'],
    [['token', 'revoke', 'tok_x'], 'leaked, rotated, unused, owner_left, other'],
    [['token', 'revoke'], '--stdin'],
    [['revoke-all', '--reason', 'leaked'], 'exactly one of --workflow, --creator'],
    [['revoke-all', '--reason', 'leaked', '--workflow', 'a', '--workspace'], 'exactly one of'],
    [['revoke-all', '--reason', 'leaked', '--workflow', 'a'], '--yes'],
    [['exec', '--workflow', 'codex-review'], 'no command to run'],
    [['exec', '--workflow', 'codex-review', '--'], 'no command to run'],
    [['exec', '--', 'true'], '--workflow'],
    [['completion', 'tcsh'], 'bash, zsh, fish'],
    [['member', 'set-role', 'ada@acme.example', 'king'], 'owner, admin, member, auditor'],
    [['audit', 'verify', '--jwks', 'keys.json'], '--jwks goes with --checkpoint'],
  ] as const)('%j', async ([args, said]) => {
    const outcome = await runHere(args);
    expect(outcome).toMatchObject({ code: 2, stdout: '' });
    expect(outcome.stderr).toContain(said);
    expect(outcome.stderr).not.toMatch(/^\s+at /m);
  });

  test('and with --json says so as JSON', async () => {
    const outcome = await run(['token', 'mnit', '--json']);
    expect(outcome).toMatchObject({ code: 2, stdout: '' });
    expect(JSON.parse(outcome.stderr)).toEqual({
      error: { kind: 'usage', detail: expect.stringContaining("unknown command 'mnit'") },
    });
  });
});

describe('standard output', () => {
  test('that nobody reads any more ends a command quietly', async () => {
    const pipeline = '("$0" "$1" completion zsh; echo "exit $?" >&2) | true';
    expect(await shell(pipeline)).toEqual({ code: 0, stderr: 'exit 0\n' });
  });

  test.skipIf(!existsSync('/dev/full'))('that is full is said in a line', async () => {
    expect(await shell('"$0" "$1" completion zsh > /dev/full')).toEqual({
      code: 1,
      stderr: 'error: standard output cannot be written (ENOSPC)\n',
    });
  });
});

describe('a token on the command line', () => {
  test.for([
    ['token', 'revoke'],
    ['token', 'revoke', '--'],
    ['token', 'introspect'],
    ['auth', 'login', '--with-token'],
    ['token', 'list', '--workflow'],
    ['nonsense'],
  ])('is refused before anything uses it: %j', async (args) => {
    const { token } = looseToken();
    const outcome = await runHere([...args, token]);
    expect(outcome).toMatchObject({ code: 2, stdout: '' });
    expect(outcome.stderr).toContain('does not belong on the command line');
    expect(outcome.stderr).toContain('token revoke --stdin');
    expect(outcome.stderr).not.toContain(token);
  });
});
