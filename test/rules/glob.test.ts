import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { containsGlob, isGlob, matchesGlob } from '../../src/rules/glob.js';
import { anyGlob, anyPath } from '../setup/arbitraries.js';

/** The same meaning as a regular expression. Each segment is given an end of its own, so that `**` is a repetition. */
function oracle(pattern: string): RegExp {
  const segments = pattern.split('/').map((segment) => {
    if (segment === '**') return '(?:[^/]*/)*';
    return `${segment.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '[^/]*')}/`;
  });
  return new RegExp(`^${segments.join('')}$`);
}

/** Every text over an alphabet, up to a length. */
function texts(alphabet: string, maxLength: number): string[] {
  const all = [''];
  let longest = [''];
  for (let length = 1; length <= maxLength; length += 1) {
    longest = longest.flatMap((text) => [...alphabet].map((character) => text + character));
    all.push(...longest);
  }
  return all;
}

describe('matching', () => {
  test.each([
    ['acme/app', 'acme/app', true],
    ['acme/*', 'acme/app', true],
    ['acme/*', 'acme/app/sub', false],
    ['acme/*', 'acme', false],
    ['acme/**', 'acme', true],
    ['acme/**', 'acme/app/sub', true],
    ['**/main', 'refs/heads/main', true],
    ['refs/heads/release-*', 'refs/heads/release-', true],
    ['refs/heads/release-*', 'refs/heads/release-1/x', false],
    ['refs/**/x', 'refs/x', true],
    ['*', '', true],
    ['*', 'a/b', false],
    ['a.c', 'abc', false],
    ['ACME/app', 'acme/app', false],
    ['a*', 'a\nb', true],
  ])('%s against %j is %s', (pattern, value, expected) => {
    expect(matchesGlob(pattern, value)).toBe(expected);
  });

  test('agrees with a regular expression of the same meaning', () => {
    fc.assert(
      fc.property(anyGlob, anyPath, (pattern, value) => {
        expect(matchesGlob(pattern, value)).toBe(oracle(pattern).test(`${value}/`));
      }),
      { numRuns: 5000 },
    );
  });

  test('a hostile pattern against a long value comes to an end', () => {
    const stars = 'a*'.repeat(128);
    const deep = '**/a/'.repeat(51).slice(0, -1);
    const mixed = '**/*a*a/'.repeat(32).slice(0, -1);
    expect([stars, deep, mixed].map(isGlob)).toEqual([true, true, true]);
    expect(matchesGlob(stars, `${'a'.repeat(4096)}`)).toBe(true);
    expect(matchesGlob(`${stars.slice(0, -1)}b`, 'a'.repeat(4096))).toBe(false);
    expect(matchesGlob(deep, `${'a/'.repeat(2048)}b`)).toBe(false);
    expect(matchesGlob(mixed, `${'aa/'.repeat(1365)}b`)).toBe(false);
    expect(matchesGlob(mixed, `${'aaa/'.repeat(1024)}a`)).toBe(false);
    expect(containsGlob(stars, 'a*'.repeat(127))).toBe(false);
    expect(containsGlob(deep, deep)).toBe(true);
  });
});

describe('containing', () => {
  test('is never claimed where a value matches the inner pattern and not the outer one', () => {
    const patterns = texts('a*/', 6).filter(isGlob);
    const values = texts('ab/', 6);
    const rows = patterns.map((pattern) => {
      const marks = values.map((value) => (matchesGlob(pattern, value) ? '1' : '0'));
      return { pattern, matched: BigInt(`0b${marks.join('')}`) };
    });
    const wrong = rows.flatMap((outer) =>
      rows
        .filter((inner) => (inner.matched & ~outer.matched) !== 0n && containsGlob(outer.pattern, inner.pattern))
        .map((inner) => `${outer.pattern} does not contain ${inner.pattern}`),
    );
    expect(patterns.length).toBeGreaterThan(200);
    expect(wrong).toEqual([]);
  });

  test('holds for random pairs too', () => {
    fc.assert(
      fc.property(anyGlob, anyGlob, anyPath, (outer, inner, value) => {
        if (containsGlob(outer, inner) && matchesGlob(inner, value)) expect(matchesGlob(outer, value)).toBe(true);
      }),
      { numRuns: 5000 },
    );
  });

  test('every pattern contains itself, and ** contains every pattern', () => {
    fc.assert(
      fc.property(anyGlob, (pattern) => {
        expect(containsGlob(pattern, pattern)).toBe(true);
        expect(containsGlob('**', pattern)).toBe(true);
      }),
    );
  });

  test('a pattern without wildcards is contained where it matches', () => {
    fc.assert(
      fc.property(anyGlob, anyPath, (outer, value) => {
        expect(containsGlob(outer, value)).toBe(matchesGlob(outer, value));
      }),
    );
  });
});

describe('the form of a pattern', () => {
  test.each(['a', '*', '**', 'a/b', 'a/**/b', '**/**', 'a*b*c', 'host.example:8080/o/n', 'a'.repeat(256), '@[{~'])(
    'takes %s',
    (text) => {
      expect(isGlob(text)).toBe(true);
    },
  );

  test.each([
    '',
    '/',
    '//',
    'a/',
    '/a',
    'a//b',
    '***',
    'a**',
    '**a',
    'a/***',
    'a b',
    'a"',
    "a'",
    'a\\b',
    'é',
    'a\n',
    '\u0000',
    '\ud800',
    'a'.repeat(257),
    '\u007f',
  ])('refuses %j', (text) => {
    expect(isGlob(text)).toBe(false);
  });
});
