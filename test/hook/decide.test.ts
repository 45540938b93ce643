import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decideHook, type HookFacts, malformedEvent, needsRules, type Standing } from '../../src/hook/decide.js';
import { type HookEvent, parseHookEvent } from '../../src/hook/event.js';
import { HOOK_EVENTS, type HookEventName } from '../../src/hook/event-name.js';
import { printToken } from '../../src/rules/format.js';
import { NO_TOOL_RULES, type ToolRule, type ToolRules } from '../../src/rules/tool-rule.js';
import { anyToken } from '../setup/arbitraries.js';
import { eventOf } from './events.js';

const live: Standing = { kind: 'live' };

function event(name: HookEventName, over: Record<string, unknown> = {}): HookEvent {
  const read = parseHookEvent(eventOf(name, over));
  if (read === undefined) throw new Error(`no ${name}`);
  return read;
}

const facts = (rules: ToolRules = NO_TOOL_RULES): HookFacts => ({ standing: live, rules: { kind: 'read', rules } });
const ruled = (...rules: ToolRule[]): HookFacts => facts({ default: 'allow', rules });
const decide = (name: HookEventName, over = {}, known = facts()) => decideHook(event(name, over), known);

// Put together here, so that no scanner of this repository takes them for real.
const [token = ''] = fc.sample(anyToken, { numRuns: 1, seed: 1 }).map(printToken);
const AWS = ['AKIA', 'Q3EGRTUXLKJ5ZWVN'].join('');
const KEY = [
  `-----BEGIN ${'PRIVATE'} KEY-----`,
  'MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g',
  `-----END ${'PRIVATE'} KEY-----`,
].join('\n');
const PASSWORD = ['vK9', '#xQ2mZ8', 'rT5pLw7N', 'dH3sB6'].join('');

describe('an event', () => {
  test.each(HOOK_EVENTS)('%s is read, with whatever more an agent says', (name) => {
    expect(parseHookEvent(eventOf(name, { agent_id: 'a', later: { version: 2 } }))?.name).toBe(name);
    expect(parseHookEvent(eventOf(name, { model: undefined, permission_mode: undefined }))?.name).toBe(name);
  });

  const NEEDED: [HookEventName, string][] = [
    ...HOOK_EVENTS.map((name): [HookEventName, string] => [name, 'session_id']),
    ['UserPromptSubmit', 'prompt'],
    ...(['PreToolUse', 'PermissionRequest', 'PostToolUse'] as const).flatMap((name): [HookEventName, string][] => [
      [name, 'tool_name'],
      [name, 'tool_input'],
    ]),
    ['PostToolUse', 'tool_response'],
  ];
  test.each(NEEDED)('%s without %s is none', (name, member) => {
    expect(parseHookEvent(eventOf(name, { [member]: undefined }))).toBeUndefined();
  });

  test.each([
    ['PreToolUse', { tool_name: '' }],
    ['PreToolUse', { tool_name: ['Bash'] }],
    ['PreToolUse', { tool_name: 'x'.repeat(513) }],
    ['UserPromptSubmit', { prompt: { text: 'hello' } }],
    ['PreToolUse', { hook_event_name: 'pretooluse' }],
    ['Stop', { hook_event_name: 'SubagentStop' }],
  ] satisfies [HookEventName, Record<string, unknown>][])('%s with %j is none', (name, over) => {
    expect(parseHookEvent(eventOf(name, over))).toBeUndefined();
  });

  test('that is none is denied', () => {
    expect(malformedEvent()).toMatchObject({ ruling: { verdict: 'deny' }, decision: 'deny', code: 'malformed' });
  });
});

describe('a run that may not go on', () => {
  test.each(HOOK_EVENTS)('has %s denied, whatever the rules say', (name) => {
    const rules = { kind: 'read', rules: { default: 'allow', rules: [{ verdict: 'allow', tool: '*' }] } } as const;
    const ended = decideHook(event(name), { standing: { kind: 'ended', detail: 'the token was revoked' }, rules });
    expect(ended).toMatchObject({ ruling: { verdict: 'deny', reason: 'the token was revoked' }, code: 'run_ended' });
    const unknown = decideHook(event(name), { standing: { kind: 'unknown', detail: 'it hangs' }, rules });
    expect(unknown).toMatchObject({ ruling: { verdict: 'deny', reason: 'it hangs' }, code: 'run_unknown' });
  });
});

describe('a secret', () => {
  const secrets: [string, string][] = [
    ['our own token', `use ${token} for it`],
    ["a provider's key", `AWS_ACCESS_KEY_ID=${AWS}`],
    ['a private key', KEY],
    ['an assigned value', `api_key = "${PASSWORD}"`],
  ];

  test.each(secrets)('in a prompt is blocked, and not shown: %s', (_, text) => {
    const decision = decide('UserPromptSubmit', { prompt: text });
    expect(decision).toMatchObject({ decision: 'deny', code: 'secret' });
    for (const secret of [token, AWS, 'MC4CAQ', PASSWORD]) expect(JSON.stringify(decision)).not.toContain(secret);
  });

  test.each(secrets)('in what a tool is given is denied: %s', (_, text) => {
    for (const name of ['PreToolUse', 'PermissionRequest'] as const) {
      for (const input of [{ command: text }, { args: ['-c', [{ deep: text }]] }, text, { [text]: 1 }]) {
        expect(decide(name, { tool_input: input })).toMatchObject({ decision: 'deny', code: 'secret' });
      }
    }
  });

  test('that a member of the input is named after is found', () => {
    expect(decide('PreToolUse', { tool_input: { api_key: PASSWORD } })).toMatchObject({ code: 'secret' });
  });

  test.each(secrets)('in what a tool gave is withheld: %s', (_, text) => {
    for (const response of [text, { stdout: text }, [{ type: 'text', text }]]) {
      expect(decide('PostToolUse', { tool_response: response })).toMatchObject({ decision: 'deny', code: 'secret' });
    }
  });

  test('is looked for in a tower of any height', () => {
    let tower: unknown = token;
    for (let floor = 0; floor < 100_000; floor += 1) tower = [tower];
    expect(decide('PreToolUse', { tool_input: tower })).toMatchObject({ code: 'secret' });
  });

  test('is stronger than a rule that allows', () => {
    const known = ruled({ verdict: 'allow', tool: 'Bash' });
    expect(decide('PermissionRequest', { tool_input: { command: token } }, known)).toMatchObject({ code: 'secret' });
  });
});

describe('the tool rules', () => {
  const all = (verdict: ToolRule['verdict'], reason?: string) => ruled({ verdict, tool: 'Bash', reason });

  test('let a tool be used, and answer for a person only where a rule says so', () => {
    expect(decide('PreToolUse', {}, all('allow')).ruling).toEqual({ verdict: 'silent' });
    expect(decide('PermissionRequest', {}, all('allow')).ruling).toEqual({ verdict: 'allow' });
    expect(decide('PermissionRequest').ruling).toEqual({ verdict: 'silent' });
    expect(decide('PreToolUse').ruling).toEqual({ verdict: 'silent' });
  });

  test('deny a tool with their reason', () => {
    for (const name of ['PreToolUse', 'PermissionRequest'] as const) {
      const decision = decide(name, {}, all('deny', 'not on this machine'));
      expect(decision).toMatchObject({ decision: 'deny', code: 'tool_rule', rule: 0 });
      expect(decision.ruling).toEqual({ verdict: 'deny', reason: 'not on this machine' });
    }
  });

  test('that leave it to a person deny before the tool, and leave the request to the person', () => {
    const before = decide('PreToolUse', {}, all('ask'));
    expect(before).toMatchObject({ ruling: { verdict: 'deny' }, decision: 'deny', rule: 0 });
    expect(before.detail).toContain('Nobody can be asked');
    expect(decide('PermissionRequest', {}, all('ask'))).toMatchObject({
      ruling: { verdict: 'silent' },
      decision: 'ask',
    });
  });

  test('decide by their default where none matches, an unknown tool included', () => {
    const closed = facts({ default: 'deny', rules: [{ verdict: 'allow', tool: 'Read' }] });
    expect(decide('PreToolUse', { tool_name: 'mcp__new__thing' }, closed)).toMatchObject({
      decision: 'deny',
      code: 'tool_default',
      rule: undefined,
    });
  });

  test('that cannot be read deny', () => {
    for (const rules of [undefined, { kind: 'unknown', detail: 'it hangs' } as const]) {
      const decision = decideHook(event('PreToolUse'), { standing: live, rules });
      expect(decision).toMatchObject({ decision: 'deny', code: 'tool_rules_unknown' });
    }
  });

  test('are asked for where they have a say, and nowhere else', () => {
    expect(HOOK_EVENTS.filter((name) => needsRules(event(name)))).toEqual(['PreToolUse', 'PermissionRequest']);
    for (const name of ['SessionStart', 'UserPromptSubmit', 'PostToolUse', 'Stop'] as const) {
      const decision = decideHook(event(name), { standing: live, rules: undefined });
      expect(decision).toMatchObject({ ruling: { verdict: 'silent' }, decision: 'allow', code: 'run_live' });
    }
  });
});

describe('whatever an agent says', () => {
  const anything = fc.jsonValue({ maxDepth: 6 });
  const anyEvent = fc.record({
    hook_event_name: fc.oneof(fc.constantFrom(...HOOK_EVENTS), fc.string()),
    session_id: fc.oneof(fc.constant('s'), anything),
    prompt: fc.oneof(fc.string(), anything),
    tool_name: fc.oneof(fc.constantFrom('Bash', 'Read'), anything),
    tool_input: anything,
    tool_response: anything,
  });
  const anyRules = fc.record({
    default: fc.constantFrom('allow', 'deny', 'ask'),
    rules: fc.array(
      fc.record({ verdict: fc.constantFrom('allow', 'deny', 'ask'), tool: fc.constantFrom('*', 'Bash') }),
    ),
  });

  test('it is decided, and allowed in a person’s place by nothing but a rule', () => {
    fc.assert(
      fc.property(anyEvent, anyRules, (given, rules) => {
        const read = parseHookEvent(given);
        if (read === undefined) return;
        const { ruling, decision, code } = decideHook(read, facts(rules as ToolRules));
        if (ruling.verdict === 'allow') expect([read.name, code]).toEqual(['PermissionRequest', 'tool_rule']);
        expect(ruling.verdict === 'deny').toBe(decision === 'deny');
      }),
    );
  });

  test('it is denied where the run may not go on', () => {
    fc.assert(
      fc.property(anyEvent, fc.constantFrom('ended', 'unknown'), (given, kind) => {
        const read = parseHookEvent(given);
        if (read === undefined) return;
        const standing = { kind, detail: 'no' } as Standing;
        expect(decideHook(read, { ...facts(), standing }).ruling.verdict).toBe('deny');
      }),
    );
  });
});
