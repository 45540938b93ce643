import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  coversScope,
  holdsScope,
  isScope,
  isServiceScope,
  SERVICE_SCOPES,
  serviceScopesIn,
} from '../../src/rules/scope.js';
import { anyScope } from '../setup/arbitraries.js';

describe('the form of a scope (RFC 6749 section 3.3)', () => {
  test.each([
    'repo:read',
    'codex:exec',
    'repo:*',
    'a:b:c:d',
    'a:b:*',
    '!:~',
    `a:${'b'.repeat(126)}`,
    ...SERVICE_SCOPES,
  ])('takes %s', (text) => {
    expect(isScope(text)).toBe(true);
  });

  test.each([
    '',
    'repo',
    '*',
    ':',
    'repo:',
    ':read',
    'a::b',
    '*:read',
    'a:*:b',
    'a:b*',
    'a:**',
    'a:b c',
    'a:b\t',
    'a:b\n',
    'a:"b"',
    'a:b\\',
    'a:é',
    'a:b\u0000',
    'a:\ud800',
    'а:read\u0430',
    `a:${'b'.repeat(127)}`,
  ])('refuses %j', (text) => {
    expect(isScope(text)).toBe(false);
  });
});

describe('covering', () => {
  test('a scope covers itself', () => {
    fc.assert(
      fc.property(anyScope, (scope) => {
        expect(coversScope(scope, scope)).toBe(true);
      }),
    );
  });

  test('what is covered by a covered scope is covered', () => {
    fc.assert(
      fc.property(anyScope, anyScope, anyScope, (a, b, c) => {
        if (coversScope(a, b) && coversScope(b, c)) expect(coversScope(a, c)).toBe(true);
      }),
      { numRuns: 20_000 },
    );
  });

  test('that holds for every wildcard over the service scopes', () => {
    const wildcards = [...new Set(SERVICE_SCOPES.map((scope) => scope.replace(/:.*/, ':*')))];
    const all = [...SERVICE_SCOPES, ...wildcards, 'tokens:shell', 'workspace:shell', 'repo:read'];
    const broken = all.flatMap((a) =>
      all.flatMap((b) =>
        all
          .filter((c) => coversScope(a, b) && coversScope(b, c) && !coversScope(a, c))
          .map((c) => `${a} covers ${b} covers ${c}`),
      ),
    );
    expect(broken).toEqual([]);
  });

  test.each([
    ['repo:*', 'repo:read', true],
    ['repo:*', 'repo:pull:write', true],
    ['repo:*', 'repo:pull:*', true],
    ['repo:*', 'repo', false],
    ['repo:*', 'repository:read', false],
    ['repo:pull:*', 'repo:*', false],
    ['repo:pull:*', 'repo:pull', false],
    ['repo:read', 'repo:*', false],
    ['repo:read', 'repo:read:more', false],
    ['workspace:admin', 'tokens:mint', true],
    ['workspace:admin', 'tokens:*', false],
    ['workspace:admin', 'tokens:shell', false],
    ['workspace:admin', 'repo:read', false],
    ['workspace:*', 'workspace:admin', true],
    ['workspace:*', 'tokens:mint', true],
    ['workspace:*', 'repo:read', false],
    ['tokens:*', 'workspace:admin', false],
  ])('%s over %s is %s', (held, wanted, expected) => {
    expect(coversScope(held, wanted)).toBe(expected);
  });

  test('workspace:admin covers every service scope and nothing else', () => {
    fc.assert(
      fc.property(anyScope, (scope) => {
        expect(coversScope('workspace:admin', scope)).toBe(isServiceScope(scope));
      }),
    );
  });

  test('holding more never covers less', () => {
    fc.assert(
      fc.property(fc.array(anyScope), fc.array(anyScope), anyScope, (held, more, wanted) => {
        if (holdsScope(held, wanted)) expect(holdsScope([...more, ...held], wanted)).toBe(true);
      }),
    );
  });

  test('nothing is held by who holds nothing', () => {
    fc.assert(
      fc.property(anyScope, (wanted) => {
        expect(holdsScope([], wanted)).toBe(false);
      }),
    );
  });
});

test('a wildcard stands for the service scopes below it, an agent scope for none', () => {
  expect(serviceScopesIn('runners:*')).toEqual(['runners:read', 'runners:write']);
  expect(serviceScopesIn('tokens:mint')).toEqual(['tokens:mint']);
  expect(serviceScopesIn('tokens:mint:*')).toEqual([]);
  expect(serviceScopesIn('repo:*')).toEqual([]);
});
