import { and, or, type SQL, sql } from 'drizzle-orm';
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core';
import type { Db } from './database.js';

/** How many rows one page of a list looks through for those that it wants. */
export const MAX_SEARCHED = 5_000;

/** Rows that an index gives in the order of their ids: those of a condition, or of any of several, each of which an index
 *  has. */
export type Path = readonly SQL[];

/** What a list is made of: newest first, narrowed by all paths at once. */
export interface Searched {
  readonly table: PgTable;
  readonly id: PgColumn;
  /** The workspace, and where the page begins. */
  readonly within: SQL | undefined;
  readonly paths: readonly Path[];
}

/** The paths of the conditions that a query asks for. */
export function pathsOf(conditions: readonly (Path | undefined)[]): Path[] {
  return conditions.filter((path) => path !== undefined);
}

/** What lies on all of the paths. */
export function onAll(paths: readonly Path[]): SQL | undefined {
  return and(...paths.map((path) => or(...path)));
}

/** The id at which a page stops looking, inclusive: the nearest at which a path has given that many rows, so that it is so
 *  many at most whichever the planner takes. Gives `undefined` when one of them comes to the end of the list before.
 *
 *  What no index answers is weighed row by row, and a filter that fits few rows would read them all for one page. A page
 *  that stops here costs the same wherever it is, and may be short: the next one begins where it stopped. */
export async function searchEnd<Id extends string>(db: Db, searched: Searched, rows: number): Promise<Id | undefined> {
  const { table, id, within } = searched;
  const along = (condition: SQL) =>
    sql`(select ${id} as id from ${table} where ${and(within, condition)} order by ${id} desc limit ${rows + 1})`;
  const endOf = (path: Path) => {
    const found = sql.join(path.map(along), sql` union `);
    return sql`((select id from (${found}) found order by id desc offset ${rows} limit 1))`;
  };
  const paths = searched.paths.length > 0 ? searched.paths : [[sql`true`]];
  const ends = sql.join(paths.map(endOf), sql`, `);
  const [nearest] = await db.execute<{ id: Id | null }>(
    sql`select id from (values ${ends}) ends (id) order by id desc nulls first limit 1`,
  );
  return nearest?.id ?? undefined;
}
