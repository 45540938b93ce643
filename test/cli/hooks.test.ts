import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { HOOK_EVENTS } from '../../src/hook/event-name.js';
import { effectOf, runHookCommand } from '../hook/agent.js';
import { eventText } from '../hook/events.js';
import { type AgentOptions, parseToml, readHooks, runAgent } from '../hook/fake-agent.js';
import { commandLine, temporaryDirectory } from './command-line.js';
import { commandLineHere } from './in-process.js';

const FAKE_AGENT = fileURLToPath(new URL('../hook/fake-agent.ts', import.meta.url));
const TSX = import.meta.resolve('tsx');

/** A home of its own, with what is in it. */
function home(files: Record<string, string> = {}) {
  const path = temporaryDirectory();
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), text);
  }
  const at = (name: string) => join(path, name);
  const read = (name: string) => readFileSync(at(name), 'utf8');
  const json = (name: string) => JSON.parse(read(name));
  return { at, read, json, run: commandLineHere(path), runBuilt: commandLine(path) };
}

const CODEX = '.codex/hooks.json';
const CLAUDE = '.claude/settings.json';
const OTHERS = {
  model: 'opus',
  hooks: {
    PreToolUse: [{ matcher: 'Bash', hooks: [{ type: 'command', command: 'my-own-check' }] }],
    Notification: [{ hooks: [{ type: 'command', command: 'ring' }] }],
  },
  permissions: { deny: ['Read(.env)'] },
};

describe('hooks install', () => {
  test('sets up a hook for each event of each agent, for every tool', async () => {
    const { run, at, json } = home();
    expect(await run(['hooks', 'install'])).toMatchObject({ code: 0, stdout: '' });
    for (const file of [CODEX, CLAUDE]) {
      expect(Object.keys(json(file))).toEqual(['hooks']);
      const hooks = readHooks(at(file));
      expect(Object.keys(hooks)).toEqual([...HOOK_EVENTS]);
      for (const event of HOOK_EVENTS) {
        expect(hooks[event]).toEqual([{ hooks: [{ type: 'command', command: expect.any(String), timeout: 30 }] }]);
      }
    }
  });

  test('keeps what is there, and is taken out again without a trace', async () => {
    const { run, read, json } = home({ [CLAUDE]: `${JSON.stringify(OTHERS, null, 4)}\n` });
    const before = read(CLAUDE);
    await run(['hooks', 'install', '--agent', 'claude']);
    expect(read(CLAUDE)).toMatch(/^\{\n {4}"model": "opus",\n/);
    expect(json(CLAUDE)).toMatchObject({ model: 'opus', permissions: OTHERS.permissions });
    expect(json(CLAUDE).hooks.PreToolUse).toHaveLength(2);
    expect(json(CLAUDE).hooks.PreToolUse[0]).toEqual(OTHERS.hooks.PreToolUse[0]);
    await run(['hooks', 'uninstall', '--agent', 'claude']);
    expect(JSON.parse(read(CLAUDE))).toEqual(JSON.parse(before));
  });

  test('done again changes nothing, and brings an old or a tampered hook up to date', async () => {
    const { run, at, read } = home();
    await run(['hooks', 'install', '--agent', 'codex']);
    const first = read(CODEX);
    const { stderr } = await run(['hooks', 'install', '--agent', 'codex']);
    expect(stderr).toContain('is as it should be');
    expect(read(CODEX)).toBe(first);
    const changes: [string | RegExp, string][] = [
      ['--sealed', '--older'],
      ['"timeout": 30', '"timeout": 1'],
      [/"PreToolUse": \[\n\s+\{/, '"PreToolUse": [{ "matcher": "Never",'],
    ];
    for (const [from, to] of changes) {
      const changed = first.replace(from, to);
      expect(changed).not.toBe(first);
      writeFileSync(at(CODEX), changed);
      await run(['hooks', 'install', '--agent', 'codex']);
      expect(read(CODEX)).toBe(first);
    }
  });

  test.each([
    ['is not JSON', '{ "hooks": {}, }'],
    ['has comments', '// mine\n{}'],
    ['is a list', '[]'],
    ['has hooks that are none', '{"hooks":[]}'],
    ['has groups that are none', '{"hooks":{"PreToolUse":{"command":"x"}}}'],
  ])('leaves a file alone that %s, and everything else with it', async (_, text) => {
    const { run, at, read } = home({ [CLAUDE]: text });
    const { code, stderr } = await run(['hooks', 'install']);
    expect(code).toBe(1);
    expect(stderr).toContain('was not changed');
    expect(read(CLAUDE)).toBe(text);
    expect(existsSync(at(CODEX))).toBe(false);
  });

  test('writes in one step, keeps the mode and a link, and leaves nothing behind', async () => {
    const { run, at } = home({ 'dotfiles/settings.json': '{}' });
    mkdirSync(at('.claude'));
    symlinkSync(at('dotfiles/settings.json'), at(CLAUDE));
    chmodSync(at('dotfiles/settings.json'), 0o600);
    await run(['hooks', 'install', '--agent', 'claude']);
    expect(lstatSync(at(CLAUDE)).isSymbolicLink()).toBe(true);
    expect(statSync(at(CLAUDE)).mode & 0o777).toBe(0o600);
    expect(readdirSync(at('dotfiles'))).toEqual(['settings.json']);
  });

  test('looks where the agents are told to look, and into the project', async () => {
    const { runBuilt: run, at } = home();
    const env = { CODEX_HOME: at('codex-home'), CLAUDE_CONFIG_DIR: at('claude-home') };
    await run(['hooks', 'install'], { env });
    await run(['hooks', 'install', '--scope', 'project'], { env });
    const files = ['codex-home/hooks.json', 'claude-home/settings.json', CODEX, CLAUDE];
    expect(files.map((file) => existsSync(at(file)))).toEqual([true, true, true, true]);
  });

  test('writes nothing with --dry-run, and says as JSON what it would', async () => {
    const { run, at } = home();
    const shown = await run(['hooks', 'install', '--agent', 'codex', '--dry-run']);
    expect(Object.keys(JSON.parse(shown.stdout).hooks)).toEqual([...HOOK_EVENTS]);
    const { stdout } = await run(['hooks', 'install', '--agent', 'codex', '--dry-run', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({
      dry_run: true,
      files: [{ agent: 'codex', scope: 'user', path: at(CODEX), changed: true, text: shown.stdout.slice(0, -1) }],
    });
    expect(existsSync(at(CODEX))).toBe(false);
  });

  test.each([
    [['hooks', 'install', '--managed', '--scope', 'user']],
    [['hooks', 'install', '--path', '/tmp/x']],
    [['hooks', 'install', '--agent', 'cursor']],
    [['hooks', 'verify']],
    [['hooks', 'verify', '--', 'sh']],
    [['hooks', 'verify', '--agent', 'codex', '--', '/nonexistent/codex']],
  ])('refuses %j as a usage error', async (args) => {
    expect((await home().run(args)).code).toBe(2);
  });
});

describe('managed hooks', () => {
  const managed = (path: string) => ['--managed', '--agent', 'codex', '--path', path];

  test('of Codex are TOML that says what is needed, with the directory that it looks for', async () => {
    const { run, at, read } = home();
    expect((await run(['hooks', 'install', ...managed(at('etc/requirements.toml'))])).code).toBe(0);
    const parsed = parseToml(read('etc/requirements.toml')) as Record<string, Record<string, unknown>>;
    expect(parsed).toMatchObject({
      allow_managed_hooks_only: true,
      features: { hooks: true },
      hooks: { managed_dir: at('etc/hooks') },
    });
    expect(statSync(at('etc/hooks')).isDirectory()).toBe(true);
    await run(['hooks', 'install', '--agent', 'codex']);
    const hooks = readHooks(at('etc/requirements.toml'));
    for (const event of HOOK_EVENTS) expect(hooks[event]).toEqual(readHooks(at(CODEX))[event]);
  });

  test('of Codex stand beside what the file has, once, and are taken out without a trace', async () => {
    const others = '# ours\nallowed_sandbox_modes = ["read-only"]\n\n[mcp_servers.docs]\nurl = "https://docs.example"';
    const { run, at, read } = home({ 'requirements.toml': others });
    await run(['hooks', 'install', ...managed(at('requirements.toml'))]);
    const first = read('requirements.toml');
    expect(parseToml(first)).toMatchObject({
      allow_managed_hooks_only: true,
      allowed_sandbox_modes: ['read-only'],
      mcp_servers: { docs: { url: 'https://docs.example' } },
    });
    const again = await run(['hooks', 'install', ...managed(at('requirements.toml'))]);
    expect(again.stderr).toContain('is as it should be');
    await run(['hooks', 'uninstall', ...managed(at('requirements.toml'))]);
    expect(read('requirements.toml')).toBe(`${others}\n`);
  });

  test('of Codex can be read where the file begins with a byte order mark', async () => {
    const { run, at, read } = home({ 'requirements.toml': '\ufeffallowed_sandbox_modes = []\n' });
    await run(['hooks', 'install', ...managed(at('requirements.toml'))]);
    expect(parseToml(read('requirements.toml'))).toMatchObject({
      allowed_sandbox_modes: [],
      features: { hooks: true },
    });
  });

  test.each([
    '[hooks]\nmanaged_dir = "/x"\n',
    '[[hooks.PreToolUse]]\n',
    'hooks.managed_dir = "/x"\n',
    'hooks = {}\n',
    '"hooks" = {}\n',
    " 'features'.hooks = false\n",
    '[features]\nhooks = false\n',
    '[ features ]\n',
    'allow_managed_hooks_only = false\n',
  ])('of Codex are not written beside %j, which takes a person', async (text) => {
    const { run, at, read } = home({ 'requirements.toml': text });
    const { code, stderr } = await run(['hooks', 'install', ...managed(at('requirements.toml'))]);
    expect(code).toBe(1);
    expect(stderr).toContain('by hand');
    expect(stderr).toContain('[[hooks.PreToolUse]]');
    expect(read('requirements.toml')).toBe(text);
  });

  test('of Claude Code are the only ones that run', async () => {
    const { run, at, json } = home({ 'managed-settings.json': '{"cleanupPeriodDays":7}' });
    const flags = ['--managed', '--agent', 'claude', '--path', at('managed-settings.json')];
    await run(['hooks', 'install', ...flags]);
    expect(json('managed-settings.json')).toMatchObject({ cleanupPeriodDays: 7, allowManagedHooksOnly: true });
    await run(['hooks', 'uninstall', ...flags]);
    expect(json('managed-settings.json')).toEqual({ cleanupPeriodDays: 7 });
  });
});

describe('the hooks that are set up', () => {
  test.each([CODEX, CLAUDE])('of %s deny where there is no guard', async (file) => {
    const { runBuilt: run, at } = home();
    await run(['hooks', 'install']);
    const effects = HOOK_EVENTS.map(async (event) => {
      const [group] = readHooks(at(file))[event] ?? [];
      const command = typeof group === 'object' ? (group.hooks[0]?.command ?? '') : '';
      return effectOf(event, await runHookCommand(command, eventText(event), { env: {} }));
    });
    expect(new Set(await Promise.all(effects))).toEqual(new Set(['stopped']));
    const makes = at('made');
    expect(await runAgent({ files: [at(file)], makes }, {})).toBe('no session');
    expect(existsSync(makes)).toBe(false);
  });
});

describe('hooks verify', () => {
  async function verify(over: Partial<AgentOptions> & { install?: boolean; within?: string } = {}) {
    const { runBuilt: run, at } = home();
    const { install = true, within = '60', ...rest } = over;
    if (install) await run(['hooks', 'install', '--agent', 'codex']);
    const options = { files: install ? [at(CODEX)] : [], makes: at('made'), ...rest };
    const command = [process.execPath, '--import', TSX, FAKE_AGENT, JSON.stringify(options)];
    const env = { COUNTERSIGN_TOKEN: 'not-for-the-agent' };
    const flags = ['--agent', 'codex', '--within', within];
    const { code, stdout, stderr } = await run(['hooks', 'verify', ...flags, '--json', '--', ...command], { env });
    return { code, stderr, answer: JSON.parse(stdout), made: existsSync(at('made')) };
  }

  test('proves that hooks fire and a denied tool does not run', async () => {
    const { code, answer, made, stderr } = await verify();
    expect([code, made, stderr]).toEqual([0, false, 'denied\n']);
    expect(answer).toMatchObject({
      agent: 'codex',
      proven: true,
      fired: ['SessionStart', 'UserPromptSubmit', 'PreToolUse'],
      denial_ignored: false,
      command: { exit_code: 0, signal: null, timed_out: false },
    });
    expect(answer.files.map(({ scope, state }: { scope: string; state: string }) => [scope, state])).toContainEqual([
      'user',
      'current',
    ]);
  });

  test('says so when they do not fire, though they are set up', async () => {
    const { code, answer, made } = await verify({ isDeaf: true });
    expect([code, made, answer.proven, answer.fired]).toEqual([1, true, false, []]);
  });

  test('says so when they are not set up', async () => {
    const { code, answer } = await verify({ install: false });
    expect([code, answer.proven]).toEqual([1, false]);
    expect(answer.files.every(({ state }: { state: string }) => state === 'absent')).toBe(true);
  });

  test('says so when an agent does not heed a denial', async () => {
    const { code, answer, made } = await verify({ isDefiant: true });
    expect([code, made, answer.proven, answer.denial_ignored]).toEqual([1, true, false, true]);
  });

  test('takes nothing for proven where no tool was about to run', async () => {
    const { code, answer } = await verify({ tool: '' });
    expect([code, answer.proven, answer.fired]).toEqual([1, false, ['SessionStart', 'UserPromptSubmit']]);
  });

  test('ends an agent that does not end', async () => {
    const { runBuilt: run } = home();
    const flags = ['--agent', 'claude', '--within', '1'];
    const { code, stdout } = await run([
      'hooks',
      'verify',
      ...flags,
      '--json',
      '--',
      'sh',
      '-c',
      'sleep 1000 & sleep 1000',
    ]);
    expect(code).toBe(1);
    expect(JSON.parse(stdout).command).toMatchObject({ timed_out: true });
  });

  test('tells a person plainly', async () => {
    const { runBuilt: run } = home({ [CLAUDE]: '{"disableAllHooks":true}' });
    const { code, stdout, stderr } = await run(['hooks', 'verify', '--agent', 'claude', '--', 'true']);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^PreToolUse +did not fire$/m);
    expect(stderr).toMatch(/turns all hooks off/);
    expect(stderr).toMatch(/did NOT fire/);
  });
});
