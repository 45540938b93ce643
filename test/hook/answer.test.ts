import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { answerOf } from '../../src/hook/answer.js';
import { HOOK_EVENTS, type HookEventName } from '../../src/hook/event-name.js';
import { denial, parseRuling, type Ruling } from '../../src/hook/ruling.js';
import { effectOf, OUTPUTS } from './agent.js';

const run = (stdout: string, code = 0, stderr = '') => ({ code, stdout, stderr, fault: undefined });
const deny = denial('the token was revoked');
const TOOL_EVENTS: readonly HookEventName[] = ['PreToolUse', 'PermissionRequest'];

describe('what the hook prints', () => {
  test.each(HOOK_EVENTS)('denies %s in the form that its strict schema knows', (event) => {
    const { stdout } = answerOf(event, deny);
    expect(OUTPUTS[event].safeParse(JSON.parse(stdout)).success).toBe(true);
    expect(effectOf(event, run(stdout))).toBe('stopped');
    expect(stdout).toContain('the token was revoked');
  });

  test.each(HOOK_EVENTS)('is nothing at all for %s when there is nothing to say', (event) => {
    expect(answerOf(event, { verdict: 'silent' })).toEqual({ stdout: '', stderr: '' });
  });

  test('allows a request for permission, and says of no other event that it is allowed', () => {
    for (const event of HOOK_EVENTS) {
      const { stdout } = answerOf(event, { verdict: 'allow' });
      expect(effectOf(event, run(stdout))).toBe(event === 'PermissionRequest' ? 'allowed' : 'went_on');
      if (event !== 'PermissionRequest') expect(stdout).toBe('');
    }
  });

  test('stays in the strict schemas and stops the event, whatever the reason is made of', () => {
    fc.assert(
      fc.property(fc.constantFrom(...HOOK_EVENTS), fc.string({ unit: 'binary', maxLength: 200 }), (event, reason) => {
        const { stdout, stderr } = answerOf(event, denial(reason));
        expect(effectOf(event, run(stdout))).toBe('stopped');
        expect(stdout).not.toContain('\n');
        expect(stderr).toMatch(/^countersign: ./u);
      }),
    );
  });
});

test('a reason is cut where it is too long, and never in the middle of a character', () => {
  const { stderr } = answerOf('PreToolUse', denial('\u{1f511}'.repeat(5_000)));
  expect(stderr.isWellFormed()).toBe(true);
  expect([...stderr].length).toBeLessThan(1_100);
});

describe('the traps of hooks', () => {
  test('1: an empty reason is a failed hook: an empty one is filled', () => {
    for (const reason of ['', ' ', '\n\t', '\u0000']) {
      for (const event of HOOK_EVENTS)
        expect(effectOf(event, run(answerOf(event, denial(reason)).stdout))).toBe('stopped');
    }
  });

  test('1: exit code 2 with nothing on standard error, another code and broken JSON are failed hooks', () => {
    for (const event of HOOK_EVENTS) {
      expect(effectOf(event, run('', 2))).toBe('failed');
      expect(effectOf(event, run(answerOf(event, deny).stdout, 1))).toBe('failed');
      expect(effectOf(event, run('{"continue":fal'))).toBe('failed');
    }
  });

  test('2: none of what fails before a tool is ever printed there', () => {
    const verdicts: Ruling[] = [deny, { verdict: 'allow' }, { verdict: 'silent' }];
    const printed = verdicts.map((ruling) => answerOf('PreToolUse', ruling).stdout);
    for (const stdout of printed) {
      expect(stdout).not.toMatch(/"ask"|"allow"|"approve"|"continue"|"stopReason"|"suppressOutput"/);
    }
  });

  test('3: no permission carries input, permissions or an interruption', () => {
    for (const ruling of [deny, { verdict: 'allow' }] satisfies Ruling[]) {
      const { stdout } = answerOf('PermissionRequest', ruling);
      expect(stdout).not.toMatch(/updatedInput|updatedPermissions|interrupt/);
    }
  });

  test('4: the start of a session is stopped by `continue` alone, and a stop never means "go on"', () => {
    for (const event of ['SessionStart', 'Stop'] as const) {
      expect(JSON.parse(answerOf(event, deny).stdout)).toMatchObject({ continue: false });
      expect(answerOf(event, deny).stdout).not.toContain('decision');
      expect(effectOf(event, run('', 2, 'a reason'))).toBe('went_on');
    }
  });

  test('5: before a tool there is no way to leave it to a person: only a denial or silence', () => {
    expect(TOOL_EVENTS.map((event) => answerOf(event, { verdict: 'silent' }).stdout)).toEqual(['', '']);
  });
});

describe('a ruling', () => {
  test('is what was sent', () => {
    for (const ruling of [deny, { verdict: 'allow' }, { verdict: 'silent' }] satisfies Ruling[]) {
      expect(parseRuling(`${JSON.stringify(ruling)}\n`)).toEqual(ruling);
    }
  });

  test.each([
    '',
    'null',
    '[]',
    '"allow"',
    '{}',
    '{"verdict":"allow"',
    '{"verdict":"Allow"}',
    '{"verdict":true}',
    '{"verdict":"allow","reason":"x"}',
    '{"verdict":"allow","x":1}',
    '{"verdict":"deny"}',
    '{"verdict":"deny","reason":1}',
    '{"verdict":"ask"}',
    '{"verdict":"allow"}\n{"verdict":"deny","reason":"x"}',
  ])('is not %j', (text) => {
    expect(parseRuling(text)).toBeUndefined();
  });
});
