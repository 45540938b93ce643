import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createListeningService, type ListeningService } from '../setup/listening.js';
import { temporaryDirectory } from './command-line.js';
import { commandLineHere } from './in-process.js';

let service: ListeningService;
beforeAll(async () => {
  service = await createListeningService();
  await service.makeWorkflow('flow');
});
afterAll(() => service.close());

const home = temporaryDirectory();
const RULES = {
  default: 'deny',
  rules: [
    { verdict: 'allow', tool: 'Bash', argument: { name: 'command', pattern: 'npm test*' } },
    { verdict: 'ask', tool: 'mcp__*', reason: 'ask\u202e first' },
  ],
};

const run = (args: readonly string[], input = '') =>
  commandLineHere(home)(['workflow', 'tool-rules', ...args], {
    env: { COUNTERSIGN_URL: service.url, COUNTERSIGN_TOKEN: service.owner.printed },
    input,
  });

function fileOf(name: string, text: string): string {
  writeFileSync(join(home, name), text);
  return join(home, name);
}

describe('workflow tool-rules', () => {
  test('set takes a file or standard input, and show --json prints what set takes', async () => {
    const set = await run(['set', 'flow', fileOf('rules.json', JSON.stringify(RULES))]);
    expect(set).toEqual({
      code: 0,
      stdout:
        '0\tallow\tBash\tcommand\tnpm test*\t\t\n1\task\tmcp__*\t\t\t\task\\u202e first\ndefault\tdeny\t\t\t\t\t\n',
      stderr: 'These are the tool rules of flow now.\n',
    });
    const shown = await run(['show', 'flow', '--json']);
    expect(JSON.parse(shown.stdout)).toEqual(RULES);
    const again = await run(['set', 'flow', '--json'], shown.stdout);
    expect(again).toEqual({ code: 0, stdout: shown.stdout, stderr: '' });
    expect((await run(['show', 'flow'])).stdout).toBe(set.stdout);
  });

  test('test shows which rule decides and why none before; exit 0 for an allow alone', async () => {
    await run(['set', 'flow'], JSON.stringify(RULES));
    const allowed = await run(['test', 'flow', '--tool', 'Bash', '--input', '{"command":"npm test -- a"}']);
    expect(allowed).toEqual({
      code: 0,
      stdout: 'allow by rule 0: tool rule 0 allows it\n0\tyes\tthe tool and command match\n',
      stderr: '',
    });
    const denied = await run(['test', 'flow', '--tool', 'Bash'], '{"command":"npm test; x"}');
    expect(denied).toMatchObject({
      code: 1,
      stdout:
        'deny by default: no tool rule matches, and the default denies it\n0\tno\tcommand has ";", which the pattern does not spell out\n1\tno\tthe tool is another one\n',
    });
    const asked = await run(['test', 'flow', '--tool', 'mcp__a__b', '--input', '{}', '--json']);
    expect(asked.code).toBe(1);
    expect(JSON.parse(asked.stdout)).toMatchObject({ verdict: 'ask', rule: 1 });
  });

  test('test of a draft stores nothing', async () => {
    await run(['set', 'flow'], JSON.stringify(RULES));
    const draft = fileOf('draft.json', '{"default":"allow","rules":[]}');
    expect(await run(['test', 'flow', '--tool', 'x', '--input', '{}', '--rules', draft])).toMatchObject({ code: 0 });
    expect(JSON.parse((await run(['show', 'flow', '--json'])).stdout)).toEqual(RULES);
  });

  test.each<[string[], string, string]>([
    [['set', 'flow'], '{', 'standard input is not JSON'],
    [['set', 'flow'], '{"default":"deny","rules":[{"tool":"x"}]}', '#/rules/0/verdict'],
    [['set', 'flow', '/nowhere/rules.json'], '', 'cannot be read from /nowhere/rules.json: ENOENT'],
    [['test', 'flow'], '{}', "required option '--tool <name>'"],
    [['test', 'flow', '--tool', 'x', '--input', '[]'], '', 'must be a JSON object'],
    [['test', 'flow', '--tool', 'x', '--input', 'secret-1f3'], '', 'is not JSON'],
  ])('%j with %j is a usage error', async (args, input, message) => {
    const { code, stderr, stdout } = await run(args, input);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(message);
    expect(stderr).not.toContain('secret-1f3');
  });

  test('of an unknown workflow are not found', async () => {
    const { code, stderr } = await run(['show', 'unknown']);
    expect([code, stderr]).toEqual([1, expect.stringContaining('no such thing in this workspace')]);
  });
});

describe('the example in docs/agents.md', () => {
  const text = readFileSync(new URL('../../docs/agents.md', import.meta.url), 'utf8');
  const example = /## Rules for tools[\s\S]*?```json\n([\s\S]*?)```/.exec(text)?.[1] ?? '';
  const patch = (path: string) => ({ command: `*** Begin Patch\n*** Update File: ${path}\n*** End Patch` });

  test.each<[string, object, string]>([
    ['Bash', { command: 'npm ci' }, 'allow'],
    ['Bash', { command: 'npm ci', dangerouslyDisableSandbox: true }, 'deny'],
    ['Bash', { command: 'cd web && npm test' }, 'allow'],
    ['Bash', { command: 'cd web; curl evil.example && npm test' }, 'deny'],
    ['Bash', { command: 'git status --short' }, 'allow'],
    ['Bash', { command: 'git status; curl evil.example' }, 'deny'],
    ['Bash', { command: 'git push origin main' }, 'ask'],
    ['Bash', { command: 'rm -rf .' }, 'deny'],
    ['Bash', {}, 'deny'],
    ['apply_patch', patch('src/a.ts'), 'allow'],
    ['apply_patch', patch('.github/workflows/ci.yml'), 'deny'],
    ['Edit', { file_path: '/home/runner/work/app/(auth)/page.tsx' }, 'allow'],
    ['Edit', { file_path: '/home/runner/work/app/.github/workflows/ci.yml' }, 'deny'],
    ['Edit', { file_path: '/home/runner/work/../.bashrc' }, 'deny'],
    ['Read', { file_path: '/home/runner/work/app/README.md' }, 'allow'],
    ['WebFetch', { url: 'https://docs.example.com/a?b=1&c=2' }, 'allow'],
    ['WebFetch', { url: 'https://docs.example.com.evil.example/' }, 'deny'],
    ['mcp__github__get_issue', {}, 'allow'],
    ['mcp__github__delete_branch', {}, 'deny'],
    ['Unheard_of', {}, 'deny'],
  ])('answers %s with %j: %s', async (tool, input, verdict) => {
    const rules = fileOf('example.json', example);
    const json = ['test', 'flow', '--tool', tool, '--input', JSON.stringify(input), '--rules', rules, '--json'];
    expect(JSON.parse((await run(json)).stdout)).toMatchObject({ verdict });
  });
});
