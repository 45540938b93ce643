import { built } from '../harness/built.js';
import type { SeedGroup } from '../harness/seed.js';
import type { Stage } from '../harness/stage.js';
import { type Ground, keysOf, seedGround } from './service.js';

/** Makes a database of its own in the ground's PostgreSQL, with tokens in it. It is dropped with the stage. */
export async function makeDatabase(
  stage: Stage,
  ground: Ground,
  made: { readonly name: string; readonly groups: readonly SeedGroup[]; readonly rows: number },
): Promise<{ readonly database: string; readonly tokens: Ground['tokens'] }> {
  const database = made.name;
  const options = { ...ground.options, database };
  const { migrateDatabase } = await built<typeof import('../../src/store/migrate.js')>('store/migrate.js');
  const { openDatabase } = await built<typeof import('../../src/store/database.js')>('store/database.js');
  const { createSecrets } = await built<typeof import('../../src/store/secret.js')>('store/secret.js');
  const { createWorkspace } = await built<typeof import('../../src/store/workspaces.js')>('store/workspaces.js');
  await ground.admin((sql) => sql`create database ${sql(database)}`);
  stage.atEnd(() => ground.admin((sql) => sql`drop database if exists ${sql(database)} with (force)`));
  await migrateDatabase(options, new Date());
  const opened = openDatabase(options);
  const { peppers } = await keysOf(ground.dataDir);
  const first = { slug: 'default', ownerEmail: 'owner@example.com' };
  await createWorkspace(opened.db, createSecrets(peppers), first, new Date());
  await opened.close();
  const tokens = await seedGround(stage, ground.dataDir, options, made.groups, made.rows);
  return { database, tokens };
}
