import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensurePartitions } from '../../src/store/checks.js';
import { sqlState } from '../../src/store/connect.js';
import { type Database, openDatabase } from '../../src/store/database.js';
import { keepHouse } from '../../src/store/housekeeping.js';
import { createTestDatabase, type TestDatabase } from '../setup/database.js';

let database: TestDatabase;
let db: Database;
beforeAll(async () => {
  database = await createTestDatabase();
  db = openDatabase(database.options);
});
afterAll(async () => {
  await db.close();
  await database.drop();
});

const months = async () =>
  (await db.sql`select relname from pg_class where relname ~ '^exec_checks_[0-9]{6}$' order by 1`).map(
    (row) => row['relname'],
  );
const keys = async () => (await db.sql`select 1 from idempotency_keys`).length;

/** Holds what `take` takes until `act` has ended. */
async function during(take: string, act: () => Promise<void>): Promise<void> {
  await db.sql.begin(async (tx) => {
    await tx.unsafe(take);
    await act();
  });
}

describe('housekeeping', () => {
  it('makes what is missing and deletes what is too old, in one of several processes', async () => {
    await keepHouse(db.sql, new Date('2040-01-15T00:00:00Z'));
    expect(await months()).toEqual(
      expect.arrayContaining(['exec_checks_204001', 'exec_checks_204002', 'exec_checks_204003']),
    );
    const later = new Date('2041-03-15T00:00:00Z');
    await ensurePartitions(db.sql, later);
    const outcomes = await Promise.all(Array.from({ length: 6 }, () => keepHouse(db.sql, later)));
    // Each is dropped once, by whoever came first.
    const dropped = outcomes.flat();
    expect(dropped).toContain('exec_checks_204001');
    expect(new Set(dropped).size).toBe(dropped.length);
    const now = await months();
    expect(now).not.toContain('exec_checks_204001');
    expect(now).toEqual(expect.arrayContaining(['exec_checks_204002', 'exec_checks_204103', 'exec_checks_204105']));
  });

  it('leaves to another what that is at, and makes partitions all the same', async () => {
    await keepHouse(db.sql, new Date('2050-01-15T00:00:00Z'));
    await db.sql`insert into idempotency_keys (workspace_id, member_id, key, body_hash, token_id, created_at)
      select gen_random_uuid(), gen_random_uuid(), 'key', 'hash', gen_random_uuid(), at
      from unnest(array['2050-01-01', '2051-03-15']::timestamptz[]) as at`;
    const later = new Date('2051-03-15T00:00:00Z');
    await during('select pg_advisory_xact_lock(4837201185)', async () => {
      expect(await keepHouse(db.sql, later)).toEqual([]);
      expect(await months()).toEqual(expect.arrayContaining(['exec_checks_205001', 'exec_checks_205103']));
      expect(await keys()).toBe(2);
    });
    expect(await keepHouse(db.sql, later)).toContain('exec_checks_205001');
    expect(await keys()).toBe(1);
  });

  it('gives up a drop that somebody who reads for long holds up, and tries again the next time', async () => {
    await keepHouse(db.sql, new Date('2060-01-15T00:00:00Z'));
    const later = new Date('2061-03-15T00:00:00Z');
    await during('select count(*) from exec_checks', async () => {
      const failure = await keepHouse(db.sql, later).catch((error: unknown) => error);
      expect(sqlState(failure)).toBe('55P03');
      expect(await months()).toEqual(expect.arrayContaining(['exec_checks_206001', 'exec_checks_206103']));
    });
    expect(await keepHouse(db.sql, later)).toContain('exec_checks_206001');
  });
});
