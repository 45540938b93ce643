import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HOOK_EVENTS, type HookEventName } from '../../src/hook/event-name.js';
import { MOST_EVENT_BYTES } from '../../src/hook/input.js';
import { AGENT_TIMEOUT_SECONDS, HOOK_LIMITS, type HookLimits, hookCommand } from '../../src/hook/wrapper.js';
import { MAIN, temporaryDirectory } from '../cli/command-line.js';
import { effectOf, type HookRun, runHookCommand } from './agent.js';
import { eventText } from './events.js';
import { type ScriptedGuard, scriptedGuard } from './scripted-guard.js';

/** For what never comes to an end by itself. */
const QUICK: HookLimits = { deadline: 0.5, run: 2, drain: 5 };
const guards: ScriptedGuard[] = [];
const say = (text: string) => (socket: Socket) => void socket.end(text);

async function guardThat(answer: (socket: Socket) => void): Promise<ScriptedGuard> {
  const guard = await scriptedGuard(answer);
  guards.push(guard);
  return guard;
}

let silent: ScriptedGuard;
let allowing: ScriptedGuard;
let denying: ScriptedGuard;
let hanging: ScriptedGuard;
let closing: ScriptedGuard;
let cutOff: ScriptedGuard;
let babbling: ScriptedGuard;
let asking: ScriptedGuard;
let endless: ScriptedGuard;
const programs = temporaryDirectory();

function programThat(name: string, text: string): string {
  const path = join(programs, `${name}.mjs`);
  writeFileSync(path, text);
  return path;
}

beforeAll(async () => {
  silent = await guardThat(say('{"verdict":"silent"}\n'));
  allowing = await guardThat(say('{"verdict":"allow"}\n'));
  denying = await guardThat(say('{"verdict":"deny","reason":"the token was revoked"}\n'));
  hanging = await guardThat(() => undefined);
  closing = await guardThat((socket) => socket.destroy());
  cutOff = await guardThat(say('{"verdict":"allow"}'));
  babbling = await guardThat(say('HTTP/1.1 200 OK\n'));
  asking = await guardThat(say('{"verdict":"ask"}\n'));
  endless = await guardThat((socket) => {
    const pour = () => {
      while (socket.write('x'.repeat(65_536)));
    };
    socket.on('drain', pour);
    pour();
  });
});

afterAll(async () => {
  for (const guard of guards) await guard.close();
});

interface Case {
  readonly guard?: () => string;
  readonly input?: (event: HookEventName) => string | Buffer;
  readonly node?: string;
  readonly program?: () => string;
  readonly env?: NodeJS.ProcessEnv;
  readonly limits?: HookLimits;
  /** Whether the agent's shell reads the login profile, which may set another `PATH`. */
  readonly isLogin?: boolean;
}

const FAULTS: Record<string, Case> = {
  'the guard denies': { guard: () => denying.path },
  'there is no guard': {},
  'the guard is dead': { guard: () => join(programs, 'nobody.sock') },
  'the guard hangs': { guard: () => hanging.path, limits: QUICK },
  'the guard closes the connection': { guard: () => closing.path },
  'the guard is cut off in its answer': { guard: () => cutOff.path },
  'the guard is something else': { guard: () => babbling.path },
  'the guard rules what no ruling is': { guard: () => asking.path },
  'the guard never stops talking': { guard: () => endless.path },
  'the event is malformed': { input: () => '{"hook_event_name":' },
  'the event is empty': { input: () => '' },
  'the event is a list': { input: () => '[]' },
  'the event is not UTF-8': { input: (event) => Buffer.from(eventText(event).replace('srv', '\xff'), 'latin1') },
  'the event is huge': { input: (event) => eventText(event, { more: 'x'.repeat(MOST_EVENT_BYTES) }) },
  'the event is a tower': {
    input: (event) => `{"hook_event_name":"${event}","x":${'['.repeat(5e4)}${']'.repeat(5e4)}}`,
  },
  'the event is another one': { input: (event) => eventText(event, { hook_event_name: 'Notification' }) },
  'the event has no name': { input: (event) => eventText(event, { hook_event_name: undefined }) },
  'Node is missing': { node: '/nonexistent/node', input: (event) => eventText(event, { more: 'x'.repeat(200_000) }) },
  'the program is missing': { program: () => join(programs, 'nothing.mjs') },
  'the program has a syntax error': { program: () => programThat('syntax', 'const = 1') },
  'a module of the program is missing': { program: () => programThat('module', "import './gone.js'") },
  'the program says nothing': { program: () => programThat('nothing', '') },
  'the program says what is not sealed': { program: () => programThat('unsealed', 'console.log("{}")') },
  'the program says something else': { program: () => programThat('noise', 'console.log("countersign maybe {}")') },
  'the program says two things': {
    program: () => programThat('two', 'console.log("countersign pass\\ncountersign pass")'),
  },
  'the program passes and fails': {
    program: () => programThat('fails', 'console.log("countersign pass");process.exit(1)'),
  },
  'the program exits with 2': { program: () => programThat('two-exit', 'process.exit(2)') },
  'the program is killed': { program: () => programThat('killed', 'process.kill(process.pid, "SIGKILL")') },
  'the program hangs': { program: () => programThat('hangs', 'for (;;);'), limits: QUICK },
  'the program runs out of memory': {
    program: () => programThat('memory', 'const all = []; for (;;) all.push(new Array(1e6).fill(all.length))'),
    env: { NODE_OPTIONS: '--max-old-space-size=16' },
  },
  'Node is given options that it does not know': { env: { NODE_OPTIONS: '--no-such-option' } },
};

/** The table of faults in the docs: what is printed for each event. */
const DOCUMENTED = tableIn(fileURLToPath(new URL('../../src/hook/README.md', import.meta.url)));

function tableIn(path: string): Map<string, string[]> {
  const lines = readFileSync(path, 'utf8').split('\n');
  const head = lines.findIndex((line) => line.startsWith('| fault'));
  const end = lines.findIndex((line, at) => at > head && !line.startsWith('|'));
  const rows = lines.slice(head + 2, end).map((line) => line.split('|').slice(1, -1));
  return new Map(rows.map(([fault = '', ...cells]) => [fault.trim(), cells.map((cell) => cell.trim())]));
}

const FORMS: Record<string, string> = {
  '"continue":false': 'stop',
  '"decision":"block"': 'block',
  '"permissionDecision":"deny"': 'deny',
  '"behavior":"deny"': 'deny',
};

/** What the table says of a run: the form of its denial, and the exit code. */
function printed({ stdout, code }: HookRun): string {
  const form = Object.keys(FORMS).find((text) => stdout.includes(text));
  return `${FORMS[form ?? '']} ${code}`;
}

async function runCase(event: HookEventName, one: Case): Promise<HookRun> {
  const {
    guard = () => silent.path,
    input = eventText,
    node = process.execPath,
    program = () => MAIN,
    env,
    limits,
    isLogin,
  } = one;
  const hasGuard = one !== FAULTS['there is no guard'];
  return await runHookCommand(hookCommand(event, node, program(), limits), input(event), {
    env: { ...env, ...(hasGuard ? { COUNTERSIGN_GUARD_SOCKET: guard() } : {}) },
    ...(isLogin === undefined ? {} : { isLogin }),
  });
}

describe('no fault lets anything through', () => {
  test.each(Object.entries(FAULTS))('%s', async (fault, one) => {
    const runs = await Promise.all(HOOK_EVENTS.map(async (event) => ({ event, run: await runCase(event, one) })));
    const effects = runs.map(({ event, run }) => [event, effectOf(event, run)]);
    expect(effects).toEqual(HOOK_EVENTS.map((event) => [event, 'stopped']));
    for (const { run } of runs) expect(run.stderr.trim()).not.toBe('');
    expect(DOCUMENTED.get(fault)).toEqual(runs.map(({ run }) => printed(run)));
  });

  test('and the table in the docs has no other rows', () => {
    expect([...DOCUMENTED.keys()]).toEqual(Object.keys(FAULTS));
  });
});

describe('the hook', () => {
  test('is started by words that every login shell passes on as they are', () => {
    for (const event of HOOK_EVENTS) {
      const command = hookCommand(event, process.execPath, MAIN);
      expect(command).not.toContain('\n');
      expect(command.split(' ')[0]).toBe('/bin/sh');
      // In single quotes throughout: an even number of them, and none that is escaped.
      expect(command.match(/'/g)?.length).toBe(2 * (command.match(/(?<= )'/g)?.length ?? 0));
    }
  });

  test('answers before its shell ends it, and the shell before the agent does', () => {
    const { deadline, run, drain } = HOOK_LIMITS;
    expect(deadline).toBeLessThan(run);
    expect(run + drain).toBeLessThan(AGENT_TIMEOUT_SECONDS);
  });

  test('says nothing when the guard has nothing to say, and allows what it is asked to allow', async () => {
    for (const event of HOOK_EVENTS) {
      const [quiet, allowed] = await Promise.all([
        runCase(event, { guard: () => silent.path }),
        runCase(event, { guard: () => allowing.path }),
      ]);
      expect([quiet.code, quiet.stdout, quiet.fault]).toEqual([0, '', undefined]);
      expect(effectOf(event, allowed)).toBe(event === 'PermissionRequest' ? 'allowed' : 'went_on');
    }
  });

  test('gives the guard the event as it came, and the canary', async () => {
    const guard = await guardThat(say('{"verdict":"silent"}\n'));
    await runCase('PreToolUse', { guard: () => guard.path, env: { COUNTERSIGN_HOOK_CANARY: 'yellow' } });
    expect(JSON.parse(guard.questions[0] ?? '')).toEqual({
      event: JSON.parse(eventText('PreToolUse')),
      canary: 'yellow',
    });
  });

  test('denies with what the guard said, in the words of the model', async () => {
    const run = await runCase('PreToolUse', { guard: () => denying.path });
    expect(JSON.parse(run.stdout).hookSpecificOutput.permissionDecisionReason).toBe(
      'countersign: the token was revoked',
    );
  });

  test('is read also where a login profile writes to standard output', async () => {
    const home = temporaryDirectory();
    writeFileSync(join(home, '.profile'), 'echo welcome\n');
    const blocked: HookEventName[] = ['UserPromptSubmit', 'PreToolUse', 'PermissionRequest', 'PostToolUse'];
    for (const event of blocked) {
      const run = await runCase(event, { guard: () => denying.path, env: { HOME: home } });
      expect(run.stdout).toMatch(/^welcome/);
      expect(effectOf(event, run)).toBe('stopped');
    }
  });

  test('works where there is no `timeout`', async () => {
    const without = (program: string, limits: HookLimits) => {
      const command = hookCommand('PreToolUse', process.execPath, program, limits);
      return command.replace('command -v timeout', 'command -v no-timeout');
    };
    const env = { COUNTERSIGN_GUARD_SOCKET: silent.path };
    const passed = await runHookCommand(without(MAIN, HOOK_LIMITS), eventText('PreToolUse'), { env });
    expect([passed.code, passed.stdout, passed.stderr]).toEqual([0, '', '']);
    const hanging = programThat('hangs-too', 'for (;;);');
    const hung = await runHookCommand(without(hanging, QUICK), eventText('PreToolUse'), { env });
    expect(effectOf('PreToolUse', hung)).toBe('stopped');
  });

  test('runs nothing that a checkout has put into the path', async () => {
    const bin = temporaryDirectory();
    for (const tool of ['timeout', 'node', 'cat', 'sh']) {
      writeFileSync(join(bin, tool), '#!/bin/sh\necho countersign pass\n', { mode: 0o755 });
    }
    const env = { PATH: `${bin}:${process.env['PATH']}` };
    const run = await runCase('PreToolUse', { guard: () => denying.path, env, isLogin: false });
    expect(effectOf('PreToolUse', run)).toBe('stopped');
  });

  test('denies where standard input or standard error is closed, and where it is told to end', async () => {
    const command = hookCommand('SessionStart', process.execPath, MAIN);
    const closed = await runHookCommand(`${command} <&-`, '', { env: {} });
    expect(effectOf('SessionStart', closed)).toBe('stopped');
    const mute = await runHookCommand(`${hookCommand('PreToolUse', process.execPath, MAIN)} 2>&-`, '{}', { env: {} });
    expect(effectOf('PreToolUse', mute)).toBe('stopped');
    const told = programThat('ends', 'process.kill(process.ppid, "SIGTERM"); setTimeout(() => process.exit(1), 100)');
    for (const event of HOOK_EVENTS) {
      expect(effectOf(event, await runCase(event, { program: () => told }))).toBe('stopped');
    }
  });

  test('stays whole where paths have blanks and quotes', async () => {
    const directory = join(temporaryDirectory(), "it's $HOME");
    mkdirSync(directory);
    symlinkSync(process.execPath, join(directory, 'no"de'));
    const run = await runCase('PreToolUse', { node: join(directory, 'no"de') });
    expect([run.code, run.stdout, run.stderr]).toEqual([0, '', '']);
  });
});

describe('without the shell around it, the hook', () => {
  const start = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
    spawn(process.execPath, [MAIN, 'hook', ...args], { env: { PATH: process.env['PATH'], ...env }, stdio: 'pipe' });

  async function endOf(child: ReturnType<typeof start>): Promise<HookRun> {
    const texts = { stdout: '', stderr: '' };
    child.stdout.on('data', (piece) => {
      texts.stdout += piece;
    });
    child.stderr.on('data', (piece) => {
      texts.stderr += piece;
    });
    const [code] = await once(child, 'close');
    return { ...texts, code, fault: undefined };
  }

  test('denies within its deadline when standard input is never closed', async () => {
    const runs = HOOK_EVENTS.map(async (event) => {
      const child = start(['--event', event, '--deadline-seconds', '0.5']);
      child.stdin.write('{"hook_event_name":');
      return effectOf(event, await endOf(child));
    });
    expect(new Set(await Promise.all(runs))).toEqual(new Set(['stopped']));
  });

  test('denies when it is told to end', async () => {
    const runs = HOOK_EVENTS.map(async (event) => {
      const asked = await guardThat(() => child.kill('SIGTERM'));
      const child = start(['--event', event], { COUNTERSIGN_GUARD_SOCKET: asked.path });
      child.stdin.end(eventText(event));
      return effectOf(event, await endOf(child));
    });
    expect(new Set(await Promise.all(runs))).toEqual(new Set(['stopped']));
  });

  test.each(HOOK_EVENTS)('says no to %s by its exit code when nobody reads its output', async (event) => {
    const child = start(['--event', event]);
    child.stdout.destroy();
    let stderr = '';
    child.stderr.on('data', (piece) => {
      stderr += piece;
    });
    child.stdin.end(eventText(event));
    const [code] = await once(child, 'exit');
    expect(code).toBe(event === 'Stop' ? 1 : 2);
    expect(stderr).toContain('no guard');
  });

  test('denies by exit code 2 where it cannot know the event, and by the form of the event where it can', async () => {
    const unknown = ['{"hook_event_name":', '', '{}', '[]', eventText('PreToolUse', { hook_event_name: 'PreCompact' })];
    for (const input of unknown) {
      const child = start([]);
      child.stdin.end(input);
      const run = await endOf(child);
      expect([run.code, run.stdout]).toEqual([2, '']);
      expect(run.stderr).toMatch(/^countersign: ./);
    }
    const child = start([]);
    child.stdin.end(eventText('PreToolUse'));
    const run = await endOf(child);
    expect([run.code, effectOf('PreToolUse', run)]).toEqual([0, 'stopped']);
  });

  test.each([[['--evnt', 'PreToolUse']], [['--event', 'Notification']], [['--event']], [['PreToolUse']]])(
    'denies when it is started with %j',
    async (args) => {
      const child = start([...args]);
      child.stdin.end('rubbish');
      expect(await endOf(child)).toMatchObject({
        code: 2,
        stdout: '',
        stderr: expect.stringMatching(/^countersign: ./),
      });
    },
  );

  test('denies in the form of its event when an option is wrong', async () => {
    const child = start(['--event', 'SessionStart', '--deadline-seconds', 'soon']);
    child.stdin.end(eventText('SessionStart'));
    expect(effectOf('SessionStart', await endOf(child))).toBe('stopped');
  });
});
