import { InvalidArgumentError } from 'commander';
import type { View } from './output.js';

const UNITS = [
  ['year', 365 * 86_400],
  ['month', 30 * 86_400],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
] as const;
const RELATIVE = new Intl.RelativeTimeFormat('en');
const DATE = /^\d{4}-\d{2}-\d{2}$/;
const RFC_3339 = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;

/** Says an instant as a person would: `in 6 days`, `3 hours ago`, `just now`. */
export function relativeTime(at: string, now: Date): string {
  const seconds = (Date.parse(at) - now.getTime()) / 1000;
  for (const [unit, length] of UNITS) {
    const count = Math.trunc(seconds / length);
    if (Math.abs(count) >= (unit === 'month' || unit === 'year' ? 2 : 1)) return RELATIVE.format(count, unit);
  }
  return seconds < 0 ? 'just now' : 'in a moment';
}

/** Says an instant both ways: `2026-01-31T12:00:00.000Z (in 6 days)`. */
export function bothTimes(at: string, now: Date): string {
  return `${at} (${relativeTime(at, now)})`;
}

/** Lays an instant out: both ways for a person at a terminal, exactly elsewhere. Nothing for one that is not set. */
export function timeIn(view: View, at: string | null, now: Date): string | undefined {
  if (at === null) return undefined;
  return view.isTerminal ? bothTimes(at, now) : at;
}

/** Reads a time from the command line: RFC 3339, or a day, which means its first instant in UTC. */
export function parseInstant(text: string): string {
  const at = new Date(DATE.test(text) ? `${text}T00:00:00Z` : RFC_3339.test(text) ? text : Number.NaN);
  if (Number.isNaN(at.getTime()) || !isDay(text.slice(0, 10))) {
    throw new InvalidArgumentError('Give a day (2026-01-31) or an RFC 3339 time (2026-01-31T12:00:00Z).');
  }
  return at.toISOString();
}

// Date reads the 30th of February as the 2nd of March.
function isDay(text: string): boolean {
  return new Date(`${text}T00:00:00Z`).toISOString().startsWith(text);
}
