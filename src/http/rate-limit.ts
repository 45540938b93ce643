import { type RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { type Refusal, refuse } from '../rules/refusal.js';

type Limited = { readonly ok: false; readonly refusal: Refusal };

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
