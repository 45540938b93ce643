import { type Connection, connectTo, expectStatus } from '../harness/client.js';
import { onStage } from '../harness/stage.js';
import { runWrk } from '../harness/wrk.js';
import { TARGETS } from '../report/targets.js';
import { introspections, subjectOf } from '../systems/introspection.js';
import { seedGround, startNode, tokenOf } from '../systems/service.js';
import type { Measure } from './measure.js';

const WORKFLOW = 'short-lived';
const TOKENS_A_REPEAT = 25;
const LOAD_SECONDS = 60;
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

/** Revocations under load, each followed by introspections on the node that made it and on another one. */
export const stale: Measure = {
  part: 'stale',
  title: 'Stale answers',
  run: (stage, ground, plan) =>
    onStage(stage, async (inner) => {
      const group = { workflow: WORKFLOW, scopes: ['codex:exec'], count: plan.repeats * TOKENS_A_REPEAT };
      const seeded = await seedGround(inner, ground.dataDir, ground.options, [group], 0);
      const other = await startNode(inner, ground, { name: 'other-node', isPinned: false });
      const caller = `Bearer ${tokenOf(ground.tokens, 'callers')}`;
      const asked = introspections('/oauth2/introspect', caller, ground.tokens.get('subjects') ?? []);
      const loads = [ground.server, other].map((server) => {
        const { file } = subjectOf({
          stage: inner,
          name: `stale-${server.name}`,
          server,
          requests: asked,
          expected: /./,
        });
        return { url: server.url, file, connections: 32, seconds: LOAD_SECONDS, isPinned: false };
      });
      const enough = new AbortController();
      const signal = AbortSignal.any([inner.signal, enough.signal]);
      const under = loads.map((load) => runWrk({ ...load, signal }).catch(() => undefined));
      const nodes = [ground.server, other].map(({ url }) => connectTo(url));
      try {
        const tokens = seeded.get(WORKFLOW) ?? [];
        let active = 0;
        for (const [at, token] of tokens.entries()) active += await activeAfterRevocation(nodes, at, token, caller);
        const asks = tokens.length * nodes.length;
        return [
          { what: 'active after a revocation was answered', value: active, unit: '', target: TARGETS.staleAnswers },
          { what: 'revocations, introspections after them', value: asks, unit: '', note: 'two nodes, both under load' },
        ];
      } finally {
        enough.abort();
        for (const node of nodes) node.close();
        await Promise.all(under);
      }
    }),
};

/** Revokes a token on one node and asks all of them. Gives how many still call it active. */
async function activeAfterRevocation(
  nodes: readonly Connection[],
  at: number,
  token: string,
  caller: string,
): Promise<number> {
  const node = nodes[at % nodes.length];
  if (node === undefined) return 0;
  const body = `token=${token}`;
  expectStatus(await node.post('/oauth2/revoke', FORM, body), 200);
  const headers = { ...FORM, authorization: caller };
  const answers = await Promise.all(nodes.map((one) => one.post('/oauth2/introspect', headers, body)));
  return answers.filter((answer) => expectStatus(answer, 200).includes('"active":true')).length;
}
