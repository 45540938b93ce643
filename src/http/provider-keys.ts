import {
  createLocalJWKSet,
  errors,
  type JWTHeaderParameters,
  type JWTPayload,
  type JWTVerifyOptions,
  jwtVerify,
} from 'jose';
import { z } from 'zod';
import { TRUSTED_ALGORITHMS } from '../rules/verify-key.js';

/** The keys of the OpenID provider, and what they have signed. */
export interface ProviderKeys {
  /** Verifies a JWT: by a key of the provider, with an asymmetric algorithm, from its issuer, for this client, of this time.
   *  Throws {@link KeysUnreachableError} when the keys cannot be had, an error of jose otherwise. RFC 7519 section 7.2. */
  verify(token: string, expected: Expected, now: Date): Promise<Verified>;
  /** How many there are, read anew. */
  count(now: Date): Promise<number>;
}

export interface Expected {
  readonly issuer: string;
  readonly audience: string;
  /** Claims that must be there beside `iss`, `aud` and `iat`. */
  readonly claims: readonly string[];
}

export interface Verified {
  readonly header: JWTHeaderParameters;
  readonly payload: JWTPayload;
}

/** The provider's keys cannot be read; nothing is known of what they signed. */
export class KeysUnreachableError extends Error {
  override readonly name = 'KeysUnreachableError';
}

/** How far the clocks may be apart, in seconds. */
const LEEWAY_SECONDS = 30;
/** How old a token may be, in seconds: it comes straight from the provider. */
const MAX_AGE_SECONDS = 600;
/** How long keys are taken as they are, and how long at least until a name that none has makes them read again. */
const FRESH_SECONDS = 600;
const PAUSE_SECONDS = 10;
/** How long keys that were read go on while the provider is away. A key that it withdrew meanwhile is good no longer. */
const STALE_SECONDS = 3600;

const keySet = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).max(100) });

interface Read {
  readonly keys: ReturnType<typeof createLocalJWKSet>;
  readonly count: number;
  readonly at: Date;
}

/** Keeps the keys that `fetchKeys` reads. One reading is under way at a time. */
export function createProviderKeys(fetchKeys: () => Promise<unknown>): ProviderKeys {
  let latest: Read | undefined;
  let reading: Promise<Read> | undefined;

  async function read(now: Date): Promise<Read> {
    reading ??= fetchKeys()
      .then((found) => {
        const set = keySet.parse(found);
        return { keys: createLocalJWKSet(set), count: set.keys.length, at: now };
      })
      .finally(() => {
        reading = undefined;
      });
    latest = await reading;
    return latest;
  }

  async function current(now: Date): Promise<Read> {
    const age = latest === undefined ? Number.POSITIVE_INFINITY : secondsBetween(latest.at, now);
    if (latest !== undefined && age < FRESH_SECONDS) return latest;
    const known = age < STALE_SECONDS ? latest : undefined;
    try {
      return await read(now);
    } catch (error) {
      if (known !== undefined) return known;
      throw new KeysUnreachableError('the keys of the provider cannot be read', { cause: error });
    }
  }

  return {
    verify: async (token, expected, now) => {
      const known = await current(now);
      try {
        return await verifyBy(known, token, expected, now);
      } catch (error) {
        const isUnknownKey = error instanceof errors.JWKSNoMatchingKey;
        if (!isUnknownKey || secondsBetween(known.at, now) < PAUSE_SECONDS) throw error;
        const renewed = await read(now).catch(() => undefined);
        if (renewed === undefined) throw error;
        return verifyBy(renewed, token, expected, now);
      }
    },
    count: async (now) => (await read(now)).count,
  };
}

async function verifyBy({ keys }: Read, token: string, expected: Expected, now: Date): Promise<Verified> {
  const options: JWTVerifyOptions = {
    // Never one with a shared secret, for which a public key would do, and never none. RFC 8725 section 3.1.
    algorithms: [...TRUSTED_ALGORITHMS],
    issuer: expected.issuer,
    audience: expected.audience,
    requiredClaims: ['iss', 'aud', 'iat', ...expected.claims],
    currentDate: now,
    clockTolerance: LEEWAY_SECONDS,
    maxTokenAge: MAX_AGE_SECONDS,
  };
  const { payload, protectedHeader } = await jwtVerify(token, keys, options);
  return { header: protectedHeader, payload };
}

function secondsBetween(from: Date, to: Date): number {
  return (to.getTime() - from.getTime()) / 1000;
}
