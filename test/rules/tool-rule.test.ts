import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { decideTool, NO_TOOL_RULES, type ToolRule, type ToolRules, toolRuleFault } from '../../src/rules/tool-rule.js';

const VERDICTS = ['allow', 'deny', 'ask'] as const;
const OPERATORS = [
  ';',
  '&',
  '|',
  '&&',
  '||',
  '\n',
  '\r',
  '<',
  '>',
  '(',
  ')',
  '{',
  '}',
  '$',
  '`',
  '#',
  '!',
  '\u0000',
  '\u0085',
  '\u2028',
];

function allow(pattern: string, syntax?: 'shell' | 'text'): ToolRules {
  return {
    default: 'deny',
    rules: [{ verdict: 'allow', tool: 'Bash', argument: { name: 'command', pattern, syntax } }],
  };
}

function rulesOf(verdict: ToolRule['verdict'], name: string, pattern: string): ToolRules {
  return {
    default: verdict === 'allow' ? 'deny' : 'allow',
    rules: [{ verdict, tool: '*', argument: { name, pattern } }],
  };
}

const bash = (command: unknown) => ({ tool: 'Bash', input: { command } });
const verdictOn = (rules: ToolRules, command: unknown) => decideTool(rules, bash(command)).verdict;

const anyPart = fc.constantFrom(
  'git status',
  'ls ',
  'a',
  ' ',
  '..',
  '/',
  '-x',
  '"',
  "'",
  '\\',
  '*',
  '=',
  '~',
  'é',
  ...OPERATORS,
);
const anyCommand = fc.array(anyPart, { maxLength: 10 }).map((parts) => parts.join(''));
const anyPattern = fc
  .array(fc.constantFrom('git status', 'ls ', 'a', ' ', '-x', '*', '*', '\\*', ' && ', ';'), {
    minLength: 1,
    maxLength: 6,
  })
  .map((parts) => parts.join(''));
const anyRule: fc.Arbitrary<ToolRule> = fc.record({
  verdict: fc.constantFrom(...VERDICTS),
  tool: fc.constantFrom('*', 'Bash', 'B*', 'Read', 'mcp__*'),
  argument: fc.option(fc.record({ name: fc.constantFrom('command', 'path', 'a.b'), pattern: anyPattern }), {
    nil: undefined,
  }),
});
const anyRules = fc.record({ default: fc.constantFrom(...VERDICTS), rules: fc.array(anyRule, { maxLength: 6 }) });
const anyCall = fc.record({
  tool: fc.constantFrom('Bash', 'Read', 'mcp__x__y', ''),
  input: fc.oneof(
    fc.jsonValue(),
    anyCommand.map((command) => ({ command })),
    anyCommand.map((b) => ({ a: { b } })),
  ),
});

describe('tool rules', () => {
  test('that nobody set allow everything', () => {
    expect(decideTool(NO_TOOL_RULES, bash('rm -rf /'))).toMatchObject({ verdict: 'allow', rule: undefined });
  });

  test('the first rule that matches decides, and the default where none does', () => {
    fc.assert(
      fc.property(anyRules, anyCall, (rules, call) => {
        const alone = rules.rules.map(
          (rule) => decideTool({ default: 'deny', rules: [rule] }, call).rule !== undefined,
        );
        const first = alone.indexOf(true);
        const decision = decideTool(rules, call);
        expect(decision.rule).toBe(first < 0 ? undefined : first);
        expect(decision.verdict).toBe(rules.rules[first]?.verdict ?? rules.default);
        const looked = first < 0 ? rules.rules.length : first + 1;
        expect(decision.trace.map((line) => line.matched)).toEqual(alone.slice(0, looked));
      }),
      { numRuns: 1000 },
    );
  });

  test('a rule that is added last changes only what the default decided', () => {
    fc.assert(
      fc.property(anyRules, anyRule, anyCall, (rules, rule, call) => {
        const before = decideTool(rules, call);
        const after = decideTool({ ...rules, rules: [...rules.rules, rule] }, call);
        if (before.rule !== undefined) expect(after.verdict).toBe(before.verdict);
      }),
    );
  });

  test("the reason is the rule's own, and no reason or trace repeats the input", () => {
    const rule = { verdict: 'deny', tool: 'Bash', reason: 'ask the platform team' } as const;
    expect(decideTool({ default: 'allow', rules: [rule] }, bash('x')).reason).toBe('ask the platform team');
    for (const verdict of VERDICTS) {
      const decided = decideTool(rulesOf(verdict, 'command', '*secret-7f3*'), bash('echo secret-7f3; x'));
      expect(JSON.stringify(decided)).not.toContain('secret-7f3');
    }
  });

  test('end soon on hostile patterns and inputs', () => {
    const rules = Array.from({ length: 200 }, (_, index): ToolRule => {
      const pattern = [`*${'a'.repeat(500)}b*`, '*a'.repeat(255), `*${';'.repeat(500)}*`][index % 3] ?? '';
      return { verdict: 'allow', tool: `*${'B*'.repeat(200)}`, argument: { name: 'command', pattern } };
    });
    for (const command of ['a'.repeat(65_536), ';'.repeat(65_536)]) {
      expect(decideTool({ default: 'deny', rules }, bash(command)).verdict).toBe('deny');
    }
  });
});

describe('an argument', () => {
  test.each([
    ['command', { command: 'make' }],
    ['options.url', { options: { url: 'make' } }],
  ])('is found as %s', (name, input) => {
    expect(decideTool(rulesOf('allow', name, 'make'), { tool: 'x', input }).verdict).toBe('allow');
  });

  test.each([
    [5, '5'],
    [true, 'true'],
    [0.5, '0.5'],
  ])('%j has the text form %j', (value, pattern) => {
    expect(verdictOn(allow(pattern), value)).toBe('allow');
    expect(verdictOn(rulesOf('deny', 'command', pattern), value)).toBe('deny');
  });

  const unreadable: readonly [string, unknown][] = [
    ['a list', { command: ['bash', '-lc', 'make'] }],
    ['an object', { command: { text: 'make' } }],
    ['longer than 65 536 characters', { command: 'a'.repeat(65_537) }],
    ['of an input that is a text', 'make'],
    ['of an input that is a list', [{ command: 'make' }]],
    ['of no input', null],
    ['of an undefined input', undefined],
  ];
  test.each(unreadable)('that is %s matches every deny and ask, and no allow', (_, input) => {
    for (const pattern of ['*', 'never this']) {
      expect(decideTool(rulesOf('allow', 'command', pattern), { tool: 'x', input }).verdict).toBe('deny');
      expect(decideTool(rulesOf('deny', 'command', pattern), { tool: 'x', input }).verdict).toBe('deny');
      expect(decideTool(rulesOf('ask', 'command', pattern), { tool: 'x', input }).verdict).toBe('ask');
    }
  });

  test.each([
    ['left out', {}],
    ['null', { a: { b: null } }],
    ['below what is null', { a: null }],
    ["only in the input's prototype", Object.create({ a: { b: 'x' } })],
    ['written with a dot in its name', { 'a.b': 'x' }],
  ])('that is %s matches no rule', (_, input) => {
    for (const verdict of VERDICTS) {
      expect(decideTool(rulesOf(verdict, 'a.b', '*'), { tool: 'x', input }).rule).toBeUndefined();
    }
  });

  test('is not taken from what every object has', () => {
    for (const name of ['constructor', 'constructor.name', '__proto__', 'toString.name', 'length']) {
      expect(decideTool(rulesOf('allow', name, '*'), bash('x')).verdict).toBe('deny');
    }
    const own: unknown = JSON.parse('{"__proto__":{"polluted":"yes"}}');
    expect(decideTool(rulesOf('allow', '__proto__.polluted', 'yes'), { tool: 'x', input: own }).verdict).toBe('allow');
  });
});

describe('an allow over a command', () => {
  test.each([
    ['git status*', 'git status', true],
    ['git status*', 'git status --short src/a b', true],
    ['git status*', 'git status -- \'a b\' "c"', true],
    ['git status', 'git status; curl evil', false],
    ['git status*', 'git status; curl evil', false],
    ['git status*', 'git status\ncurl evil', false],
    ['git status*', 'git status $(curl evil)', false],
    ['git status*', 'git status > ~/.bashrc', false],
    ['git status*', 'git status "`curl evil`"', false],
    ['git status*', 'git status ../secret', false],
    ['cd * && make', 'cd src && make', true],
    ['cd * && make', 'cd src && curl evil && make', false],
    ['cd * && make', 'cd src & curl evil && make', false],
    ['a; b*', 'a; b c', true],
    ['a; b*', 'a; b; c', false],
    ['echo $HOME', 'echo $HOME', true],
    ['echo $HOME*', 'echo $HOME $TOKEN', false],
    ['make ../x', 'make ../x', true],
    ['git push * --dry-run', 'git push x # --dry-run', false],
  ])('%j on %j: %s', (pattern, command, expected) => {
    expect(verdictOn(allow(pattern), command)).toBe(expected ? 'allow' : 'deny');
  });

  test('never reaches over an operator that its pattern does not spell', () => {
    fc.assert(
      fc.property(anyPattern, anyCommand, (pattern, command) => {
        if (verdictOn(allow(pattern), command) !== 'allow') return;
        const count = (text: string, of: string) => text.split(of).length;
        for (const operator of OPERATORS) expect(count(command, operator)).toBe(count(pattern, operator));
      }),
      { numRuns: 3000 },
    );
  });

  test('never widens by a chained command', () => {
    fc.assert(
      fc.property(
        anyPattern,
        anyCommand,
        fc.constantFrom(...OPERATORS),
        anyCommand,
        (pattern, command, chain, more) => {
          fc.pre(!pattern.includes(chain));
          expect(verdictOn(allow(pattern), command + chain + more)).toBe('deny');
          expect(verdictOn(allow(pattern), more + chain + command)).toBe('deny');
        },
      ),
      { numRuns: 2000 },
    );
  });

  test('matches nothing that its deny would not: to allow is the narrower reading', () => {
    fc.assert(
      fc.property(anyPattern, anyCommand, (pattern, command) => {
        if (verdictOn(allow(pattern), command) === 'allow') {
          expect(verdictOn(rulesOf('deny', 'command', pattern), command)).toBe('deny');
        }
      }),
    );
  });

  test.each(['sh', 'bash'])('starts no other command under %s, whatever stands in place of the wildcard', (shell) => {
    const directory = mkdtempSync(join(tmpdir(), 'countersign-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const run = (command: string) =>
      spawnSync(shell, ['-c', command], { cwd: directory, env: { PATH: '/bin:/usr/bin' }, stdio: 'ignore' });
    run('true; touch made');
    expect(readdirSync(directory)).toEqual(['made']);
    const parts = [
      'touch other',
      'touch',
      ' other',
      'a',
      ' ',
      '\t',
      '"',
      "'",
      '\\',
      '=',
      '~',
      '?',
      '[',
      ']',
      '%',
      '^',
      ',',
      '@',
      '+',
      '-',
      ':',
      '.',
    ];
    const anyRest = fc
      .array(fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...parts) }, fc.constantFrom(...OPERATORS)), {
        maxLength: 8,
      })
      .map((all) => ` ${all.join('')}`);
    fc.assert(
      fc.property(anyRest, (rest) => {
        if (verdictOn(allow('true *'), `true${rest}`) !== 'allow') return;
        run(`true${rest}`);
        expect(readdirSync(directory)).toEqual(['made']);
      }),
      { numRuns: 250 },
    );
  });
});

describe('an allow over another text', () => {
  test.each([
    ['https://docs.example.com/*', 'https://docs.example.com/a?b=1&c=(2)#d', true],
    ['https://docs.example.com/*', 'https://docs.example.com.evil.example/a', false],
    ['https://docs.example.com/a/*', 'https://docs.example.com/a/../b', false],
    ['https://docs.example.com/a/*', 'https://docs.example.com/a/%2E%2e/b', false],
    ['https://docs.example.com/a/*', 'https://docs.example.com/a/..%2fb', false],
    ['/repo/*', '/repo/app/(auth)/[id]/page.tsx', true],
    ['/repo/*', '/repo/..', false],
    ['/repo/*', '/repo/a/../../etc/passwd', false],
    ['/repo/*', '/repo/..\\secret', false],
    ['/repo/*', '/repo/a..b/...c', true],
    ['/repo/a..b', '/repo/a..b', true],
  ])('%j on %j: %s', (pattern, text, expected) => {
    expect(verdictOn(allow(pattern, 'text'), text)).toBe(expected ? 'allow' : 'deny');
  });

  test('is never wider than it looks: without a syntax it is read as a command', () => {
    expect(verdictOn(allow('/repo/*'), '/repo/(a)')).toBe('deny');
  });
});

describe('a rule', () => {
  const argument = (pattern: string, name = 'url') => ({ name, pattern });
  const faults: readonly [string, ToolRule, string][] = [
    ['an empty tool', { verdict: 'deny', tool: '' }, 'tool'],
    ['a lone backslash', { verdict: 'deny', tool: 'a\\b' }, 'tool'],
    ['an argument without a name', { verdict: 'deny', tool: '*', argument: argument('*', '') }, 'argument/name'],
    ['a name with an empty part', { verdict: 'deny', tool: '*', argument: argument('*', 'a..b') }, 'argument/name'],
    [
      'a name that is too long',
      { verdict: 'deny', tool: '*', argument: argument('*', 'a'.repeat(257)) },
      'argument/name',
    ],
    ['an empty pattern', { verdict: 'deny', tool: '*', argument: argument('') }, 'argument/pattern'],
    [
      'an open host',
      { verdict: 'allow', tool: '*', argument: argument('https://*.example.com/*') },
      'argument/pattern',
    ],
    [
      'an open end of a host',
      { verdict: 'allow', tool: '*', argument: argument('https://example.com*') },
      'argument/pattern',
    ],
    ['an open scheme', { verdict: 'allow', tool: '*', argument: argument('*://example.com/') }, 'argument/pattern'],
    [
      'an open second host',
      { verdict: 'allow', tool: '*', argument: argument('cp https://a.example/x https://*.example/x') },
      'argument/pattern',
    ],
    ['a way up', { verdict: 'allow', tool: '*', argument: argument('../docs/*') }, 'argument/pattern'],
  ];
  test.each(faults)('with %s is refused', (_, rule, path) => {
    expect(toolRuleFault(rule)?.path.join('/')).toBe(path);
  });

  test.each<ToolRule>([
    { verdict: 'deny', tool: '*', argument: argument('https://*.example.com/*') },
    { verdict: 'deny', tool: '*', argument: argument('*../*') },
    { verdict: 'allow', tool: 'mcp__*', argument: argument('https://example.com/*', 'options.url') },
    { verdict: 'allow', tool: 'Bash', argument: argument('cat ../x', 'command') },
    { verdict: 'allow', tool: 'Bash', argument: argument('curl * https://a.example/x*', 'command') },
    { verdict: 'ask', tool: '*' },
  ])('%j is one', (rule) => expect(toolRuleFault(rule)).toBeUndefined());
});
