import { connectTo, expectStatus } from '../harness/client.js';
import { startJob } from '../harness/job.js';
import { onStage, type Stage } from '../harness/stage.js';
import { quantile } from '../harness/statistics.js';
import { TARGETS } from '../report/targets.js';
import { seedGround, startNode } from '../systems/service.js';
import type { Measure } from './measure.js';

const WORKFLOW = 'jobs';
/** Enough for a 99th percentile that is not the worst of all. */
const RUNS_A_REPEAT = 10;

/** From the answer to a revocation until nothing of the job that ran with the token is left. */
export const kill: Measure = {
  part: 'kill',
  title: 'A revocation ends a running job',
  run: (stage, ground, plan) =>
    onStage(stage, async (inner) => {
      const group = { workflow: WORKFLOW, scopes: ['codex:exec'], count: plan.repeats * RUNS_A_REPEAT };
      const seeded = await seedGround(inner, ground.dataDir, ground.options, [group], 0);
      const server = await startNode(inner, ground, { name: 'kill', isPinned: false });
      const spans: number[] = [];
      for (const token of seeded.get(WORKFLOW) ?? []) spans.push(await spanOf(inner, server.url, token));
      return [
        { what: 'from its answer until the job is gone: p50', value: quantile(spans, 0.5), unit: 'ms' },
        {
          what: 'from its answer until the job is gone: p99',
          value: quantile(spans, 0.99),
          unit: 'ms',
          target: TARGETS.kill,
        },
        { what: 'runs', value: spans.length, unit: '' },
      ];
    }),
};

function spanOf(stage: Stage, url: string, token: string): Promise<number> {
  return onStage(stage, async (inner) => {
    const job = await startJob(inner, { url, workflow: WORKFLOW, token });
    const connection = connectTo(url);
    inner.atEnd(connection.close);
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const gone = job.untilGone();
    const answer = await connection.post('/oauth2/revoke', form, `token=${token}`);
    expectStatus(answer, 200);
    const span = (await gone) - answer.answeredMs;
    await job.untilRefused();
    return span;
  });
}
