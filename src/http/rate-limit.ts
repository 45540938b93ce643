import { type IRateLimiterOptions, RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { type Refusal, refuse } from '../rules/refusal.js';
import type { Deps } from './deps.js';

type Limited = { readonly ok: false; readonly refusal: Refusal };

/** A limit that each service keeps for itself: `points` in so many seconds for each key. */
export function limitOf(options: IRateLimiterOptions): (deps: Deps) => RateLimiterMemory {
  const limiters = new WeakMap<Deps, RateLimiterMemory>();
  return (deps) => {
    const known = limiters.get(deps);
    if (known) return known;
    const limiter = new RateLimiterMemory(options);
    limiters.set(deps, limiter);
    return limiter;
  };
}

/** Takes a point of a limiter. Gives the refusal `rate_limited` when there is none left. */
export async function spent(limiter: RateLimiterMemory, key: string): Promise<Limited | undefined> {
  try {
    await limiter.consume(key);
    return undefined;
  } catch (left) {
    if (!(left instanceof RateLimiterRes)) throw left;
    return refuse({ kind: 'rate_limited', retryAfterSeconds: left.msBeforeNext / 1000 });
  }
}

/** Gives the refusal `rate_limited` when no point is left, without taking one: what is counted are the misses. */
export async function exhausted(limiter: RateLimiterMemory, key: string): Promise<Limited | undefined> {
  const counted = await limiter.get(key);
  if (counted === null || counted.consumedPoints < limiter.points) return undefined;
  return refuse({ kind: 'rate_limited', retryAfterSeconds: counted.msBeforeNext / 1000 });
}
