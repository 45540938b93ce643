import { interleave, ratio } from '../harness/rounds.js';
import { onStage } from '../harness/stage.js';
import { TARGETS } from '../report/targets.js';
import { introspections, subjectOf } from '../systems/introspection.js';
import { startNode, tokenOf } from '../systems/service.js';
import type { Measure } from './measure.js';

/** Two workers against one, on all cores, which wrk and PostgreSQL share with them. */
export const workers: Measure = {
  part: 'workers',
  title: 'Two workers, on two cores shared with wrk and PostgreSQL',
  run: (stage, ground, plan) =>
    onStage(stage, async (inner) => {
      const asked = introspections(
        '/oauth2/introspect',
        `Bearer ${tokenOf(ground.tokens, 'callers')}`,
        ground.tokens.get('subjects') ?? [],
      );
      const start = async (name: string, count: number) => {
        const env = { COUNTERSIGN_WORKERS: String(count) };
        const server = await startNode(inner, ground, { name, isPinned: false, env });
        return subjectOf({ stage: inner, name, server, requests: asked, expected: /"active":true/ });
      };
      const subjects = [await start('one-worker', 1), await start('two-workers', 2)];
      const options = { ...plan, connections: 64, seconds: plan.busySeconds, isPinned: false };
      const { samples, failures } = await interleave(inner, subjects, options);
      for (const why of failures.values()) throw new Error(why);
      const value = ratio(samples, 'two-workers', 'one-worker', 'requestsPerSecond');
      return [{ what: 'requests/s / one worker', value, unit: '×', target: TARGETS.twoWorkers }];
    }),
};
