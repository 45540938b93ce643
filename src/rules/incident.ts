import { addSeconds, earliest } from './lifetime.js';
import type { RevokeReason, TokenStatus } from './token.js';

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

/** The same after a revocation: jobs that were under way are told of it, and need not be rotated first. */
export const AFTERMATH_SECONDS = 60;

/** How a secret ended, as far as it says whether its use was to be expected. */
export interface DeadSecret {
  /** Why it was revoked; `undefined` when it was not. */
  readonly reason: RevokeReason | undefined;
  /** When its overlap ended, where it has a successor. */
  readonly supersededAt: Date | undefined;
  readonly revokedAt: Date | undefined;
  readonly lastUsedIp: string | undefined;
  readonly lastUsedBy: string | undefined;
  /** The members who made it, own it and revoked it, by their public ids. */
  readonly people: readonly string[];
}

/** The use of a dead secret: from where, and the token that asked about it, if one did. */
export interface DeadUse {
  readonly at: Date;
  readonly ip: string | undefined;
  readonly by: string | undefined;
  /** Whose token only asked about it (RFC 7662), and whether it is one of those that people sign in with. */
  readonly question: { readonly member: string; readonly isSignIn: boolean } | undefined;
}

/** Whether the use of a dead secret is no alarm: a late retry, or a look. */
export function isExpected(dead: DeadSecret, use: DeadUse): boolean {
  return isStraggler(dead, use) || isLook(dead, use);
}

/** A late retry: soon after the end, from the same address or by the same token that asks. What was revoked because it was
 *  rotated has as long as what is superseded. */
function isStraggler(dead: DeadSecret, use: DeadUse): boolean {
  const isRotation = dead.reason === undefined || dead.reason === 'rotated';
  const endedAt = isRotation ? earliest(dead.supersededAt, dead.revokedAt) : dead.revokedAt;
  if (!isWithin(endedAt, isRotation ? STRAGGLER_SECONDS : AFTERMATH_SECONDS, use.at)) return false;
  const isSameToken = use.by !== undefined && use.by === dead.lastUsedBy;
  const isSameAddress = use.ip !== undefined && use.ip === dead.lastUsedIp;
  return isSameToken || isSameAddress;
}

/** Somebody looks whether it is dead: a person who has to do with it, signed in; soon after the revocation any token of such a
 *  person. Later a token of a workflow may be that of a gateway, which asks on behalf of whoever came with the secret. */
function isLook({ people, revokedAt }: DeadSecret, { question, at }: DeadUse): boolean {
  if (question === undefined || !people.includes(question.member)) return false;
  return question.isSignIn || isWithin(revokedAt, AFTERMATH_SECONDS, at);
}

function isWithin(since: Date | undefined, seconds: number, at: Date): boolean {
  return since !== undefined && at < addSeconds(since, seconds);
}
