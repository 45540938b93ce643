import { type Client, ProblemError } from '../sdk/index.js';
import type { MintedToken, RotateRequest, Token } from '../wire/resources.js';
import { patiently, shortPause } from './patience.js';
import { isPlaced, placeSecret, readSinks, type SeenSink, type SinkOutcome } from './placement.js';
import { takeRotationLock } from './rotation-lock.js';
import { type Due, type Head, type Plan, planRotation } from './rotation-plan.js';
import type { Sink } from './sink.js';
import type { SmokeTest } from './smoke-test.js';

/** A token, where its secret lives, and when it is to be rotated. */
export interface RotationOrder {
  /** Its id, or that of one that it was rotated from; or `self`. */
  readonly token: string;
  readonly sinks: readonly Sink[];
  readonly due: Due;
  readonly request: RotateRequest;
  /** Run when every sink has the secret, before that is used for the first time. */
  readonly smokeTest?: SmokeTest | undefined;
  /** See {@link planRotation}. 0 when nobody else rotates it. */
  readonly leaveSeconds: number;
  /** Say what would be done, and do nothing. */
  readonly isDryRun: boolean;
}

/** Who rotates. */
export interface Rotating {
  readonly url: string;
  readonly client: Client;
  /** The token of `client`. */
  readonly own: string;
  /** A client that calls with another token. */
  clientOf(token: string): Client;
  readonly now: () => Date;
}

/** What became of a rotation.
 *  - `rotated`: every sink has the secret of the successor, which is good
 *  - `completed`: as `rotated`, of a rotation that was begun before
 *  - `not_due`: nothing was to be done
 *  - `due`, `unfinished`: what a dry run would have gone on to do
 *  - `busy`: another rotation is under way
 *  - `failed`: not every sink has it, or the smoke test failed */
export interface RotationReport {
  readonly token: string;
  readonly outcome: 'rotated' | 'completed' | 'not_due' | 'due' | 'unfinished' | 'busy' | 'failed';
  readonly expires_at: string;
  readonly sinks: readonly SinkOutcome[];
  /** Where one was run. */
  readonly smoke_test?: { readonly passed: boolean; readonly detail?: string | undefined } | undefined;
  readonly detail?: string | undefined;
}

const ATTEMPTS = 4;
const MAX_HOPS = 2_000;

/** Rotates a token into its sinks, or goes on where another run broke off: the successor is made, every sink gets its secret
 *  and is read back, the smoke test passes, and only then is it used for the first time, which begins to end the old one. Throws what the service
 *  refuses, and SinkError when a sink cannot be read: then nothing has changed. */
export async function rotateInto(rotating: Rotating, asked: RotationOrder): Promise<RotationReport> {
  const { id, lineageId } = await findHead(rotating.client, asked.token);
  // From there on: the way from an old token is long.
  const token = asked.token === 'self' ? 'self' : id;
  const order = { ...asked, token };
  const lock = await takeRotationLock(rotating.url, lineageId);
  if (lock === undefined) return await busy(rotating, order, 'another rotation of it is under way on this machine');
  try {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const report = await attemptRotation(rotating, order);
      if (report !== undefined) return report;
      await shortPause(attempt / 4);
    }
    return await busy(rotating, order, 'other rotations replaced what this one wrote, each time: run it again');
  } finally {
    await lock.release();
  }
}

/** One look and one act. `undefined` when another rotation overtook it, so that it has to look again. */
async function attemptRotation(rotating: Rotating, order: RotationOrder): Promise<RotationReport | undefined> {
  const head = await findHead(rotating.client, order.token);
  if (head.isRevoked) return reportOf(head, 'failed', untouched(order), 'it is revoked: mint a new one');
  const seen = await readSinks(order.sinks);
  const own = order.token === 'self' ? rotating.own : undefined;
  const { due, leaveSeconds } = order;
  const isTested = order.smokeTest !== undefined;
  const plan = planRotation({ head, sinks: seen, own, due, leaveSeconds, isTested, now: rotating.now() });
  if (order.isDryRun) return reportOf(head, DRY[plan.kind], untouched(order));
  switch (plan.kind) {
    case 'rest':
      return reportOf(head, 'not_due', untouched(order));
    case 'leave':
      return reportOf(
        head,
        'busy',
        untouched(order),
        'a successor was made just now, and whoever made it may be writing it',
      );
    case 'spread':
      return await spread(rotating, order, head, seen, plan.secrets);
    case 'rotate':
      return await makeAndPlace(rotating, order, head, seen, plan.target, plan.isResumed);
  }
}

const DRY: Readonly<Record<Plan['kind'], RotationReport['outcome']>> = {
  rest: 'not_due',
  leave: 'busy',
  spread: 'unfinished',
  rotate: 'due',
};

/** Gives every sink the secret that some have, if it is good. To ask that is its first use, which does no harm: a job that
 *  reads such a sink would be the next to use it. But where a smoke test comes before the first use, it is asked behind that. */
async function spread(
  rotating: Rotating,
  order: RotationOrder,
  head: Head,
  seen: readonly SeenSink[],
  secrets: readonly string[],
): Promise<RotationReport | undefined> {
  const isTestedFirst = order.smokeTest !== undefined && !head.isUsed && secrets.length === 1;
  for (const secret of secrets) {
    if (!isTestedFirst && !(await isGood(rotating, secret))) continue;
    const placed = await placeAndTest(order, head, seen, secret, 'completed');
    if (placed.outcome === 'failed' || !isTestedFirst || (await isGood(rotating, secret))) return placed;
  }
  const target = head.isUsed ? head.id : (head.predecessor ?? head.id);
  return await makeAndPlace(rotating, order, head, seen, target, target !== head.id);
}

async function makeAndPlace(
  rotating: Rotating,
  order: RotationOrder,
  head: Head,
  seen: readonly SeenSink[],
  target: string,
  isResumed: boolean,
): Promise<RotationReport | undefined> {
  const successor = await makeSuccessor(rotating.client, target, isResumed, order.request);
  if (successor === 'overtaken') return undefined;
  // The old one ended before its successor was stored: the successor, which nobody has, is what can be rotated.
  if (successor === 'ended') return await makeAndPlace(rotating, order, head, seen, head.id, false);
  const made = headOf(successor);
  const placed = await placeAndTest(order, made, seen, successor.token, isResumed ? 'completed' : 'rotated');
  return placed.outcome === 'failed' || (await isGood(rotating, successor.token)) ? placed : undefined;
}

/** Puts a secret into every sink, and tries it out there. */
async function placeAndTest(
  { smokeTest }: RotationOrder,
  head: Head,
  seen: readonly SeenSink[],
  secret: string,
  done: RotationReport['outcome'],
): Promise<RotationReport> {
  const outcomes = await placeSecret(secret, seen);
  if (!outcomes.every(isPlaced)) return failed(head, outcomes);
  if (smokeTest === undefined) return reportOf(head, done, outcomes);
  const detail = await smokeTest(secret);
  const passed = detail === undefined;
  const report = passed ? reportOf(head, done, outcomes) : reportOf(head, 'failed', outcomes, UNTESTED);
  return { ...report, smoke_test: { passed, detail } };
}

const UNTESTED =
  'every sink has the new secret, and the smoke test failed; the old one is good for the overlap, or until the drain if the test used the new one: run it again';

async function makeSuccessor(
  client: Client,
  target: string,
  isResumed: boolean,
  request: RotateRequest,
): Promise<MintedToken | 'overtaken' | 'ended'> {
  try {
    return await patiently(() => client.tokens.rotate(target, request));
  } catch (error) {
    if (!(error instanceof ProblemError) || error.status !== 409) throw error;
    if (error.problem?.code === 'already_rotated') return 'overtaken';
    if (isResumed && error.problem?.code === 'token_not_active') return 'ended';
    throw error;
  }
}

/** Whether the service takes a secret, by having it ask about itself. */
async function isGood(rotating: Rotating, secret: string): Promise<boolean> {
  try {
    return (await patiently(() => rotating.clientOf(secret).introspect(secret))).active;
  } catch (error) {
    if (error instanceof ProblemError && error.status === 401) return false;
    throw error;
  }
}

/** Follows a lineage from any of its tokens to the newest one. A token that may read nothing but itself sees no further than
 *  that it has a successor. */
async function findHead(client: Client, id: string): Promise<Head> {
  let token = await patiently(() => client.tokens.show(id));
  for (let hops = 0; token.rotated_to !== null && hops < MAX_HOPS; hops++) {
    const successor = token.rotated_to;
    const next = await patiently(() => client.tokens.show(successor)).catch((error: unknown) => {
      if (id === 'self' && error instanceof ProblemError && error.kind === 'insufficient-scope') return undefined;
      throw error;
    });
    if (next === undefined)
      return { ...headOf(token), id: successor, predecessor: token.id, isUsed: false, isRevoked: false };
    token = next;
  }
  return headOf(token);
}

function headOf(token: Token): Head {
  return {
    id: token.id,
    lineageId: token.lineage_id,
    predecessor: token.rotated_from ?? undefined,
    isUsed: token.last_used_at !== null,
    isRevoked: token.status === 'revoked',
    createdAt: new Date(token.created_at),
    expiresAt: new Date(token.expires_at),
  };
}

async function busy({ client }: Rotating, order: RotationOrder, detail: string): Promise<RotationReport> {
  return reportOf(await findHead(client, order.token), 'busy', untouched(order), detail);
}

function failed(head: Head, outcomes: readonly SinkOutcome[]): RotationReport {
  const detail = outcomes.some(isPlaced)
    ? 'some sinks have the new secret, and the old one is good until the drain after its first use: run it again soon'
    : 'no sink is known to have the new secret, and the old one is good for the overlap: run it again';
  return reportOf(head, 'failed', outcomes, detail);
}

function untouched({ sinks }: RotationOrder): SinkOutcome[] {
  return sinks.map(({ name }) => ({ sink: name, state: 'untouched' }));
}

function reportOf(
  head: Head,
  outcome: RotationReport['outcome'],
  sinks: readonly SinkOutcome[],
  detail?: string,
): RotationReport {
  return { token: head.id, outcome, expires_at: head.expiresAt.toISOString(), sinks, detail };
}
