import type { Denial } from './exec-check.js';
import type { TokenId } from './format.js';

/** How many runs a workflow may have at a time, and each of its tokens together with its rotations; `undefined` for no limit. */
export interface RunLimits {
  readonly maxConcurrentRuns: number | undefined;
  readonly maxConcurrentRunsPerToken: number | undefined;
}

/** The largest limit. */
export const MAX_CONCURRENT_RUNS = 10_000;

/** Decides which of some runs of one workflow may begin beside those under way, in their order: each that may counts for
 *  those behind it. A token stands for its lineage. Gives what speaks against each; `undefined` is a yes. */
export function runLimitDenials(
  workflow: string,
  limits: RunLimits,
  underWay: ReadonlyMap<TokenId, number>,
  arrivals: readonly TokenId[],
): (Denial | undefined)[] {
  const { maxConcurrentRuns = Number.POSITIVE_INFINITY } = limits;
  const { maxConcurrentRunsPerToken = Number.POSITIVE_INFINITY } = limits;
  const counts = new Map(underWay);
  let total = [...underWay.values()].reduce((sum, count) => sum + count, 0);
  return arrivals.map((tokenId) => {
    const own = counts.get(tokenId) ?? 0;
    if (total >= maxConcurrentRuns) {
      return tooMany(`max_concurrent_runs of workflow ${workflow} is ${maxConcurrentRuns}; under way: ${total}`);
    }
    if (own >= maxConcurrentRunsPerToken) {
      const limit = `max_concurrent_runs_per_token of workflow ${workflow} is ${maxConcurrentRunsPerToken}`;
      return tooMany(`${limit}; under way with this token and its rotations: ${own}`);
    }
    total += 1;
    counts.set(tokenId, own + 1);
    return undefined;
  });
}

function tooMany(detail: string): Denial {
  return { code: 'too_many_runs', detail };
}
