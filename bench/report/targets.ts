/** What a figure must be and what it aims at. `most`: no more than that; `least`: no less. */
export interface Target {
  readonly bound: 'most' | 'least';
  readonly must: number;
  readonly aim: number;
}

const most = (must: number, aim: number): Target => ({ bound: 'most', must, aim });
const least = (must: number, aim: number): Target => ({ bound: 'least', must, aim });

/** The targets, by what is measured. Ratios of one interleaved run, but for the last five: their own units. */
export const TARGETS = {
  introspectCpu: most(2.5, 1.8),
  introspectRate: least(0.3, 0.5),
  introspectP99: most(2.5, 1.5),
  introspectOneAtATime: most(4, 3),
  overOneQuery: least(1.5, 2.5),
  overOidcProvider: least(3, 4.5),
  overGlewlwyd: least(6, 10),
  overBetterAuth: least(10, 18),
  twoWorkers: least(1.3, 1.5),
  execCpu: most(5, 3.5),
  start: most(1.3, 1.1),
  staleAnswers: most(0, 0),
  scan: least(100, 200),
  mask: least(17, 1_000),
  kill: most(250, 100),
  leak: most(1_000, 250),
};

/** How a figure stands to its target. */
export function verdictOf(value: number, { bound, must, aim }: Target): 'aim' | 'must' | 'missed' {
  const reaches = (limit: number) => (bound === 'most' ? value <= limit : value >= limit);
  if (reaches(aim)) return 'aim';
  return reaches(must) ? 'must' : 'missed';
}
