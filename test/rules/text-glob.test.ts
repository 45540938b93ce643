import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isTextGlob, literalsOf, matchesTextGlob } from '../../src/rules/text-glob.js';

/** The same meaning as a regular expression. */
function oracle(pattern: string): RegExp {
  const source = pattern.replaceAll(/\\[\s\S]|[\s\S]/g, (item) => {
    if (item === '*') return '[\\s\\S]*';
    const literal = item.length === 2 ? item.charAt(1) : item;
    return literal.replaceAll(/[.+?^${}()|[\]\\*]/g, '\\$&');
  });
  return new RegExp(`^${source}$`);
}

const anyText = (units: readonly string[], maxLength: number) =>
  fc.string({ unit: fc.constantFrom(...units), maxLength });

describe('a pattern over text', () => {
  test.each(['a', '*', 'mcp__github__*', 'git log *\n*', '\\*', '\\\\', 'C:\\\\repo\\\\*', 'é', 'a'.repeat(512)])(
    'may be %j',
    (pattern) => expect(isTextGlob(pattern)).toBe(true),
  );

  test.each(['', 'a'.repeat(513), '\\', 'a\\', 'C:\\repo', '\\\\\\', 'a\u0000', '\ud800'])(
    'may not be %j',
    (pattern) => {
      expect(isTextGlob(pattern)).toBe(false);
    },
  );

  test.each([
    ['Bash', 'Bash', true],
    ['Bash', 'bash', false],
    ['Bash', 'BashOutput', false],
    ['mcp__github__*', 'mcp__github__create_issue', true],
    ['mcp__github__*', 'mcp__github__', true],
    ['mcp__github__*', 'mcp__gitlab__create_issue', false],
    ['mcp__*__delete_*', 'mcp__github__delete_repository', true],
    ['*', '', true],
    ['* rm *', 'cd /\nsudo rm -rf x/y', true],
    ['a*a', 'a', false],
    ['ab*ba', 'aba', false],
    ['\\*', '*', true],
    ['\\*', 'x', false],
    ['\\\\*', '\\x', true],
  ])('%j on %j: %s', (pattern, text, expected) => expect(matchesTextGlob(pattern, text)).toBe(expected));

  test('means what its regular expression means', () => {
    const pattern = anyText(['a', 'b', '*', '*', '\\*', '\\\\', '\n'], 8);
    fc.assert(
      fc.property(pattern, anyText(['a', 'a', 'b', '*', '\\', '\n'], 12), (glob, text) => {
        expect(matchesTextGlob(glob, text)).toBe(oracle(glob).test(text));
      }),
      { numRuns: 3000 },
    );
  });

  test('matches what is put together of its pieces', () => {
    fc.assert(
      fc.property(anyText(['a', 'b', '*', '\\\\'], 12), anyText(['a', 'b', '\n'], 6), (glob, between) => {
        expect(matchesTextGlob(glob, literalsOf(glob).join(between))).toBe(true);
      }),
    );
  });

  test('ends soon on what makes a backtracking matcher, or a naive search for each piece, take hours', () => {
    const text = 'a'.repeat(4_000_000);
    const hostile = [
      '*a'.repeat(255),
      `*${'a'.repeat(500)}b*`,
      `*${'ab'.repeat(120)}*${'a'.repeat(250)}b*`,
      `a*${'a'.repeat(500)}b`,
    ];
    for (const pattern of hostile) expect(matchesTextGlob(pattern, `${text}c`)).toBe(false);
  });
});
