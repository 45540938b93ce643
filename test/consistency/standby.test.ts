import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Keys, loadKeys } from '../../src/keys.js';
import { findPrimary, isUnavailable } from '../../src/store/connect.js';
import { openDatabase } from '../../src/store/database.js';
import { migrateDatabase } from '../../src/store/migrate.js';
import { createSecrets } from '../../src/store/secret.js';
import { createWorkspace } from '../../src/store/workspaces.js';
import { type Connections, openConnections } from './connection.js';
import { openPair, type Pair, pairUrl, TCP } from './failover.js';
import { startInsideNode } from './inside-node.js';
import type { Node } from './node.js';
import { asAdmin, clusterAt, createDatabase, findInstallation, initialise, type Postgres, until } from './postgres.js';

const home = mkdtempSync(join(tmpdir(), 'countersign-standby-'));
let primary: Postgres;
let pair: Pair;
let keys: Keys;
let connections: Connections;
beforeAll(async () => {
  keys = await loadKeys({ dataDir: join(home, 'keys'), peppers: undefined, signingKeys: undefined });
  connections = openConnections();
  const installation = await findInstallation(home);
  primary = await clusterAt(home, 'first', installation);
  await initialise(primary, installation);
  await primary.start(TCP);
  await createDatabase(primary);
  await migrateDatabase(primary.admin, new Date());
  pair = await openPair(home, primary, installation);
}, 180_000);
afterAll(async () => {
  connections.close();
  await pair.stop();
  rmSync(home, { recursive: true, force: true, maxRetries: 10 });
});

async function signIn(): Promise<string> {
  const host = openDatabase(primary.admin);
  try {
    const draft = { slug: 'acme', ownerEmail: 'owner@acme.example' };
    const made = await createWorkspace(host.db, createSecrets(keys.peppers), draft, new Date());
    return made?.printed ?? '';
  } finally {
    await host.close();
  }
}

it('a node that reaches a standby never says yes', async () => {
  const token = await signIn();
  const nodes: Node[] = [];
  for (const { admin } of [primary, pair.standby]) {
    nodes.push(await startInsideNode({ name: 'a', database: admin, keys }));
  }
  const [right, wrong] = nodes.map((node) => node.url ?? '');
  const introspection = { method: 'POST', path: '/oauth2/introspect', bearer: token, form: `token=${token}` } as const;
  const revocation = { method: 'POST', path: '/oauth2/revoke', form: `token=${token}` } as const;

  expect((await connections.send(right ?? '', introspection))?.body).toMatchObject({ active: true });
  // From here on the standby knows of nothing that happens, though it has it on its disk.
  await asAdmin(pair.standby.admin, async (sql) => {
    await sql`select pg_wal_replay_pause()`;
    await until('the standby stood still', async () => {
      const [row] = await sql`select pg_get_wal_replay_pause_state() as state`;
      return row?.['state'] === 'paused';
    });
  });
  expect((await connections.send(right ?? '', revocation))?.status).toBe(200);

  expect((await connections.send(right ?? '', introspection))?.status).toBe(401);
  expect((await connections.send(wrong ?? '', introspection))?.status).toBe(503);
  await Promise.all(nodes.map((node) => node.stop()));
});

it.each(['', '?target_session_attrs=read-write', '?target_session_attrs=primary'])(
  'a URL that names the standby first leads to the primary: %s',
  async (parameters) => {
    const options = { url: pairUrl(pair, parameters), usesPrepared: true };
    await findPrimary(options);
    const open = () => asAdmin(options, (sql) => sql`select pg_is_in_recovery() as is_standby`);
    const answers = await Promise.all([open(), open(), open()]);
    expect(answers.map(([row]) => row?.['is_standby'])).toEqual([false, false, false]);
  },
);

it('a URL none of whose hosts is there is given up soon', async () => {
  const options = { url: 'postgres://postgres@127.0.0.1:1,127.0.0.1:2/countersign', usesPrepared: true };
  const error = await findPrimary(options).catch((reason: unknown) => reason);
  expect(isUnavailable(error)).toBe(true);
});
