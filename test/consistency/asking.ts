import { z } from 'zod';
import type { Connections, Reply, Sending } from './connection.js';
import type { Answer, Outcome, QuestionKind, Recorder } from './history.js';
import type { Node } from './node.js';
import type { Holder, Job, Person, Tenant, World } from './world.js';

/** What came of the requests of a run. */
export interface Tally {
  yes: number;
  no: number;
  /** Answers of 503. */
  unavailable: number;
  /** Connections that broke before the answer. */
  broken: number;
  acts: number;
  minted: number;
  /** Statuses that nobody should see. */
  strange: Record<string, number>;
}

/** What every step of a run needs. */
export interface Stage {
  readonly recorder: Recorder;
  readonly connections: Connections;
  readonly world: World;
  readonly nodes: readonly Node[];
  readonly tally: Tally;
}

/** An answer and where in the order it was asked for and given. */
export interface Sent {
  readonly reply: Reply | undefined;
  readonly startedAt: number;
  readonly endedAt: number;
}

/** Sends a request to a node. Whoever it is from counts as asked about too: all but a 401 takes its token for live. */
export async function send(stage: Stage, node: Node, sending: Sending, from: Holder | undefined): Promise<Sent> {
  const { recorder, tally } = stage;
  const startedAt = recorder.tick();
  const bearer = from === undefined ? {} : { bearer: from.printed };
  const reply = node.url === undefined ? undefined : await stage.connections.send(node.url, { ...sending, ...bearer });
  const endedAt = recorder.tick();
  if (reply === undefined) tally.broken += 1;
  else if (reply.status === 503) tally.unavailable += 1;
  else if (reply.status >= 500 || reply.status === 429 || reply.status === 400) {
    const what = `${reply.status} ${sending.path.replaceAll(/[a-z]+_[0-9A-Za-z]{22}|wf-[0-9a-f]+/g, '*')}`;
    tally.strange[what] = (tally.strange[what] ?? 0) + 1;
  }
  if (from !== undefined) {
    const answer = reply === undefined || reply.status >= 500 ? 'unknown' : reply.status === 401 ? 'no' : 'yes';
    recorder.question({ kind: 'call', token: from.record.id, node: node.name, startedAt, endedAt, answer });
  }
  return { reply, startedAt, endedAt };
}

/** Sends a request as a person, who signs in anew when the token turns out to be dead. */
export async function sendAs(
  stage: Stage,
  node: Node,
  sending: Sending,
  tenant: Tenant,
  person: Person,
): Promise<Sent> {
  const { signIn } = person;
  const sent = await send(stage, node, sending, signIn);
  if (sent.reply?.status === 401) await stage.world.renew(tenant, person, signIn);
  return sent;
}

const WAYS = ['introspect', 'introspect_self', 'exec_check', 'exec_check_self'] as const;

/** Asks a node about a job's token, in one of the four ways. Gives the answer. */
export async function ask(
  stage: Stage,
  node: Node,
  tenant: Tenant,
  job: Job,
  way: (typeof WAYS)[number] = pick(WAYS),
): Promise<Answer> {
  const { recorder, tally } = stage;
  const kind: QuestionKind = way.startsWith('introspect') ? 'introspect' : 'exec_check';
  const isSelf = way.endsWith('_self');
  const sending = kind === 'introspect' ? introspection(job) : execCheck(job, isSelf);
  const { reply, startedAt, endedAt } = isSelf
    ? await send(stage, node, sending, job)
    : await sendAs(stage, node, sending, tenant, tenant.owner);
  const answer = answerOf(reply, isSelf);
  if (answer !== 'unknown') tally[answer] += 1;
  recorder.question({ kind, token: job.record.id, node: node.name, startedAt, endedAt, answer });
  if (job.predecessor !== undefined && answer !== 'no') {
    const outcome: Outcome = answer === 'yes' ? 'done' : 'unknown';
    const effect = { does: 'end', token: job.predecessor } as const;
    recorder.act({ kind: 'first use of the successor', effect, startedAt, endedAt, outcome });
  }
  return answer;
}

function introspection(job: Job): Sending {
  return { method: 'POST', path: '/oauth2/introspect', form: `token=${job.printed}` };
}

function execCheck(job: Job, isSelf: boolean): Sending {
  const json = { workflow: job.label, scopes: ['repo:read'], ...(isSelf ? {} : { token: job.printed }) };
  return { method: 'POST', path: '/v1/exec/checks', json };
}

const introspected = z.object({ active: z.boolean() });
const decided = z.object({ decision: z.enum(['allow', 'deny']), token: introspected });

/** An exec check says two things of a token; either of them is a yes. */
function answerOf(reply: Reply | undefined, isSelf: boolean): Answer {
  if (isSelf && reply?.status === 401) return 'no';
  if (reply?.status !== 200) return 'unknown';
  const decision = decided.safeParse(reply.body);
  if (decision.success) return decision.data.decision === 'allow' || decision.data.token.active ? 'yes' : 'no';
  return introspected.parse(reply.body).active ? 'yes' : 'no';
}

export function pick<T>(from: readonly [T, ...T[]] | readonly T[]): T {
  const one = from[Math.floor(Math.random() * from.length)];
  if (one === undefined) throw new Error('nothing to pick from');
  return one;
}

/** A node that is there, unless none is. */
export function anyNode(stage: Stage): Node {
  const there = stage.nodes.filter((node) => node.url !== undefined);
  return pick(there.length > 0 ? there : stage.nodes);
}

/** A POST with a body of JSON, or none. */
export function post(path: string, json: unknown = undefined): Sending {
  return { method: 'POST', path, json };
}
