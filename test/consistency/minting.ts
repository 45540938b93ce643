import { z } from 'zod';
import { anyNode, pick, post, type Sent, type Stage, sendAs } from './asking.js';
import { type Job, policyKey, type Tenant, workflowKey } from './world.js';

const mintedToken = z.object({
  id: z.string(),
  token: z.string(),
  workflow: z.string(),
  lineage_id: z.string(),
  created_at: z.string(),
  creator: z.object({ id: z.string() }),
});

/** A member mints a token for one of the workflows. */
export async function mint(stage: Stage, tenant: Tenant): Promise<void> {
  const person = Math.random() < 0.2 ? tenant.owner : pick(tenant.people);
  const body = { workflow: pick(tenant.labels), scopes: ['repo:read'], expires_in_days: 30 };
  const sent = await sendAs(stage, anyNode(stage), post('/v1/tokens', body), tenant, person);
  adopt(stage, tenant, sent, undefined);
}

/** The owner rotates a token. `predecessor` is the one that ends with the first use of the new one. */
export async function rotate(
  stage: Stage,
  tenant: Tenant,
  job: Job,
  body: Readonly<Record<string, number>>,
  predecessor: string | undefined,
): Promise<Sent> {
  const sent = await sendAs(
    stage,
    anyNode(stage),
    post(`/v1/tokens/${job.record.id}/rotate`, body),
    tenant,
    tenant.owner,
  );
  adopt(stage, tenant, sent, predecessor);
  return sent;
}

/** Takes in the token of an answer, if it holds one. */
function adopt(stage: Stage, tenant: Tenant, { reply, startedAt, endedAt }: Sent, predecessor: string | undefined) {
  if (reply?.status !== 201) return;
  const minted = mintedToken.parse(reply.body);
  const made = {
    id: minted.id,
    workspace: tenant.id,
    workflow: workflowKey(tenant, minted.workflow),
    creator: minted.creator.id,
    lineage: minted.lineage_id,
    policy: policyKey(tenant),
    createdAt: Date.parse(minted.created_at),
    mintStartedAt: startedAt,
    mintEndedAt: endedAt,
  };
  stage.recorder.token(made);
  stage.tally.minted += 1;
  tenant.live.push({ record: made, printed: minted.token, label: minted.workflow, predecessor, isRotated: false });
}
