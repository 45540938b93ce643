import { fileURLToPath } from 'node:url';
import { PACKAGE } from '../harness/built.js';
import { interleave, type Metric, middle, ratio, type Samples, type Subject } from '../harness/rounds.js';
import { startProcess } from '../harness/server-process.js';
import { onStage, type Stage } from '../harness/stage.js';
import type { Chapter, Finding, SystemFigures } from '../report/finding.js';
import { TARGETS, type Target } from '../report/targets.js';
import { execChecks } from '../systems/exec-checks.js';
import { missingForGlewlwyd, startGlewlwyd } from '../systems/glewlwyd.js';
import { introspections, subjectOf } from '../systems/introspection.js';
import { hasPeers, startBetterAuth, startOidcProvider } from '../systems/peers.js';
import { type Ground, nodeEnvironment, tokenOf } from '../systems/service.js';
import type { Plan } from './plan.js';

/** The names of what runs side by side. */
export const FLOOR = 'floor';
const COUNTERSIGN = 'countersign';
const ONE_QUERY = 'one query per request';
const EXEC_CHECK = 'exec check';
const OIDC_PROVIDER = 'oidc-provider';
const GLEWLWYD = 'glewlwyd';
const BETTER_AUTH = 'better-auth';

const BUSY = 64;

/** Everything in one interleaved run: the floor, Countersign, the same with one query per request, the durable exec check,
 *  and the peers. */
export async function sideBySide(
  stage: Stage,
  ground: Ground,
  plan: Plan,
): Promise<{ readonly chapter: Chapter; readonly systems: readonly SystemFigures[]; readonly samples: unknown }> {
  return onStage(stage, async (inner) => {
    const omissions: string[] = [];
    const subjects = await startSubjects(inner, ground, plan, omissions);
    const common = { rounds: plan.rounds, isPinned: true, say: plan.say };
    const busy = await interleave(inner, subjects, { ...common, connections: BUSY, seconds: plan.busySeconds });
    const left = subjects.filter(({ name }) => !busy.failures.has(name));
    const single = await interleave(inner, left, { ...common, connections: 1, seconds: plan.singleSeconds });
    for (const { failures } of [busy, single]) {
      for (const [name, why] of failures) omissions.push(`${name}: ${why}`);
    }
    return {
      chapter: { title: 'Side by side', findings: comparisons(busy.samples, single.samples), omissions },
      systems: left.map(({ name }) => systemOf(busy.samples, single.samples, name)),
      samples: { busy: Object.fromEntries(busy.samples), single: Object.fromEntries(single.samples) },
    };
  });
}

async function startSubjects(stage: Stage, ground: Ground, plan: Plan, omissions: string[]): Promise<Subject[]> {
  const { tokens, server } = ground;
  const subjects = tokens.get('subjects') ?? [];
  const caller = `Bearer ${tokenOf(tokens, 'callers')}`;
  const asked = introspections('/oauth2/introspect', caller, subjects);
  const expected = /"active":true/;
  const started: Subject[] = [];

  async function attempt(name: string, isWanted: boolean, start: () => Promise<Subject>): Promise<void> {
    if (!isWanted) return;
    plan.say(`starting ${name}`);
    try {
      started.push(await start());
    } catch (error) {
      if (stage.signal.aborted) throw error;
      omissions.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  await attempt(FLOOR, true, async () => {
    const floor = await startScript(stage, FLOOR, '../floor.ts');
    return subjectOf({ stage, name: FLOOR, server: floor, requests: asked, expected: /"active":false/ });
  });
  await attempt(COUNTERSIGN, true, async () =>
    subjectOf({ stage, name: COUNTERSIGN, server, requests: asked, expected }),
  );
  await attempt(ONE_QUERY, plan.wants('introspect'), async () => {
    const env = nodeEnvironment(stage, ground, 'one-query');
    const oneQuery = await startScript(stage, 'one-query', '../one-query.ts', env);
    return subjectOf({
      stage,
      name: ONE_QUERY,
      server: oneQuery,
      requests: asked,
      expected,
      databaseUnder: server.pid,
    });
  });
  await attempt(EXEC_CHECK, plan.wants('exec'), async () => {
    const requests = execChecks(tokenOf(tokens, 'runners'), subjects, 'subjects');
    return subjectOf({ stage, name: EXEC_CHECK, server, requests, expected: /"decision":"allow"/ });
  });
  if (plan.wants('peers')) {
    if (!hasPeers()) omissions.push('oidc-provider, better-auth: npm ci --ignore-scripts --prefix bench/peers');
    await attempt(OIDC_PROVIDER, hasPeers(), () => startOidcProvider(stage));
    await attempt(BETTER_AUTH, hasPeers(), () => startBetterAuth(stage, ground));
    const missing = missingForGlewlwyd();
    if (missing !== undefined) omissions.push(`glewlwyd: ${missing}`);
    await attempt(GLEWLWYD, missing === undefined, () => startGlewlwyd(stage));
  }
  return started;
}

/** Starts a server of the bench, which is TypeScript. */
function startScript(stage: Stage, name: string, path: string, env: Readonly<Record<string, string>> = {}) {
  const script = fileURLToPath(new URL(path, import.meta.url));
  const dist = process.env['BENCH_DIST'];
  return startProcess(stage, {
    name,
    argv: [process.execPath, '--import', import.meta.resolve('tsx'), script],
    env: { ...env, ...(dist === undefined ? {} : { BENCH_DIST: dist }) },
    cwd: PACKAGE,
    isPinned: true,
  });
}

function comparisons(busy: Samples, single: Samples): Finding[] {
  const over = (name: string, other: string, metric: Metric, samples = busy) => ratio(samples, name, other, metric);
  const rows: readonly (readonly [what: string, value: number, target?: Target])[] = [
    ['introspection: CPU per request / floor', over(COUNTERSIGN, FLOOR, 'serverCpu'), TARGETS.introspectCpu],
    ['introspection: requests/s / floor', over(COUNTERSIGN, FLOOR, 'requestsPerSecond'), TARGETS.introspectRate],
    ['introspection: p99 / floor', over(COUNTERSIGN, FLOOR, 'p99'), TARGETS.introspectP99],
    [
      'introspection, one at a time: p50 / floor',
      over(COUNTERSIGN, FLOOR, 'p50', single),
      TARGETS.introspectOneAtATime,
    ],
    [
      'introspection: requests/s / one query per request',
      over(COUNTERSIGN, ONE_QUERY, 'requestsPerSecond'),
      TARGETS.overOneQuery,
    ],
    [
      'introspection: requests/s / oidc-provider',
      over(COUNTERSIGN, OIDC_PROVIDER, 'requestsPerSecond'),
      TARGETS.overOidcProvider,
    ],
    ['introspection: requests/s / glewlwyd', over(COUNTERSIGN, GLEWLWYD, 'requestsPerSecond'), TARGETS.overGlewlwyd],
    [
      'introspection: requests/s / better-auth',
      over(COUNTERSIGN, BETTER_AUTH, 'requestsPerSecond'),
      TARGETS.overBetterAuth,
    ],
    ['exec check, durable: CPU per request / floor', over(EXEC_CHECK, FLOOR, 'serverCpu'), TARGETS.execCpu],
    ['exec check, durable: requests/s / floor', over(EXEC_CHECK, FLOOR, 'requestsPerSecond')],
  ];
  return rows
    .filter(([, value]) => !Number.isNaN(value))
    .map(([what, value, target]) => ({ what, value, unit: '×', ...(target === undefined ? {} : { target }) }));
}

function systemOf(busy: Samples, single: Samples, name: string): SystemFigures {
  return {
    name,
    requestsPerSecond: middle(busy, name, 'requestsPerSecond'),
    p50: middle(busy, name, 'p50'),
    p99: middle(busy, name, 'p99'),
    serverCpu: middle(busy, name, 'serverCpu'),
    databaseCpu: middle(busy, name, 'databaseCpu'),
    oneAtATimeP50: middle(single, name, 'p50'),
    megabytes: middle(busy, name, 'residentBytes') / 2 ** 20,
    overFloor: {
      rate: ratio(busy, name, FLOOR, 'requestsPerSecond'),
      cpu: ratio(busy, name, FLOOR, 'serverCpu'),
      oneAtATime: ratio(single, name, FLOOR, 'p50'),
    },
  };
}
