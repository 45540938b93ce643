import { parseToken, printId } from '../rules/format.js';

/** The newest token of a lineage: what a rotation starts from. */
export interface Head {
  readonly id: string;
  readonly lineageId: string;
  /** The token that it is the successor of, if it is one. */
  readonly predecessor: string | undefined;
  readonly isUsed: boolean;
  readonly isRevoked: boolean;
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

/** What one sink holds. */
export interface Held {
  readonly isReadable: boolean;
  readonly value: string | undefined;
}

/** When a token is to be rotated that is in its place: at once, so many days before its end, or at such an age. */
export interface Due {
  readonly ifExpiresWithinDays?: number | undefined;
  readonly everyDays?: number | undefined;
}

/** What is to be done next.
 *  - `spread`: one of these secrets is the head's, and not all sinks have it
 *  - `rotate`: ask for a successor of `target`; `isResumed` when one was made before and its secret reached no sink
 *  - `leave`: another rotation may be under way
 *  - `rest`: every sink has it, and it is not due */
export type Plan =
  | { readonly kind: 'spread'; readonly secrets: readonly string[] }
  | { readonly kind: 'rotate'; readonly target: string; readonly isResumed: boolean }
  | { readonly kind: 'leave' }
  | { readonly kind: 'rest' };

export interface Situation {
  readonly head: Head;
  readonly sinks: readonly Held[];
  /** The secret that the rotator itself came with, when it rotates its own token. */
  readonly own: string | undefined;
  readonly due: Due;
  /** A successor that is younger than so many seconds and in no sink is left to whom may be writing it. */
  readonly leaveSeconds: number;
  /** Whether a smoke test belongs to the rotation. */
  readonly isTested: boolean;
  readonly now: Date;
}

/** For a day a sink that cannot be read gets the secret again, if one that can be has it, and a smoke test is run again: a run
 *  that was killed in between, or a test that failed, leaves no other trace once somebody has used the secret. */
const REPEATED_MS = 86_400_000;

/** Decides where a rotation goes on, whatever became of the one before. A secret that a sink has already is never replaced:
 *  jobs may have it. */
export function planRotation({ head, sinks, own, due, leaveSeconds, isTested, now }: Situation): Plan {
  const readable = sinks.filter((sink) => sink.isReadable);
  const values = [...readable.map(({ value }) => value), own];
  const secrets = [...new Set(values.flatMap((value) => (idOf(value) === head.id && value ? [value] : [])))];
  const isUnfinished = head.predecessor !== undefined && !head.isUsed;
  const isEverywhere = secrets.length === 1 && readable.every(({ value }) => value === secrets[0]);
  if (secrets.length > 0 && (isUnfinished || !isEverywhere)) return { kind: 'spread', secrets };
  if (isUnfinished && head.predecessor !== undefined) {
    const ageSeconds = (now.getTime() - head.createdAt.getTime()) / 1000;
    if (leaveSeconds > 0 && ageSeconds < leaveSeconds) return { kind: 'leave' };
    return { kind: 'rotate', target: head.predecessor, isResumed: true };
  }
  const isMissing = readable.length > 0 && !isEverywhere;
  if (isMissing || isDue(head, due, now)) return { kind: 'rotate', target: head.id, isResumed: false };
  const isYoung = now.getTime() - head.createdAt.getTime() < REPEATED_MS;
  const isInDoubt = head.predecessor !== undefined && isYoung && (isTested || readable.length < sinks.length);
  return isInDoubt && secrets.length > 0 ? { kind: 'spread', secrets } : { kind: 'rest' };
}

/** Whether a token's time has come: always, where nothing says when. */
function isDue({ createdAt, expiresAt }: Head, { ifExpiresWithinDays, everyDays }: Due, now: Date): boolean {
  if (ifExpiresWithinDays === undefined && everyDays === undefined) return true;
  const isEnding = ifExpiresWithinDays !== undefined && daysBetween(now, expiresAt) <= ifExpiresWithinDays;
  const isOld = everyDays !== undefined && daysBetween(createdAt, now) >= everyDays;
  return isEnding || isOld;
}

function daysBetween(from: Date, to: Date): number {
  return (to.getTime() - from.getTime()) / 86_400_000;
}

function idOf(value: string | undefined): string | undefined {
  const token = value === undefined ? undefined : parseToken(value);
  return token && printId('tok', token.id);
}
