import { connectTo, expectStatus, jsonHeaders } from '../harness/client.js';
import { onStage } from '../harness/stage.js';
import { seedGround, startNode, tokenOf } from '../systems/service.js';
import type { Measure } from './measure.js';

/** The panic button: one transaction that revokes many tokens, an audit event for each. */
export const revoke: Measure = {
  part: 'revoke',
  title: 'Bulk revocation',
  run: (stage, ground, plan) =>
    onStage(stage, async (inner) => {
      const group = { workflow: 'bulk', scopes: ['codex:exec'], count: plan.bulk };
      await seedGround(inner, ground.dataDir, ground.options, [group], 0);
      const server = await startNode(inner, ground, { name: 'revoke', isPinned: false });
      const connection = connectTo(server.url);
      inner.atEnd(connection.close);
      const body = JSON.stringify({ workflow: group.workflow, reason: 'leaked' });
      const answer = await connection.post('/v1/revocations', jsonHeaders(tokenOf(ground.tokens, 'admins')), body);
      const revoked = Number(/"revoked":(\d+)/.exec(expectStatus(answer, 200))?.[1]);
      if (revoked !== plan.bulk) throw new Error(`${revoked} of ${plan.bulk} tokens were revoked`);
      const seconds = (answer.answeredMs - answer.sentMs) / 1000;
      return [
        { what: `${plan.bulk.toLocaleString('en')} tokens in one transaction`, value: seconds, unit: 's' },
        { what: 'tokens a second', value: revoked / seconds, unit: '/s' },
      ];
    }),
};
