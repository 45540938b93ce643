import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { newUserCode, parseUserCode, printUserCode } from '../../src/rules/user-code.js';

const anyCode = fc.constant(undefined).map(() => newUserCode());

describe('a user code (RFC 8628 section 6.1)', () => {
  test('is ten consonants in two halves, no vowel and no digit among them', () => {
    fc.assert(
      fc.property(anyCode, (code) => {
        expect(printUserCode(code)).toMatch(/^[BCDFGHJKLMNPQRSTVWXZ]{5}-[BCDFGHJKLMNPQRSTVWXZ]{5}$/);
      }),
    );
  });

  test('is read back as it was printed, however it is typed', () => {
    const anySpacing = fc.array(fc.constantFrom('', '-', ' ', '--'), { minLength: 10, maxLength: 10 });
    fc.assert(
      fc.property(anyCode, anySpacing, fc.boolean(), (code, spacing, isLower) => {
        const letters = [...printUserCode(code).replace('-', '')];
        const typed = letters.map((letter, at) => `${letter}${spacing[at] ?? ''}`).join('');
        expect(parseUserCode(isLower ? typed.toLowerCase() : typed)).toEqual(code);
      }),
    );
  });

  test('is nothing else', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 14 }), (text) => {
        const code = parseUserCode(text);
        if (code !== undefined) expect(text.replace(/[\s-]/g, '').toUpperCase()).toBe(code.locator + code.codeSecret);
      }),
    );
    for (const text of ['', 'WDJBM', 'WDJBM-JHTK', 'WDJBM-JHTKXB', 'AEIOU-JHTKX', 'WDJBM-JHTK1', 'WDJBM_JHTKX']) {
      expect(parseUserCode(text)).toBeUndefined();
    }
  });

  test('is drawn anew each time, each letter in each place', () => {
    const codes = Array.from({ length: 2_000 }, () => printUserCode(newUserCode()).replace('-', ''));
    expect(new Set(codes).size).toBe(codes.length);
    for (let at = 0; at < 10; at += 1) expect(new Set(codes.map((code) => code.charAt(at))).size).toBe(20);
  });
});
