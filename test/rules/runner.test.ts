import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isGlob, matchesGlob } from '../../src/rules/glob.js';
import { isRunnerLabel, isRunnerName } from '../../src/rules/runner.js';

const anyText = fc.string({
  unit: fc.constantFrom('a', 'Z', '0', '.', '_', '-', ':', '=', '/', '*', ' '),
  maxLength: 8,
});

describe('what a runner is called', () => {
  test('is a pattern that matches itself and has no wildcard', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        if (!isRunnerName(text) && !isRunnerLabel(text)) return;
        expect(isGlob(text)).toBe(true);
        expect(matchesGlob(text, text)).toBe(true);
        expect(text).not.toContain('*');
      }),
      { numRuns: 5_000 },
    );
  });

  test('a name is also a label', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        if (isRunnerName(text)) expect(isRunnerLabel(text)).toBe(true);
      }),
      { numRuns: 5_000 },
    );
  });

  test.each([
    ['build-1', true, true],
    ['a', true, true],
    ['pool/gpu', false, true],
    ['os=linux', false, true],
    ['arch:x64', false, true],
    ['a'.repeat(64), true, true],
    ['a'.repeat(65), false, false],
    ['', false, false],
    ['-a', false, false],
    ['a/', false, false],
    ['a//b', false, false],
    ['Build', false, false],
    ['a b', false, false],
    ['*', false, false],
    ['ä', false, false],
  ])('%j: as a name %s, as a label %s', (text, isName, isLabel) => {
    expect([isRunnerName(text), isRunnerLabel(text)]).toEqual([isName, isLabel]);
  });

  test('takes no longer for a hostile one', () => {
    expect(isRunnerLabel(`${'a-'.repeat(50_000)}!`)).toBe(false);
    expect(isRunnerName('-'.repeat(100_000))).toBe(false);
  });
});
