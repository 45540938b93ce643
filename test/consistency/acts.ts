import { anyNode, ask, pick, post, type Sent, type Stage, send, sendAs } from './asking.js';
import type { Sending } from './connection.js';
import type { Effect, Outcome, Selection } from './history.js';
import { rotate } from './minting.js';
import { type Job, type Person, policyKey, type Tenant, workflowKey } from './world.js';

/** What one request can revoke. */
type Revocable = Exclude<Selection, { readonly by: 'leaver' }>;

/** One change, from its request to the questions that follow on its answer. */
type Play = (stage: Stage, tenant: Tenant) => Promise<void>;

const ENDED_KEPT = 20;
const ASKED_ABOUT = 2;
const ALLOW_TRIES = 20;

/** The plays of a run with how often they come. Each needs a live token. */
export const PLAYS: readonly (readonly [number, Play])[] = [
  [14, revokeById],
  [14, revokeByHolder],
  [6, revokeSelf],
  [10, rotateWithoutOverlap],
  [10, rotateWithoutDrain],
  [22, pauseAndResume],
  [14, suspendAndReactivate],
  [14, blockAndAllow],
  [5, (stage, tenant) => revokeLineage(stage, tenant)],
  [2, (stage, tenant) => revokeWorkflow(stage, tenant)],
  [2, (stage, tenant) => revokeCreator(stage, tenant)],
  [1, (stage, tenant) => revokeIssuedBefore(stage, tenant)],
  [1, (stage, tenant) => revokeAll(stage, tenant, 'workspace', { by: 'workspace', workspace: tenant.id })],
  [1, removePerson],
  [2, leaveAndReturn],
];

async function revokeById(stage: Stage, tenant: Tenant): Promise<void> {
  const job = take(tenant);
  const sending = post(`/v1/tokens/${job.record.id}/revoke`, { reason: 'leaked' });
  const effect = { does: 'end', token: job.record.id } as const;
  await end(stage, tenant, [job], () => change(stage, tenant, 'revoke', effect, sending));
}

/** Whoever holds a token may revoke it, and calls as nobody. */
async function revokeByHolder(stage: Stage, tenant: Tenant): Promise<void> {
  const job = take(tenant);
  const sending = { method: 'POST', path: '/oauth2/revoke', form: `token=${job.printed}` } as const;
  await end(stage, tenant, [job], async () => {
    const sent = await send(stage, anyNode(stage), sending, undefined);
    return record(stage, 'oauth2 revoke', { does: 'end', token: job.record.id }, sent);
  });
}

async function revokeSelf(stage: Stage, tenant: Tenant): Promise<void> {
  const job = take(tenant);
  await end(stage, tenant, [job], async () => {
    const sent = await send(stage, anyNode(stage), post('/v1/tokens/self/revoke', { reason: 'unused' }), job);
    return record(stage, 'revoke self', { does: 'end', token: job.record.id }, sent);
  });
}

async function rotateWithoutOverlap(stage: Stage, tenant: Tenant): Promise<void> {
  const job = toRotate(tenant);
  if (job === undefined) return;
  await end(stage, tenant, [job], async () => {
    const sent = await rotate(stage, tenant, job, { overlap_seconds: 0 }, undefined);
    return record(stage, 'rotate without overlap', { does: 'end', token: job.record.id }, sent);
  });
}

/** The predecessor ends with the first use of the successor. */
async function rotateWithoutDrain(stage: Stage, tenant: Tenant): Promise<void> {
  const job = toRotate(tenant);
  if (job === undefined) return;
  await rotate(stage, tenant, job, { overlap_seconds: 3600, drain_seconds: 0 }, job.record.id);
  const successor = tenant.live.find((other) => other.predecessor === job.record.id);
  if (successor === undefined) return;
  const outcome = await race(stage, tenant, [job], async () => {
    const answer = await ask(stage, anyNode(stage), tenant, successor);
    return answer === 'yes' ? 'done' : 'unknown';
  });
  if (outcome === 'done') bury(tenant, [job]);
}

async function pauseAndResume(stage: Stage, tenant: Tenant): Promise<void> {
  const label = pick(tenant.labels);
  const of = workflowKey(tenant, label);
  const hit = tenant.live.filter((job) => job.label === label);
  const path = `/v1/workflows/${label}`;
  const paused = await race(stage, tenant, hit, () =>
    change(stage, tenant, 'pause', { does: 'off', of }, post(`${path}/pause`)),
  );
  const resumed = await race(stage, tenant, hit, () =>
    change(stage, tenant, 'resume', { does: 'on', of }, post(`${path}/resume`)),
  );
  if (paused !== 'unknown' && resumed === 'done') return;
  // A lost answer may come true at any time: nothing can be told of this switch any more.
  if (!tenant.labels.includes(label)) return;
  tenant.labels = tenant.labels.filter((other) => other !== label);
  await stage.world.addLabel(tenant);
  bury(tenant, hit);
}

async function suspendAndReactivate(stage: Stage, tenant: Tenant): Promise<void> {
  const person = pick(tenant.people);
  const of = person.id;
  const hit = madeBy(tenant, person);
  const path = `/v1/members/${person.id}`;
  const suspended = await race(stage, tenant, hit, () => suspend(stage, tenant, person));
  // What was frozen stays so when the person comes back.
  if (suspended === 'done') {
    bury(
      tenant,
      hit.filter((job) => tenant.freezing.has(job.label)),
    );
  }
  const active = await race(stage, tenant, hit, () =>
    change(stage, tenant, 'reactivate', { does: 'on', of }, post(`${path}/reactivate`)),
  );
  if (suspended !== 'unknown' && active === 'done') return;
  await replace(stage, tenant, person);
}

async function suspend(stage: Stage, tenant: Tenant, { id }: Person): Promise<Outcome> {
  const sent = await sendAs(stage, anyNode(stage), post(`/v1/members/${id}/suspend`), tenant, tenant.owner);
  for (const label of tenant.freezing) {
    const of = { by: 'leaver', creator: id, workflow: workflowKey(tenant, label) } as const;
    record(stage, 'freeze', { does: 'end_all', of }, sent);
  }
  return record(stage, 'suspend', { does: 'off', of: id }, sent);
}

/** Sets a policy that blocks all jobs, and takes it away. In one workspace alone: when an answer is lost, nothing can be told
 *  of its tokens any more. */
async function blockAndAllow(stage: Stage, tenant: Tenant): Promise<void> {
  if (tenant !== stage.world.tenants.at(-1)) return;
  const of = policyKey(tenant);
  const bounds = { enforcement: 'block', allowed_scopes: ['nobody:nothing'] };
  const blocking = { method: 'PUT', path: '/v1/policy', json: bounds } as const;
  const allowing = { method: 'DELETE', path: '/v1/policy' } as const;
  const hit = [...tenant.live];
  await race(stage, tenant, hit, () => change(stage, tenant, 'block by policy', { does: 'off', of }, blocking));
  const allow = () => change(stage, tenant, 'allow by policy', { does: 'on', of }, allowing);
  for (let left = ALLOW_TRIES; left > 0; left -= 1) {
    if ((await race(stage, tenant, hit, allow)) === 'done') return;
  }
}

async function removePerson(stage: Stage, tenant: Tenant): Promise<void> {
  const person = pick(tenant.people);
  const hit = madeBy(tenant, person);
  const effect = { does: 'remove', creator: person.id } as const;
  const sending = { method: 'DELETE', path: `/v1/members/${person.id}` } as const;
  await end(stage, tenant, hit, () => change(stage, tenant, 'remove member', effect, sending));
  await replace(stage, tenant, person);
}

/** Leaves by the identity provider's word, which freezes all that the person made, and is back at once: nothing of it is. */
async function leaveAndReturn(stage: Stage, tenant: Tenant): Promise<void> {
  const person = pick(tenant.people);
  const hit = madeBy(tenant, person);
  const path = `/scim/v2/Users/${person.id}`;
  const patch = (active: boolean): Sending => {
    const schemas = ['urn:ietf:params:scim:api:messages:2.0:PatchOp'];
    return { method: 'PATCH', path, json: { schemas, Operations: [{ op: 'replace', value: { active } }] } };
  };
  // What others mint as the person once it is back is good.
  const effect = { does: 'end_all', of: { by: 'creator', creator: person.id } } as const;
  await end(stage, tenant, hit, async () => {
    const outcome = await change(stage, tenant, 'leave', effect, patch(false));
    await sendAs(stage, anyNode(stage), patch(true), tenant, tenant.owner);
    return outcome;
  });
  await replace(stage, tenant, person);
}

function revokeLineage(stage: Stage, tenant: Tenant): Promise<void> {
  const { lineage } = pick(tenant.live).record;
  return revokeAll(stage, tenant, 'lineage_id', { by: 'lineage', lineage });
}

function revokeWorkflow(stage: Stage, tenant: Tenant): Promise<void> {
  const label = pick(tenant.labels);
  return revokeAll(stage, tenant, 'workflow', { by: 'workflow', workflow: workflowKey(tenant, label) });
}

function revokeCreator(stage: Stage, tenant: Tenant): Promise<void> {
  return revokeAll(stage, tenant, 'creator_id', { by: 'creator', creator: pick(tenant.people).id });
}

function revokeIssuedBefore(stage: Stage, tenant: Tenant): Promise<void> {
  const at = pick(tenant.live).record.createdAt;
  return revokeAll(stage, tenant, 'issued_before', { by: 'issued_before', workspace: tenant.id, at });
}

async function revokeAll(stage: Stage, tenant: Tenant, member: string, of: Revocable): Promise<void> {
  const hit = tenant.live.filter((job) => isHit(of, job));
  const body = { reason: 'leaked', [member]: selector(of) };
  const sending = post('/v1/revocations', body);
  await end(stage, tenant, hit, () =>
    change(stage, tenant, `revoke all by ${of.by}`, { does: 'end_all', of }, sending),
  );
}

function isHit(of: Selection, { record }: Job): boolean {
  switch (of.by) {
    case 'workspace':
      return true;
    case 'workflow':
      return record.workflow === of.workflow;
    case 'creator':
      return record.creator === of.creator;
    case 'lineage':
      return record.lineage === of.lineage;
    case 'leaver':
      return record.creator === of.creator && record.workflow === of.workflow;
    case 'issued_before':
      return record.createdAt < of.at;
  }
}

function selector(of: Revocable): string | true {
  switch (of.by) {
    case 'workspace':
      return true;
    case 'workflow':
      return of.workflow.slice(of.workflow.indexOf('/') + 1);
    case 'creator':
      return of.creator;
    case 'lineage':
      return of.lineage;
    case 'issued_before':
      return new Date(of.at).toISOString();
  }
}

/** Sends a change as the owner, and puts it into the history. */
async function change(stage: Stage, tenant: Tenant, kind: string, effect: Effect, sending: Sending): Promise<Outcome> {
  return record(stage, kind, effect, await sendAs(stage, anyNode(stage), sending, tenant, tenant.owner));
}

function record(stage: Stage, kind: string, effect: Effect, { reply, startedAt, endedAt }: Sent): Outcome {
  const outcome = reply === undefined || reply.status >= 500 ? 'unknown' : reply.status < 300 ? 'done' : 'refused';
  if (outcome === 'done') stage.tally.acts += 1;
  stage.recorder.act({ kind, effect, startedAt, endedAt, outcome });
  return outcome;
}

/** Lets an act run while every node is asked about some of what it hits, and asks again once it is answered: what a node
 *  remembers of before is fresh then. */
async function race(stage: Stage, tenant: Tenant, hit: readonly Job[], act: () => Promise<Outcome>): Promise<Outcome> {
  const some = [...hit].sort(() => Math.random() - 0.5).slice(0, ASKED_ABOUT);
  const askAll = () => Promise.all(some.flatMap((job) => stage.nodes.map((node) => ask(stage, node, tenant, job))));
  const before = askAll();
  const acted = act().then(async (outcome) => {
    await askAll();
    return outcome;
  });
  const [outcome] = await Promise.all([acted, before]);
  return outcome;
}

/** As {@link race}, for an act after which nothing is left of what it hits. */
async function end(stage: Stage, tenant: Tenant, hit: readonly Job[], act: () => Promise<Outcome>): Promise<void> {
  await race(stage, tenant, hit, act);
  bury(tenant, hit);
}

function bury(tenant: Tenant, jobs: readonly Job[]): void {
  tenant.live = tenant.live.filter((job) => !jobs.includes(job));
  tenant.ended = [...tenant.ended, ...jobs].slice(-ENDED_KEPT);
}

/** A live token that nobody else plays with any more. */
function take(tenant: Tenant): Job {
  const job = pick(tenant.live);
  tenant.live = tenant.live.filter((other) => other !== job);
  return job;
}

/** A live token, once: rotating again would replace the secret of its successor. */
function toRotate(tenant: Tenant): Job | undefined {
  const job = tenant.live.find((one) => !one.isRotated);
  if (job) job.isRotated = true;
  return job;
}

async function replace(stage: Stage, tenant: Tenant, person: Person): Promise<void> {
  if (!tenant.people.includes(person)) return;
  tenant.people = tenant.people.filter((other) => other !== person);
  bury(tenant, madeBy(tenant, person));
  await stage.world.addPerson(tenant);
}

function madeBy(tenant: Tenant, person: Person): Job[] {
  return tenant.live.filter((job) => job.record.creator === person.id);
}
