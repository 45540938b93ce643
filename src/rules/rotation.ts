import { addSeconds, earliest } from './lifetime.js';

/** How long a predecessor stays valid beside its successor unless the rotation says otherwise, in seconds. */
export const DEFAULT_OVERLAP_SECONDS = 86_400;
export const MAX_OVERLAP_SECONDS = 604_800;

/** How long a predecessor stays valid after its successor's first use unless the rotation says otherwise, in seconds. */
export const DEFAULT_DRAIN_SECONDS = 3_600;
export const MAX_DRAIN_SECONDS = 604_800;

/** A successor, as far as it decides about its predecessor. */
export interface Succession {
  readonly overlapEndsAt: Date;
  readonly drainSeconds: number;
  readonly firstUsedAt: Date | undefined;
}

/** The instant at which a predecessor stops being valid for having a successor: the earlier of the end of the overlap
 *  and, once the successor was used, the end of the drain. Its own expiry is judged apart. */
export function overlapEnd(succession: Succession): Date {
  const drained = succession.firstUsedAt && addSeconds(succession.firstUsedAt, succession.drainSeconds);
  return earliest(succession.overlapEndsAt, drained) ?? succession.overlapEndsAt;
}

/** Whether a token may have a successor at all. One that was made for hours (a device login, a CI job's exchange), which counts
 *  as 0 days, may not: the successor would live for days, without the approval or the proof that its hours were given for. */
export function isRotatable({ expiresInDays }: { readonly expiresInDays: number }): boolean {
  return expiresInDays > 0;
}
