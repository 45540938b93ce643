import { accept, invalid, type Result } from '../rules/refusal.js';
import type { Page } from '../wire/resources.js';

/** Reads the place in a list that a cursor stands for. Refuses `invalid` for one of another list or a made-up one. */
export function readCursor<T>(
  list: string,
  cursor: string | undefined,
  parse: (text: string) => T | undefined,
): Result<T | undefined> {
  if (cursor === undefined) return accept(undefined);
  const text = Buffer.from(cursor, 'base64url').toString('utf8');
  // The decoder skips what is not base64: only what was given out passes.
  const isOurs = text.startsWith(`${list}:`) && print(text) === cursor;
  const place = isOurs ? parse(text.slice(list.length + 1)) : undefined;
  return place === undefined ? invalid(['cursor'], 'is not a cursor of this list') : accept(place);
}

/** Makes a page of rows that were read one beyond the limit. `end` is where reading stopped before the end of the list: the
 *  next page begins there when this one is not full. */
export function pageOf<Row, T>(
  list: string,
  rows: readonly Row[],
  limit: number,
  place: (row: Row) => string,
  present: (row: Row) => T,
  end?: string,
): Page<T> {
  const shown = rows.slice(0, limit);
  const last = rows.length > limit ? shown.at(-1) : undefined;
  const next = last === undefined ? end : place(last);
  return { data: shown.map(present), next_cursor: next === undefined ? null : print(`${list}:${next}`) };
}

function print(text: string): string {
  return Buffer.from(text).toString('base64url');
}
