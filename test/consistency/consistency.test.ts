import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { type Keys, loadKeys } from '../../src/keys.js';
import { createTestDatabase, type TestDatabase } from '../setup/database.js';
import { cutNotifications } from './cut-notifications.js';
import { type Drive, drive } from './driver.js';
import { type InsideOptions, startInsideNode } from './inside-node.js';
import type { Node } from './node.js';
import { openRepeatingLookup, rememberDecisions } from './wrong.js';

let keys: Keys;
const directory = mkdtempSync(join(tmpdir(), 'countersign-consistency-'));
beforeAll(async () => {
  keys = await loadKeys({ dataDir: directory, peppers: undefined, signingKeys: undefined });
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

let database: TestDatabase;
const nodes: Node[] = [];
afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.stop()));
  await database.drop();
});

async function run(options: Partial<Drive> & { nodeOptions?: Partial<InsideOptions> }) {
  database = await createTestDatabase();
  const { nodeOptions, ...rest } = options;
  for (const name of ['a', 'b', 'c']) {
    nodes.push(await startInsideNode({ name, database: database.options, keys, ...nodeOptions }));
  }
  return drive({
    nodes,
    database: database.options,
    keys,
    operations: 2000,
    clients: 16,
    tenants: 2,
    maxSeconds: 20,
    disturb: undefined,
    ...rest,
  });
}

it('a yes never follows an end, and a no never precedes one, on three nodes', async () => {
  const { stale, falseNoes, tally } = await run({});
  expect(stale).toEqual([]);
  expect(falseNoes).toEqual([]);
  expect(tally.strange).toEqual({});
  expect(tally.acts).toBeGreaterThan(0);
}, 90_000);

it('the same while the notification connections are cut all the time', async () => {
  const { stale, falseNoes, tally } = await run({
    disturb: (progress) => cutNotifications(database.options, progress),
  });
  expect(stale).toEqual([]);
  expect(falseNoes).toEqual([]);
  expect(tally.strange).toEqual({});
}, 90_000);

/** Ends with the number of its operations, not with its time: so many hold the fault on any machine. */
const PLANTED = { operations: 800, clients: 4, maxSeconds: 120 };

it('finds a lookup that gives what it has read once more', async () => {
  const { stale } = await run({ ...PLANTED, nodeOptions: { openLookup: openRepeatingLookup } });
  expect(stale.length).toBeGreaterThan(0);
}, 180_000);

it('finds an exec check whose decision is remembered', async () => {
  const { stale } = await run({ ...PLANTED, nodeOptions: { wrap: rememberDecisions } });
  expect(stale.length).toBeGreaterThan(0);
  expect(stale.every(({ question }) => question.kind !== 'introspect')).toBe(true);
}, 180_000);
