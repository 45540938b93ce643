import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { newId, type TokenId } from '../../src/rules/format.js';
import { runLimitDenials } from '../../src/rules/run-limit.js';

const [a, b, c] = Array.from({ length: 3 }, () => newId('tok', new Date(0)));
if (a === undefined || b === undefined || c === undefined) throw new Error('no ids');
const anyToken = fc.constantFrom(a, b, c);
const anyLimit = fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined });
const anyCounts = fc
  .array(fc.tuple(anyToken, fc.integer({ min: 1, max: 5 })), { maxLength: 3 })
  .map((entries) => new Map<TokenId, number>(entries));
const anyArrivals = fc.array(anyToken, { maxLength: 20 });

describe('the limits of a workflow', () => {
  test('are never exceeded by what they let in, and turn nobody away while there is room', () => {
    fc.assert(
      fc.property(anyLimit, anyLimit, anyCounts, anyArrivals, (all, each, underWay, arrivals) => {
        const limits = { maxConcurrentRuns: all, maxConcurrentRunsPerToken: each };
        const denials = runLimitDenials('flow', limits, underWay, arrivals);
        expect(denials).toHaveLength(arrivals.length);
        const counts = new Map(underWay);
        const total = () => [...counts.values()].reduce((sum, count) => sum + count, 0);
        for (const [at, token] of arrivals.entries()) {
          const own = counts.get(token) ?? 0;
          const isFull = total() >= (all ?? Infinity) || own >= (each ?? Infinity);
          expect(denials[at] !== undefined).toBe(isFull);
          if (!isFull) counts.set(token, own + 1);
        }
      }),
    );
  });

  test('that are none let everybody in', () => {
    const none = { maxConcurrentRuns: undefined, maxConcurrentRunsPerToken: undefined };
    const denials = runLimitDenials('flow', none, new Map([[a, 9_999]]), [a, a, b]);
    expect(denials).toEqual([undefined, undefined, undefined]);
  });

  test('are named by what they deny', () => {
    const limits = { maxConcurrentRuns: 2, maxConcurrentRunsPerToken: 1 };
    expect(runLimitDenials('flow', limits, new Map(), [a, a, b, c])).toEqual([
      undefined,
      {
        code: 'too_many_runs',
        detail: 'max_concurrent_runs_per_token of workflow flow is 1; under way with this token and its rotations: 1',
      },
      undefined,
      { code: 'too_many_runs', detail: 'max_concurrent_runs of workflow flow is 2; under way: 2' },
    ]);
  });
});
