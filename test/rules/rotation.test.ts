import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addSeconds } from '../../src/rules/lifetime.js';
import { overlapEnd } from '../../src/rules/rotation.js';
import { anyInstant, anySuccession } from '../setup/arbitraries.js';

describe('the end of the overlap', () => {
  test('is never later than its own end, nor than the drain after the first use', () => {
    fc.assert(
      fc.property(anySuccession, (succession) => {
        const end = overlapEnd(succession);
        expect(end <= succession.overlapEndsAt).toBe(true);
        if (succession.firstUsedAt === undefined) expect(end).toEqual(succession.overlapEndsAt);
        else expect(end <= addSeconds(succession.firstUsedAt, succession.drainSeconds)).toBe(true);
      }),
    );
  });

  test('is one of the two', () => {
    fc.assert(
      fc.property(anySuccession, anyInstant, (succession, firstUsedAt) => {
        const drained = addSeconds(firstUsedAt, succession.drainSeconds);
        const end = overlapEnd({ ...succession, firstUsedAt }).getTime();
        expect([drained.getTime(), succession.overlapEndsAt.getTime()]).toContain(end);
      }),
    );
  });

  test('a first use never moves it later', () => {
    fc.assert(
      fc.property(anySuccession, anyInstant, (succession, firstUsedAt) => {
        const unused = overlapEnd({ ...succession, firstUsedAt: undefined });
        expect(overlapEnd({ ...succession, firstUsedAt }) <= unused).toBe(true);
      }),
    );
  });

  test('a drain of 0 ends it at the first use', () => {
    const firstUsedAt = new Date('2026-01-01T00:00:00Z');
    const overlapEndsAt = new Date('2026-01-02T00:00:00Z');
    expect(overlapEnd({ overlapEndsAt, drainSeconds: 0, firstUsedAt })).toEqual(firstUsedAt);
  });
});
