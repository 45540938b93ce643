import { z } from 'zod';
import { ask, pick, type Sent, type Stage, send, sendAs } from './asking.js';
import type { Sending } from './connection.js';
import type { Effect, Outcome, Selection } from './history.js';
import type { Node } from './node.js';
import { type Job, type Person, type Tenant, workflowKey } from './world.js';

/** One change, from its request to the questions that follow on its answer. */
type Play = (stage: Stage, tenant: Tenant) => Promise<void>;

const ENDED_KEPT = 20;
const ASKED_AFTER = 2;

/** The plays of a run with how often they come. Each needs a live token. */
export const PLAYS: readonly (readonly [number, Play])[] = [
  [14, revokeById],
  [14, revokeByHolder],
  [6, revokeSelf],
  [10, rotateWithoutOverlap],
  [10, rotateWithoutDrain],
  [22, pauseAndResume],
  [14, suspendAndReactivate],
  [5, (stage, tenant) => revokeLineage(stage, tenant)],
  [2, (stage, tenant) => revokeWorkflow(stage, tenant)],
  [2, (stage, tenant) => revokeCreator(stage, tenant)],
  [1, (stage, tenant) => revokeIssuedBefore(stage, tenant)],
  [1, (stage, tenant) => revokeAll(stage, tenant, 'workspace', { by: 'workspace', workspace: tenant.id })],
  [1, removePerson],
];

async function revokeById(stage: Stage, tenant: Tenant): Promise<void> {
  const job = take(tenant);
  const sending = post(`/v1/tokens/${job.record.id}/revoke`, { reason: 'leaked' });
  const outcome = await change(stage, tenant, 'revoke', { does: 'end', token: job.record.id }, sending);
  await settle(stage, tenant, outcome, [job]);
}

/** Whoever holds a token may revoke it, and calls as nobody. */
async function revokeByHolder(stage: Stage, tenant: Tenant): Promise<void> {
  const job = take(tenant);
  const sending = { method: 'POST', path: '/oauth2/revoke', form: `token=${job.printed}` } as const;
  const sent = await send(stage, anyNode(stage), sending, undefined);
  const outcome = record(stage, 'oauth2 revoke', { does: 'end', token: job.record.id }, sent);
  await settle(stage, tenant, outcome, [job]);
}

async function revokeSelf(stage: Stage, tenant: Tenant): Promise<void> {
  const job = take(tenant);
  const sent = await send(stage, anyNode(stage), post('/v1/tokens/self/revoke', { reason: 'unused' }), job);
  const outcome = record(stage, 'revoke self', { does: 'end', token: job.record.id }, sent);
  await settle(stage, tenant, outcome, [job]);
}

async function rotateWithoutOverlap(stage: Stage, tenant: Tenant): Promise<void> {
  const job = toRotate(tenant);
  if (job === undefined) return;
  const sent = await rotation(stage, tenant, job, { overlap_seconds: 0 }, undefined);
  tenant.live = tenant.live.filter((other) => other !== job);
  const outcome = record(stage, 'rotate without overlap', { does: 'end', token: job.record.id }, sent);
  await settle(stage, tenant, outcome, [job]);
}

/** The predecessor ends with the first use of the successor. */
async function rotateWithoutDrain(stage: Stage, tenant: Tenant): Promise<void> {
  const job = toRotate(tenant);
  if (job === undefined) return;
  await rotation(stage, tenant, job, { overlap_seconds: 3600, drain_seconds: 0 }, job.record.id);
  const successor = tenant.live.find((other) => other.predecessor === job.record.id);
  if (successor === undefined) return;
  const answer = await ask(stage, anyNode(stage), tenant, successor);
  if (answer !== 'yes') return;
  tenant.live = tenant.live.filter((other) => other !== job);
  await settle(stage, tenant, 'done', [job]);
}

async function pauseAndResume(stage: Stage, tenant: Tenant): Promise<void> {
  const label = pick(tenant.labels);
  const of = workflowKey(tenant, label);
  const hit = tenant.live.filter((job) => job.label === label);
  const paused = await change(stage, tenant, 'pause', { does: 'off', of }, post(`/v1/workflows/${label}/pause`));
  await askAround(stage, tenant, hit);
  const resumed = await change(stage, tenant, 'resume', { does: 'on', of }, post(`/v1/workflows/${label}/resume`));
  await askAround(stage, tenant, hit);
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
  const suspended = await change(stage, tenant, 'suspend', { does: 'off', of }, post(`${path}/suspend`));
  await askAround(stage, tenant, hit);
  const active = await change(stage, tenant, 'reactivate', { does: 'on', of }, post(`${path}/reactivate`));
  await askAround(stage, tenant, hit);
  if (suspended !== 'unknown' && active === 'done') return;
  await replace(stage, tenant, person);
}

async function removePerson(stage: Stage, tenant: Tenant): Promise<void> {
  const person = pick(tenant.people);
  const hit = madeBy(tenant, person);
  const effect = { does: 'remove', creator: person.id } as const;
  const sending = { method: 'DELETE', path: `/v1/members/${person.id}` } as const;
  const outcome = await change(stage, tenant, 'remove member', effect, sending);
  await settle(stage, tenant, outcome, hit);
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

async function revokeAll(stage: Stage, tenant: Tenant, member: string, of: Selection): Promise<void> {
  const hit = tenant.live.filter((job) => isHit(of, job));
  const body = { reason: 'leaked', [member]: selector(of) };
  const outcome = await change(
    stage,
    tenant,
    `revoke all by ${of.by}`,
    { does: 'end_all', of },
    post('/v1/revocations', body),
  );
  tenant.live = tenant.live.filter((job) => !hit.includes(job));
  await settle(stage, tenant, outcome, hit);
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
    case 'issued_before':
      return record.createdAt < of.at;
  }
}

function selector(of: Selection): string | true {
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

async function rotation(
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
    createdAt: Date.parse(minted.created_at),
    mintStartedAt: startedAt,
    mintEndedAt: endedAt,
  };
  stage.recorder.token(made);
  stage.tally.minted += 1;
  tenant.live.push({ record: made, printed: minted.token, label: minted.workflow, predecessor, isRotated: false });
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

/** Asks every node at once about tokens that an act has just ended, and remembers them. */
async function settle(stage: Stage, tenant: Tenant, outcome: Outcome, hit: readonly Job[]): Promise<void> {
  if (outcome === 'done') await askAround(stage, tenant, hit);
  bury(tenant, hit);
}

async function askAround(stage: Stage, tenant: Tenant, jobs: readonly Job[]): Promise<void> {
  const some = [...jobs].sort(() => Math.random() - 0.5).slice(0, ASKED_AFTER);
  await Promise.all(some.flatMap((job) => stage.nodes.map((node) => ask(stage, node, tenant, job))));
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

/** A node that is there, unless none is. */
export function anyNode(stage: Stage): Node {
  const there = stage.nodes.filter((node) => node.url !== undefined);
  return pick(there.length > 0 ? there : stage.nodes);
}

function post(path: string, json: unknown = undefined): Sending {
  return { method: 'POST', path, json };
}
