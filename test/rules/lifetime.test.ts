import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addDays, addSeconds, earliest, MAX_EXPIRY_DAYS, periodWithin } from '../../src/rules/lifetime.js';
import { anyInstant } from '../setup/arbitraries.js';

const anyDays = fc.array(fc.integer({ min: 1, max: MAX_EXPIRY_DAYS }), { maxLength: 6 });

describe('the period of a rotation', () => {
  test('is one that the policy allows', () => {
    fc.assert(
      fc.property(anyDays, fc.integer({ min: 1, max: MAX_EXPIRY_DAYS }), (allowed, wanted) => {
        const period = periodWithin(allowed, wanted);
        expect(period === undefined ? allowed : allowed.includes(period)).toEqual(period === undefined ? [] : true);
      }),
    );
  });

  test('is not longer than the wanted one unless every allowed one is', () => {
    fc.assert(
      fc.property(anyDays, fc.integer({ min: 1, max: MAX_EXPIRY_DAYS }), (allowed, wanted) => {
        const period = periodWithin(allowed, wanted);
        if (period !== undefined && period > wanted) expect(Math.min(...allowed)).toBe(period);
      }),
    );
  });

  test('is the wanted one where the policy allows it', () => {
    fc.assert(
      fc.property(anyDays, fc.integer({ min: 1, max: MAX_EXPIRY_DAYS }), (allowed, wanted) => {
        expect(periodWithin([...allowed, wanted], wanted)).toBe(wanted);
      }),
    );
  });

  test.each([
    [[7, 30, 60, 90], 45, 30],
    [[7, 30, 60, 90], 366, 90],
    [[30, 7], 1, 7],
    [[], 7, undefined],
  ])('of %j for %d days is %s', (allowed, wanted, expected) => {
    expect(periodWithin(allowed, wanted)).toBe(expected);
  });
});

describe('instants', () => {
  test('a day has 86 400 seconds', () => {
    fc.assert(
      fc.property(anyInstant, fc.integer({ min: 0, max: MAX_EXPIRY_DAYS }), (from, days) => {
        expect(addDays(from, days)).toEqual(addSeconds(from, days * 86_400));
      }),
    );
  });

  test('the earliest is one of those that are set, and none is before it', () => {
    fc.assert(
      fc.property(fc.array(fc.option(anyInstant, { nil: undefined })), (instants) => {
        const first = earliest(...instants);
        const set = instants.filter((instant) => instant !== undefined);
        expect(set.some((instant) => instant.getTime() === first?.getTime())).toBe(set.length > 0);
        expect(set.every((instant) => first !== undefined && first <= instant)).toBe(true);
      }),
    );
    expect(earliest()).toBeUndefined();
  });
});
