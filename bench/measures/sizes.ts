import { interleave, middle, ratio, type Subject } from '../harness/rounds.js';
import { onStage, type Stage } from '../harness/stage.js';
import type { Finding } from '../report/finding.js';
import { makeDatabase } from '../systems/database.js';
import { introspections, subjectOf } from '../systems/introspection.js';
import { GROUPS, type Ground, startNode, tokenOf } from '../systems/service.js';
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
        const { database, tokens } = await makeDatabase(inner, ground, {
          name: `bench_${size}`,
          groups: GROUPS,
          rows: size,
        });
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
