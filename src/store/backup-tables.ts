import type { Sql, TransactionSql } from './connect.js';

/** A table of the service as the database knows it. */
export interface Table {
  readonly name: string;
  readonly columns: readonly string[];
}

/** All tables of the service, each behind those that its rows refer to. The partitions of a table are not told apart. */
export async function tablesInOrder(sql: Sql | TransactionSql): Promise<Table[]> {
  const rows = await sql<{ name: string; columns: string[]; needs: string[] }[]>`
    select c.relname as name,
      (select json_agg(a.attname order by a.attnum) from pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
      coalesce((select json_agg(distinct f.relname) from pg_constraint k join pg_class f on f.oid = k.confrelid
        where k.conrelid = c.oid and k.contype = 'f' and k.confrelid <> c.oid), '[]') as needs
    from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
    order by c.relname`;
  const placed = new Map<string, Table>();
  while (placed.size < rows.length) {
    const next = rows.find(({ name, needs }) => !placed.has(name) && needs.every((need) => placed.has(need)));
    if (next === undefined) throw new Error('the tables refer to each other in a circle');
    placed.set(next.name, { name: next.name, columns: next.columns });
  }
  return [...placed.values()];
}

/** The months that decisions are kept of, by the names of their partitions: `2026-11`, in order. */
export async function partitionMonths(sql: Sql | TransactionSql): Promise<string[]> {
  const rows = await sql<{ name: string }[]>`
    select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'exec_checks'::regclass and c.relname ~ '^exec_checks_[0-9]{6}$' order by c.relname`;
  return rows.map(({ name }) => `${name.slice(-6, -2)}-${name.slice(-2)}`);
}

/** The migrations that a database has seen, by their digests, oldest first. Empty for a database that has seen none. */
export async function appliedMigrations(sql: Sql | TransactionSql): Promise<string[]> {
  const [table] = await sql`select to_regclass('drizzle.__drizzle_migrations') is not null as exists`;
  if (table?.['exists'] !== true) return [];
  const rows = await sql<{ hash: string }[]>`select hash from drizzle.__drizzle_migrations order by created_at`;
  return rows.map(({ hash }) => hash);
}
