import { addSeconds } from './lifetime.js';
import type { TokenStatus } from './token.js';

/** What an incident is about: a secret that was found where it does not belong, or a dead one that was used. */
export const INCIDENT_KINDS = ['leak', 'reuse'] as const;
export type IncidentKind = (typeof INCIDENT_KINDS)[number];

/** What the use of a dead secret does to the tokens that came of it: `alarm` tells, `revoke` ends the whole lineage. */
export const REUSE_RULES = ['alarm', 'revoke'] as const;
export type ReuseRule = (typeof REUSE_RULES)[number];

/** Where a secret was seen: a leak by what its finder says, a use by the address and the token that asked about it. */
export interface Sighting {
  /** RFC 3339. */
  readonly at: string;
  readonly type?: string;
  readonly url?: string;
  readonly ip?: string;
  /** The public id of the token that asked. */
  readonly by?: string;
}

/** What is kept of an incident beside its times: no secret. */
export interface IncidentRecord {
  /** What the token was when the incident was opened. */
  readonly was: TokenStatus;
  /** The public ids of the tokens that the incident has revoked. */
  readonly revoked: readonly string[];
  /** At most {@link MAX_SIGHTINGS}, each place once, in the order in which they were seen. */
  readonly seen: readonly Sighting[];
}

export const MAX_SIGHTINGS = 20;

/** Adds a sighting, unless its place is known or there are enough. */
export function withSighting(seen: readonly Sighting[], sighting: Sighting): readonly Sighting[] {
  const isKnown = seen.some(
    ({ type, url, ip, by }) =>
      type === sighting.type && url === sighting.url && ip === sighting.ip && by === sighting.by,
  );
  return isKnown || seen.length >= MAX_SIGHTINGS ? seen : [...seen, sighting];
}

/** Whether a token in this state may be good now or later, so that a leak of it must end it. */
export function mayYetServe(status: TokenStatus): boolean {
  return status !== 'revoked' && status !== 'expired' && status !== 'superseded';
}

/** A secret that was answered: of which token, and to whom, by public ids. */
export interface Handover {
  readonly token: string;
  readonly to: string;
}

/** The tokens whose secrets were answered to the leaked one, or to one that was: whoever has the leaked secret may have
 *  theirs too. */
export function withinReach(leaked: string, handovers: readonly Handover[]): readonly string[] {
  const reached = new Set([leaked]);
  for (let size = 0; size < reached.size; ) {
    size = reached.size;
    for (const { token, to } of handovers) if (reached.has(to)) reached.add(token);
  }
  reached.delete(leaked);
  return [...reached];
}

/** How long after its overlap a superseded secret may come once more from where it was used before, in seconds. */
export const STRAGGLER_SECONDS = 600;

/** Whether the use of a superseded secret is a late retry and no alarm: soon after the overlap, by the same address or
 *  the same token that asks. */
export function isStraggler(
  ended: {
    readonly at: Date;
    readonly lastUsedIp: string | undefined;
    readonly lastUsedBy: string | undefined;
  },
  use: { readonly at: Date; readonly ip: string | undefined; readonly by: string | undefined },
): boolean {
  if (use.at >= addSeconds(ended.at, STRAGGLER_SECONDS)) return false;
  const isSameToken = use.by !== undefined && use.by === ended.lastUsedBy;
  const isSameAddress = use.ip !== undefined && use.ip === ended.lastUsedIp;
  return isSameToken || isSameAddress;
}
