import type { HookFacts, RulesNow, Standing } from '../hook/decide.js';
import type { Ruling } from '../hook/ruling.js';
import { type Client, createClient } from '../sdk/index.js';
import { type HookSocket, openHookSocket } from './hook-socket.js';
import { isDefiniteRefusal } from './permission.js';
import type { RightEnd } from './watch.js';

export interface HookGuardOptions {
  readonly url: string;
  readonly token: string;
  readonly userAgent?: string | undefined;
  readonly workflow: string;
  /** The check that let the run begin (`chk_…`). */
  readonly checkId: string;
}

/** The guard's side of hooks. */
export interface HookGuard {
  readonly socketPath: string;
  /** The right to run has ended: from now on everything is denied without asking. */
  endRight(end: RightEnd): void;
  close(): Promise<void>;
}

/** How long the service may take to answer: well within what a hook waits. */
const SERVICE_SECONDS = 4;

/** Opens the socket on which hooks ask about events of the run. For each question the service is asked anew: it renews the
 *  run's lease only while its right to go on holds, and no revocation that it has confirmed is followed by a renewal.
 *  Nothing is remembered, and any doubt is a denial. */
export async function openHookGuard(options: HookGuardOptions): Promise<HookGuard> {
  const client = createClient({ ...options, timeoutSeconds: SERVICE_SECONDS });
  let end: RightEnd | undefined;
  const socket: HookSocket = await openHookSocket(async ({ event: given }): Promise<Ruling> => {
    // Loaded with the first question: most commands that run under a guard are no agents.
    const [{ decideHook, malformedEvent, needsRules }, { parseHookEvent }] = await Promise.all([
      import('../hook/decide.js'),
      import('../hook/event.js'),
    ]);
    const event = parseHookEvent(given);
    if (event === undefined) return malformedEvent().ruling;
    const facts = await factsNow(client, options, needsRules(event));
    return decideHook(event, end === undefined ? facts : { ...facts, standing: standingAt(end) }).ruling;
  });
  return {
    socketPath: socket.path,
    endRight: (rightEnd) => {
      end = rightEnd;
    },
    close: () => socket.close(),
  };
}

async function factsNow(
  client: Client,
  { checkId, workflow }: HookGuardOptions,
  withRules: boolean,
): Promise<HookFacts> {
  const [standing, rules] = await Promise.all([
    standingNow(client, checkId),
    withRules ? rulesNow(client, workflow) : undefined,
  ]);
  return { standing, rules };
}

async function standingNow(client: Client, checkId: string): Promise<Standing> {
  const runId = checkId.replace(/^chk_/, 'run_');
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
