import type { HookFacts, RulesNow, Standing } from '../hook/decide.js';
import type { Ruling } from '../hook/ruling.js';
import type { Client } from '../sdk/index.js';
import { type GuardClientOptions, guardClient } from './guard-client.js';
import { type HookSocket, openHookSocket } from './hook-socket.js';
import { isDefiniteRefusal } from './permission.js';
import type { RightEnd } from './watch.js';

export interface HookGuardOptions extends GuardClientOptions {
  readonly workflow: string;
  /** The run whose hooks ask (`run_…`). */
  readonly runId: string;
  /** The time by the service's clock. */
  readonly now: () => Date;
  /** Tells a person that decisions are not on record. */
  readonly onNotRecorded: (detail: string) => void;
}

/** The guard's side of hooks. */
export interface HookGuard {
  readonly socketPath: string;
  /** The right to run has ended: from now on everything is denied without asking. */
  endRight(end: RightEnd): void;
  /** Answers nobody any more, and puts on record what is not there yet. */
  close(): Promise<void>;
}

/** How long the service may take to answer: well within what a hook waits. */
const SERVICE_SECONDS = 4;

/** Opens the socket on which hooks ask about events of the run. For each question the service is asked anew: it renews the
 *  run's lease only while its right to go on holds, and no revocation that it has confirmed is followed by a renewal.
 *  Nothing is remembered, and any doubt is a denial. */
export async function openHookGuard(options: HookGuardOptions): Promise<HookGuard> {
  const client = guardClient(options, SERVICE_SECONDS);
  let end: RightEnd | undefined;
  let loaded: ReturnType<typeof loadRules> | undefined;
  const socket: HookSocket = await openHookSocket(async ({ event: given }): Promise<Ruling> => {
    loaded ??= loadRules(client, options);
    const { decideHook, malformedEvent, needsRules, parseHookEvent, record } = await loaded;
    const event = parseHookEvent(given);
    const facts = event && (await factsNow(client, options, needsRules(event)));
    const standing = end && standingAt(end);
    const decision = event && facts ? decideHook(event, standing ? { ...facts, standing } : facts) : malformedEvent();
    record.add(event, decision);
    return decision.ruling;
  });
  return {
    socketPath: socket.path,
    endRight: (rightEnd) => {
      end = rightEnd;
    },
    async close() {
      await socket.close();
      await (await loaded?.catch(() => undefined))?.record.close();
    },
  };
}

// With the first question and not before: most commands that run under a guard are no agents.
async function loadRules(client: Client, { runId, now, onNotRecorded: onFailure }: HookGuardOptions) {
  const [decide, event, { openToolRecord }] = await Promise.all([
    import('../hook/decide.js'),
    import('../hook/event.js'),
    import('./tool-record.js'),
  ]);
  return { ...decide, ...event, record: openToolRecord({ client, runId, now, onFailure }) };
}

async function factsNow(client: Client, { runId, workflow }: HookGuardOptions, withRules: boolean): Promise<HookFacts> {
  const [standing, rules] = await Promise.all([
    standingNow(client, runId),
    withRules ? rulesNow(client, workflow) : undefined,
  ]);
  return { standing, rules };
}

async function standingNow(client: Client, runId: string): Promise<Standing> {
  try {
    const run = await client.runs.renew(runId);
    if (run.run_id === runId && run.status === 'running') return { kind: 'live' };
    return { kind: 'unknown', detail: 'the service answered about another run' };
  } catch (error) {
    const detail = messageOf(error);
    if (isDefiniteRefusal(error)) return { kind: 'ended', detail: `the right to run has ended: ${detail}` };
    return { kind: 'unknown', detail: `the service cannot say whether the run may go on: ${detail}` };
  }
}

async function rulesNow(client: Client, workflow: string): Promise<RulesNow> {
  try {
    return { kind: 'read', rules: await client.workflows.toolRules(workflow) };
  } catch (error) {
    return { kind: 'unknown', detail: messageOf(error) };
  }
}

function standingAt({ kind, reason }: RightEnd): Standing {
  const detail = `the right to run has ended: ${reason.detail}`;
  return kind === 'refused' ? { kind: 'ended', detail } : { kind: 'unknown', detail };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
