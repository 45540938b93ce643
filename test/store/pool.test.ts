import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { isUnavailable } from '../../src/store/connect.js';
import { type Database, inTransaction, openDatabase, type Tx } from '../../src/store/database.js';
import { unlessLost } from '../../src/store/pool.js';
import { createTestDatabase, type TestDatabase } from '../setup/database.js';

let database: TestDatabase;
let ours: Database;
let admin: Database;
beforeAll(async () => {
  database = await createTestDatabase();
  ours = openDatabase(database.options);
  admin = openDatabase(database.options);
});
afterAll(async () => {
  await ours.close();
  await admin.close();
  await database.drop();
});

async function pidOf(tx: Tx): Promise<number> {
  const [row] = await tx.execute<{ pid: number }>(sql`select pg_backend_pid() as pid`);
  if (row === undefined) throw new Error('a connection without a process');
  return row.pid;
}

/** A transaction whose connection is ended while a statement of it runs. */
async function cutOff(): Promise<unknown> {
  return inTransaction(ours.db, async (tx) => {
    const pid = await pidOf(tx);
    // Drizzle sends nothing before somebody waits for it.
    const waiting = Promise.resolve(tx.execute(sql`select pg_sleep(60)`));
    waiting.catch(() => undefined);
    await admin.db.execute(sql`select pg_terminate_backend(${pid})`);
    await waiting;
  }).catch((error: unknown) => error);
}

it('a transaction whose connection is ended is rejected, and nothing else falls with it', async () => {
  const errors = await Promise.all(Array.from({ length: 4 }, cutOff));
  expect(errors.map(isUnavailable)).toEqual([true, true, true, true]);
});

it.each(['CONNECTION_CLOSED', 'ECONNRESET', '57P01', '25P03'])(
  'what ends with its connection (%s) sends nothing more over it',
  async (code) => {
    const inside = unlessLost(() => Promise.reject(Object.assign(new Error(code), { code })));
    const nothing = new Promise((resolve) => setImmediate(resolve, 'nothing'));
    expect(await Promise.race([inside, nothing])).toBe('nothing');
  },
);

it('every statement after a lost connection is answered', async () => {
  for (let turn = 0; turn < 20; turn += 1) {
    await cutOff();
    const answers = await Promise.all(
      Array.from({ length: 16 }, () => inTransaction(ours.db, (tx) => tx.execute(sql`select ${turn}::int as turn`))),
    );
    expect(answers.map(([row]) => row?.['turn'])).toEqual(Array.from({ length: 16 }, () => turn));
  }
});

it('an idle connection that is ended is replaced', async () => {
  const pids = await Promise.all(Array.from({ length: 8 }, () => inTransaction(ours.db, pidOf)));
  // Answered when it has ended.
  for (const pid of new Set(pids)) await admin.db.execute(sql`select pg_terminate_backend(${pid}, 25000)`);
  const answers = await Promise.allSettled(
    Array.from({ length: 8 }, () => inTransaction(ours.db, (tx) => tx.execute(sql`select 1`))),
  );
  const errors = answers.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
  expect(errors.every(isUnavailable)).toBe(true);
  await expect(inTransaction(ours.db, (tx) => tx.execute(sql`select 1`))).resolves.toHaveLength(1);
});
