const DAY_MS = 86_400_000;

/** The longest life of a token, in whole days. The shortest is 1. */
export const MAX_EXPIRY_DAYS = 366;

/** How long the token of `init`, `member recover` and `member accept` lives, in days. */
export const SIGN_IN_DAYS = 7;

/** How long an invitation may be accepted, in hours. */
export const INVITATION_HOURS = 72;

/** The instant `days` whole days (86 400 s each) after another. */
export function addDays(from: Date, days: number): Date {
  return new Date(from.getTime() + days * DAY_MS);
}

/** The instant `seconds` after another. */
export function addSeconds(from: Date, seconds: number): Date {
  return new Date(from.getTime() + seconds * 1000);
}

/** The earliest of the instants that are set. Gives `undefined` when none is. */
export function earliest(...instants: readonly (Date | undefined)[]): Date | undefined {
  const times = instants.flatMap((instant) => (instant ? [instant.getTime()] : []));
  return times.length === 0 ? undefined : new Date(Math.min(...times));
}

/** The longest period that a policy allows and that is not longer than the wanted one; else the shortest it allows. A
 *  rotation that names no period keeps the predecessor's as far as today's policy lets it. */
export function periodWithin(allowedDays: readonly number[], wantedDays: number): number | undefined {
  const fitting = allowedDays.filter((days) => days <= wantedDays);
  return fitting.length > 0 ? Math.max(...fitting) : allowedDays.length > 0 ? Math.min(...allowedDays) : undefined;
}
