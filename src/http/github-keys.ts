import { createPublicKey, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import type { Log } from './log.js';
import type { Outgoing } from './outgoing.js';

/** Where GitHub publishes the keys that its secret scanning signs with. */
export const GITHUB_KEYS_URL = 'https://api.github.com/meta/public_keys/secret_scanning';

/** What is known of a key: it is there, GitHub has none of that name that it signs with, or GitHub cannot be asked. */
export type FoundGithubKey =
  | { readonly kind: 'found'; readonly key: KeyObject }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'unavailable' };

/** The keys of GitHub's secret scanning. */
export interface GithubKeys {
  find(identifier: string, now: Date): Promise<FoundGithubKey>;
}

const FRESH_MS = 3_600_000;
/** How long keys that are known serve while GitHub cannot be asked. */
const OUTAGE_MS = 86_400_000;
/** How long nobody makes the service ask again. */
const PAUSE_MS = 30_000;
const MAX_BYTES = 65_536;

const list = z.object({
  public_keys: z
    .array(z.object({ key_identifier: z.string().min(1), key: z.string(), is_current: z.boolean() }))
    .max(100),
});

interface Known {
  readonly keys: ReadonlyMap<string, KeyObject>;
  readonly etag: string | undefined;
  /** In ms since the epoch. */
  readonly fetchedAt: number;
}

/** Keeps the keys for an hour; for a day while GitHub is out of reach. A name that is not known makes the service look
 *  again, every 30 s at most. A list that has not changed costs GitHub's limit nothing (RFC 9110 section 13.1.2). */
export function createGithubKeys(outgoing: Outgoing, url: string, log: Log): GithubKeys {
  let known: Known | undefined;
  let triedAt = Number.NEGATIVE_INFINITY;
  let underWay: Promise<void> | undefined;

  async function refresh(at: number): Promise<void> {
    const etag = known?.etag;
    const answer = await outgoing({
      url,
      maxBytes: MAX_BYTES,
      ...(etag ? { headers: { 'if-none-match': etag } } : {}),
    });
    if (answer.ok && answer.status === 304 && known !== undefined) {
      known = { ...known, fetchedAt: at };
      return;
    }
    const keys = answer.ok && answer.status === 200 ? keysIn(answer.text) : undefined;
    if (answer.ok && keys !== undefined) known = { keys, etag: answer.etag, fetchedAt: at };
    else
      log.warn(
        { url, reason: answer.ok ? `it answered ${answer.status}` : answer.reason },
        'the keys of GitHub could not be fetched',
      );
  }

  return {
    find: async (identifier, now) => {
      const at = now.getTime();
      const isFresh = known !== undefined && at - known.fetchedAt < FRESH_MS;
      if (!(isFresh && known?.keys.has(identifier)) && (underWay !== undefined || at - triedAt >= PAUSE_MS)) {
        triedAt = at;
        underWay ??= refresh(at).finally(() => {
          underWay = undefined;
        });
        await underWay;
      }
      if (known === undefined || at - known.fetchedAt >= OUTAGE_MS) return { kind: 'unavailable' };
      const key = known.keys.get(identifier);
      if (key) return { kind: 'found', key };
      // A key that is younger than what is known of them cannot be told from one that is made up.
      return at - known.fetchedAt < FRESH_MS ? { kind: 'unknown' } : { kind: 'unavailable' };
    },
  };
}

/** The keys that GitHub signs with now, by name: P-256 alone. A name that two keys have names neither. */
function keysIn(text: string): ReadonlyMap<string, KeyObject> | undefined {
  const parsed = list.safeParse(jsonOf(text));
  if (!parsed.success) return undefined;
  const keys = new Map<string, KeyObject>();
  const twice = new Set<string>();
  for (const { key_identifier: name, key: pem, is_current: isCurrent } of parsed.data.public_keys) {
    if (keys.has(name)) twice.add(name);
    const key = isCurrent ? publicKey(pem) : undefined;
    if (key) keys.set(name, key);
  }
  for (const name of twice) keys.delete(name);
  return keys;
}

function publicKey(pem: string): KeyObject | undefined {
  // Of a private key Node would make the public one.
  if (!pem.includes('-----BEGIN PUBLIC KEY-----')) return undefined;
  try {
    const key = createPublicKey(pem);
    return key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1' ? key : undefined;
  } catch {
    return undefined;
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
