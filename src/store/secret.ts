import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';
import argon2 from 'argon2';
import type { TokenId, TokenSecret } from '../rules/format.js';
import type { UserCodeSecret } from '../rules/user-code.js';

/** A key of the digests. It is never in the database; `kid` is, beside each digest it made. */
export interface Pepper {
  readonly kid: string;
  readonly key: Buffer;
}

export interface StoredDigest {
  readonly digest: Buffer;
  readonly pepperKid: string;
}

/** What a comparison with the stored digest says. `unknown_pepper` leaves the question to the argon2id verifier. */
export type DigestMatch = 'match' | 'mismatch' | 'unknown_pepper';

/** Both verifiers of a token's secret: the keyed digest of the hot path and the argon2id string that outlives a lost
 *  pepper. User codes, which can be guessed, have the argon2id string alone. */
export interface Secrets {
  readonly currentKid: string;
  digest(id: TokenId, tokenSecret: TokenSecret): StoredDigest;
  compare(id: TokenId, tokenSecret: TokenSecret, stored: StoredDigest): DigestMatch;
  /** Whether two digests are the same one, in constant time. */
  isSame(digest: StoredDigest, stored: StoredDigest): boolean;
  /** Hashes with argon2id (about 25 ms of a core). Throws {@link HashQueueFullError} when too many wait. */
  hash(secret: TokenSecret | UserCodeSecret): Promise<string>;
  /** Hashes many, in their order, few at a time: what is asked meanwhile gets in between. Stops when `signal` says so. Throws
   *  {@link HashQueueFullError} when too many such batches are under way. */
  hashAll(secrets: readonly TokenSecret[], signal: AbortSignal): Promise<string[]>;
  /** Verifies against an argon2id string. Throws {@link HashQueueFullError} when too many wait. */
  verify(verifier: string, secret: TokenSecret | UserCodeSecret): Promise<boolean>;
  /** How many argon2id computations run or wait. */
  queueLength(): number;
}

/** More argon2id work waits than the service will hold. */
export class HashQueueFullError extends Error {
  override readonly name = 'HashQueueFullError';
}

/** What an argon2id computation costs: memory in KiB, and passes over it. */
export interface HashCost {
  readonly memoryCost: number;
  readonly timeCost: number;
}

/** OWASP's parameters: 19 MiB, two passes, one lane. */
const OWASP_COST: HashCost = { memoryCost: 19_456, timeCost: 2 };
const HASHES_AT_ONCE = 2;
const MAX_WAITING_HASHES = 64;
/** Batches take turns, so that one of 100 is done within as many seconds as there are batches, and a bit more. */
const MAX_BATCHES = 8;

/** Makes the verifiers. The first pepper makes new digests; the others are still read. At least one is needed. */
export function createSecrets(peppers: readonly [Pepper, ...Pepper[]], cost: HashCost = OWASP_COST): Secrets {
  const options = { type: argon2.argon2id, parallelism: 1, ...cost };
  const currentKid = peppers[0].kid;
  const keys = new Map(peppers.map(({ kid, key }) => [kid, createSecretKey(key)]));
  const currentKey = createSecretKey(peppers[0].key);
  const pool = createHashPool();
  return {
    currentKid,
    digest: (id, tokenSecret) => ({ digest: keyedDigest(currentKey, id, tokenSecret), pepperKid: currentKid }),
    compare: (id, tokenSecret, stored) => {
      const key = keys.get(stored.pepperKid);
      if (key === undefined) return 'unknown_pepper';
      return isSame(keyedDigest(key, id, tokenSecret), stored.digest) ? 'match' : 'mismatch';
    },
    isSame: (digest, stored) => digest.pepperKid === stored.pepperKid && isSame(digest.digest, stored.digest),
    hash: (secret) => pool.run(() => argon2.hash(secret, options)),
    hashAll: (batch, signal) =>
      pool.runAll(
        batch.map((secret) => () => argon2.hash(secret, options)),
        signal,
      ),
    verify: (verifier, secret) => pool.run(() => argon2.verify(verifier, secret)),
    queueLength: pool.length,
  };
}

function isSame(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

function keyedDigest(key: KeyObject, id: TokenId, tokenSecret: TokenSecret): Buffer {
  return createHmac('sha256', key).update(`${id}.${tokenSecret}`).digest();
}

function createHashPool() {
  const waiting: (() => void)[] = [];
  let running = 0;
  let batches = 0;

  async function run<T>(work: () => Promise<T>): Promise<T> {
    if (waiting.length >= MAX_WAITING_HASHES) throw new HashQueueFullError('too many secrets wait to be hashed');
    return await inTurn(work);
  }

  /** A batch has no more in the queue than can run at once, so that it keeps nobody waiting for the whole of it. */
  async function runAll<T>(works: readonly (() => Promise<T>)[], signal: AbortSignal): Promise<T[]> {
    if (batches >= MAX_BATCHES) throw new HashQueueFullError('too many batches of secrets are being hashed');
    batches += 1;
    const results: T[] = [];
    const rest = works.entries();
    const lane = async () => {
      for (const [at, work] of rest) {
        signal.throwIfAborted();
        results[at] = await inTurn(work);
      }
    };
    try {
      const ends = await Promise.allSettled(Array.from({ length: HASHES_AT_ONCE }, lane));
      for (const end of ends) if (end.status === 'rejected') throw end.reason;
      return results;
    } finally {
      batches -= 1;
    }
  }

  async function inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (running >= HASHES_AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
    else running += 1;
    try {
      return await work();
    } finally {
      // The slot is handed to the next one, so that nobody who comes now overtakes it.
      const next = waiting.shift();
      if (next) next();
      else running -= 1;
    }
  }

  return { run, runAll, length: () => running + waiting.length };
}
