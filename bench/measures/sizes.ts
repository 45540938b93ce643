import { built } from '../harness/built.js';
import { interleave, middle, ratio, type Subject } from '../harness/rounds.js';
import { onStage, type Stage } from '../harness/stage.js';
import type { Finding } from '../report/finding.js';
import { introspections, subjectOf } from '../systems/introspection.js';
import { GROUPS, type Ground, keysOf, seedGround, startNode, tokenOf } from '../systems/service.js';
import type { Measure } from './measure.js';

const SMALL = 'ten thousand';

/** Introspection with more rows in the table: does it stay as fast? */
export const sizes: Measure = {
  part: 'sizes',
  title: 'More tokens in the database',
  run: (stage, ground, plan) =>
    onStage(stage, async (inner) => {
      const findings: Finding[] = [];
      const subjects = [subjectFor(inner, SMALL, ground.server, ground.tokens)];
      for (const size of plan.sizes) {
        const name = `${size / 1_000_000} million`;
        plan.say(`loading ${name} rows`);
        const startedMs = performance.now();
        const { database, tokens } = await makeDatabase(inner, ground, size);
        const seconds = (performance.now() - startedMs) / 1000;
        findings.push({ what: `${name} rows: loading them`, value: seconds, unit: 's' });
        const server = await startNode(inner, ground, { name: `rows-${size}`, isPinned: true, database });
        subjects.push(subjectFor(inner, name, server, tokens, ground.server.pid));
      }
      const options = { ...plan, connections: 64, seconds: plan.busySeconds, isPinned: true };
      const { samples, failures } = await interleave(inner, subjects, options);
      for (const why of failures.values()) throw new Error(why);
      for (const { name } of subjects.slice(1)) {
        const rate = ratio(samples, name, SMALL, 'requestsPerSecond');
        findings.push({ what: `${name} rows: requests/s / ${SMALL}`, value: rate, unit: '×' });
        findings.push({ what: `${name} rows: p99`, value: middle(samples, name, 'p99'), unit: 'ms' });
      }
      return findings;
    }),
};

function subjectFor(
  stage: Stage,
  name: string,
  server: Ground['server'],
  tokens: Ground['tokens'],
  databaseUnder?: number,
): Subject {
  const caller = `Bearer ${tokenOf(tokens, 'callers')}`;
  const requests = introspections('/oauth2/introspect', caller, tokens.get('subjects') ?? []);
  const common = { stage, name, server, requests, expected: /"active":true/ };
  return subjectOf(databaseUnder === undefined ? common : { ...common, databaseUnder });
}

/** A database of its own in the ground's PostgreSQL, dropped with the stage. */
async function makeDatabase(stage: Stage, ground: Ground, size: number) {
  const database = `bench_${size}`;
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
  const tokens = await seedGround(stage, ground.dataDir, options, GROUPS, size);
  return { database, tokens };
}
