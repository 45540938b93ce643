import { z } from 'zod';
import { keyAlgorithms, showsPrivatePart, type VerifyKey } from '../rules/verify-key.js';
import type { Log } from './log.js';
import type { Outgoing } from './outgoing.js';

/** The public keys of issuers, as they publish them. */
export interface IssuerKeys {
  /** A key by its name. */
  find(issuer: string, kid: string, now: Date): Promise<FoundKey>;
}

/** `unknown`: the issuer has no key of that name. `away`: it has to be asked, and cannot be; after so many seconds it is
 *  asked again. */
export type FoundKey =
  | { readonly kind: 'found'; readonly key: VerifyKey }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'away'; readonly retryAfterSeconds: number };

interface Known {
  readonly keys: ReadonlyMap<string, VerifyKey>;
  /** In ms since the epoch: when the keys were fetched; 0 when they never were. */
  readonly fetchedAt: number;
  readonly triedAt: number;
}

const FRESH_MS = 600_000;
/** How long keys that are known serve while the issuer cannot be asked. */
const OUTAGE_MS = 86_400_000;
/** How long nobody makes the service ask the same issuer again. */
const PAUSE_MS = 30_000;
/** The same, while it cannot be asked and a key is wanted that is not known: jobs wait for it. */
const AWAY_PAUSE_MS = 5_000;
const MAX_ISSUERS = 1_000;
const MAX_KEYS = 100;
const MAX_BYTES = 65_536;

const discovery = z.object({ issuer: z.string(), jwks_uri: z.string().max(2_048) });
const text = z.string().max(4_096).optional();
const jwk = z.looseObject({
  kty: z.string().max(16),
  kid: z.string().min(1).max(256),
  crv: text,
  x: text,
  y: text,
  n: text,
  e: text,
  alg: text,
  use: text,
  key_ops: z.array(z.string()).optional(),
});
const jwks = z.object({ keys: z.array(z.unknown()).max(MAX_KEYS) });

/** Keeps the keys of the latest thousand issuers: 10 minutes; for a day, those that are known already, while the issuer is
 *  out of reach. A name that is not known makes the service look again, for one issuer every 30 s at most, every 5 s while it is out
 *  of reach. Those who ask at the same moment wait for the same answer. */
export function createIssuerKeys(outgoing: Outgoing, log: Log): IssuerKeys {
  const known = new Map<string, Known>();
  const underWay = new Map<string, Promise<Known>>();

  async function refresh(issuer: string, before: Known | undefined, at: number): Promise<Known> {
    const fetched = await fetchKeys(outgoing, issuer);
    if (!fetched.ok) log.warn({ issuer, reason: fetched.reason }, 'the keys of an issuer could not be fetched');
    const next = fetched.ok
      ? { keys: fetched.keys, fetchedAt: at, triedAt: at }
      : { keys: before?.keys ?? new Map(), fetchedAt: before?.fetchedAt ?? 0, triedAt: at };
    known.delete(issuer);
    known.set(issuer, next);
    const [oldest] = known.keys();
    if (known.size > MAX_ISSUERS && oldest !== undefined) known.delete(oldest);
    return next;
  }

  function refreshed(issuer: string, before: Known | undefined, at: number): Promise<Known> {
    const waiting = underWay.get(issuer);
    if (waiting) return waiting;
    const started = refresh(issuer, before, at).finally(() => underWay.delete(issuer));
    underWay.set(issuer, started);
    return started;
  }

  return {
    find: async (issuer, kid, now) => {
      const at = now.getTime();
      const before = known.get(issuer);
      const isFresh = before !== undefined && at - before.fetchedAt < FRESH_MS;
      const fresh = isFresh ? before.keys.get(kid) : undefined;
      if (fresh) return { kind: 'found', key: fresh };
      const mayAsk = before === undefined || at - before.triedAt >= pauseMs(before, kid, at);
      const current = mayAsk ? await refreshed(issuer, before, at) : before;
      const key = keyOf(current, kid, at);
      if (key) return { kind: 'found', key };
      if (!isAway(current)) return { kind: 'unknown' };
      return { kind: 'away', retryAfterSeconds: (current.triedAt + AWAY_PAUSE_MS - at) / 1000 };
    },
  };
}

/** Whether the issuer did not answer when it was asked last. */
function isAway({ fetchedAt, triedAt }: Known): boolean {
  return fetchedAt < triedAt;
}

function keyOf({ keys, fetchedAt }: Known, kid: string, at: number): VerifyKey | undefined {
  return at - fetchedAt < OUTAGE_MS ? keys.get(kid) : undefined;
}

function pauseMs(known: Known, kid: string, at: number): number {
  return isAway(known) && keyOf(known, kid, at) === undefined ? AWAY_PAUSE_MS : PAUSE_MS;
}

type Fetched =
  | { readonly ok: true; readonly keys: ReadonlyMap<string, VerifyKey> }
  | { readonly ok: false; readonly reason: string };

/** OpenID Connect Discovery 1.0 section 4: the document must be about the very issuer that was asked. */
async function fetchKeys(outgoing: Outgoing, issuer: string): Promise<Fetched> {
  const document = await fetchJson(outgoing, `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`);
  if (!document.ok) return document;
  const about = discovery.safeParse(document.value);
  if (!about.success) return fault('the discovery document names no issuer and no keys');
  if (about.data.issuer !== issuer) return fault('the discovery document is of another issuer');
  const set = await fetchJson(outgoing, about.data.jwks_uri);
  if (!set.ok) return set;
  const listed = jwks.safeParse(set.value);
  if (!listed.success) return fault(`it is no set of ${MAX_KEYS} keys at the most`);
  return { ok: true, keys: usableKeys(listed.data.keys) };
}

/** The keys of a set to verify with, by name. One that shows its private part is nobody's proof any more; a name that two
 *  keys have names neither. */
function usableKeys(list: readonly unknown[]): ReadonlyMap<string, VerifyKey> {
  const keys = new Map<string, VerifyKey>();
  const twice = new Set<string>();
  for (const one of list) {
    const parsed = jwk.safeParse(one);
    if (!parsed.success || showsPrivatePart(parsed.data) || keyAlgorithms(parsed.data).length === 0) continue;
    if (keys.has(parsed.data.kid)) twice.add(parsed.data.kid);
    keys.set(parsed.data.kid, parsed.data);
  }
  for (const kid of twice) keys.delete(kid);
  return keys;
}

async function fetchJson(outgoing: Outgoing, url: string) {
  const answer = await outgoing({ url, maxBytes: MAX_BYTES });
  if (!answer.ok) return answer;
  if (answer.status !== 200) return fault(`${url} answered ${answer.status}`);
  try {
    const value: unknown = JSON.parse(answer.text);
    return { ok: true, value } as const;
  } catch {
    return fault(`${url} answered with something that is not JSON`);
  }
}

function fault(reason: string) {
  return { ok: false, reason } as const;
}
