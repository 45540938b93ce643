import { join } from 'node:path';
import { residentBytesOf } from '../harness/processes.js';
import { onStage } from '../harness/stage.js';
import { runWrk, writeRequests } from '../harness/wrk.js';
import { execChecks } from '../systems/exec-checks.js';
import { introspections } from '../systems/introspection.js';
import { startNode, tokenOf } from '../systems/service.js';
import type { Measure } from './measure.js';

const MEGABYTE = 1_000_000;

/** What a node holds in memory before, within and after an hour's worth of load, one exec check to two introspections,
 *  which comes as fast as it can take it. A leak would show as growth from the tenth to the end. */
export const memory: Measure = {
  part: 'memory',
  title: 'Memory of a node, under an hour’s worth of load',
  run: (stage, ground, plan) =>
    onStage(stage, async (inner) => {
      const server = await startNode(inner, ground, { name: 'memory', isPinned: false });
      const file = join(inner.directory, 'memory.requests');
      const subjects = ground.tokens.get('subjects') ?? [];
      const asked = introspections('/oauth2/introspect', `Bearer ${tokenOf(ground.tokens, 'callers')}`, subjects);
      const checked = execChecks(tokenOf(ground.tokens, 'runners'), subjects, 'subjects');
      writeRequests(
        file,
        asked.flatMap((one, at) => [one, ...checked.slice(at, at + 1), one]),
      );
      const total = plan.hourOfRequests;
      const held = () => residentBytesOf(server.pid) / MEGABYTE;
      const load = { url: server.url, file, connections: 64, seconds: plan.singleSeconds, isPinned: false };
      const started = held();
      let tenth: number | undefined;
      let most = started;
      let requests = 0;
      while (requests < total) {
        const result = await runWrk({ ...load, signal: inner.signal });
        if (result.refused > 0) throw new Error(`${result.refused} of ${result.requests} were refused`);
        requests += result.requests;
        const now = held();
        most = Math.max(most, now);
        if (requests >= total / 10) tenth ??= now;
      }
      return [
        { what: 'when it listens', value: started, unit: 'MB' },
        { what: `after ${(total / 10).toLocaleString('en')} requests`, value: tenth ?? NaN, unit: 'MB' },
        { what: `after ${total.toLocaleString('en')} requests`, value: held(), unit: 'MB' },
        { what: 'the most', value: most, unit: 'MB' },
      ];
    }),
};
