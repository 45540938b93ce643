import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parseArray, printArray } from '../../src/store/array-types.js';
import { connect, type Sql } from '../../src/store/connect.js';
import { createTestDatabase, type TestDatabase } from '../setup/database.js';

let database: TestDatabase;
let sql: Sql;
beforeAll(async () => {
  database = await createTestDatabase();
  sql = connect(database.options, { max: 1 });
});
afterAll(async () => {
  await sql.end();
  await database.drop();
});

const anyItems = fc.array(fc.string({ unit: fc.constantFrom('a', ',', '"', '\\', '{', '}', ' ', 'ü', '\n', 'NULL') }));

it('reads what it prints', () => {
  fc.assert(
    fc.property(anyItems, (items) => {
      expect(parseArray(printArray(items))).toEqual(items);
    }),
  );
});

it('PostgreSQL reads and prints the same', async () => {
  const check = async (items: string[]) => {
    const [row] = await sql`select ${items}::text[] as texts, cardinality(${items}::text[]) as size`;
    expect(row).toEqual({ texts: items, size: items.length });
  };
  await fc.assert(fc.asyncProperty(anyItems, check), { numRuns: 200 });
});

it('takes a list of ids', async () => {
  const ids = ['018f4e6a-0000-7000-8000-000000000000', '018f4e6a-0000-7000-8000-000000000001'];
  const rows = await sql`select id from unnest(${ids}::uuid[]) as id`;
  expect(rows.map((row) => row['id'])).toEqual(ids);
});
