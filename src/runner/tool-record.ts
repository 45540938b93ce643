import type { HookDecision } from '../hook/decide.js';
import type { HookEvent } from '../hook/event.js';
import { secretIn } from '../hook/secrets.js';
import { newId, printId } from '../rules/format.js';
import type { Client, NewToolDecision } from '../sdk/index.js';
import { monotonicMs, waitUntil } from './delay.js';
import { isDefiniteRefusal } from './permission.js';

export interface ToolRecordOptions {
  readonly client: Client;
  readonly runId: string;
  /** The time by the service's clock: it refuses decisions of another time than the run's. */
  readonly now: () => Date;
  /** Tells a person that decisions are not on record. Called once at most. */
  readonly onFailure: (detail: string) => void;
}

/** Puts decisions on record with the run, some time after they were made: nobody waits for it. */
export interface ToolRecord {
  add(event: HookEvent | undefined, decision: HookDecision): void;
  /** Sends what is left, for a few seconds at most. */
  close(): Promise<void>;
}

const PAUSE_MS = 1_000;
const RETRY_MS = 5_000;
const CLOSING_MS = 5_000;
const MOST_IN_BATCH = 50;
/** Of the 64 KiB that the service takes. */
const MOST_BATCH_BYTES = 48_000;
const MOST_WAITING = 1_000;
const MOST_NAME_LENGTH = 256;
const MOST_DETAIL_LENGTH = 512;

/** Opens the record of a run. It sends a batch each second, or when 50 decisions wait; it holds 1,000 at most. A batch that
 *  cannot be sent is tried again every 5 s; one that is refused is dropped. */
export function openToolRecord({ client, runId, now, onFailure }: ToolRecordOptions): ToolRecord {
  const waiting: NewToolDecision[] = [];
  let wake = new AbortController();
  let closesAtMs = Number.POSITIVE_INFINITY;
  let isFailing = false;
  let isTold = false;
  let lastMs = 0;
  let sending: Promise<void> | undefined;

  const isClosing = () => closesAtMs < Number.POSITIVE_INFINITY;
  const fail = (detail: string) => {
    if (!isTold) onFailure(detail);
    isTold = true;
  };
  const sendOnce = async () => {
    const batch = nextBatch(waiting);
    try {
      await client.runs.recordToolDecisions(runId, batch);
      isFailing = false;
    } catch (error) {
      fail(error instanceof Error ? error.message : String(error));
      isFailing = !isDefiniteRefusal(error);
    }
    if (!isFailing) waiting.splice(0, batch.length);
  };
  const sendAll = async () => {
    while (waiting.length > 0) {
      await waitUntil(monotonicMs() + (isFailing ? RETRY_MS : PAUSE_MS), wake.signal);
      await sendOnce();
      if (isClosing() && (isFailing || monotonicMs() > closesAtMs)) break;
      if (!isClosing() && (isFailing || waiting.length < MOST_IN_BATCH)) wake = new AbortController();
    }
    sending = undefined;
  };

  return {
    add(event, decision) {
      if (waiting.length >= MOST_WAITING) return fail('there are more of them than can be held');
      // Ids are in the order of their times, to the millisecond, and so are decisions on record.
      lastMs = Math.max(now().getTime(), lastMs + 1);
      waiting.push(recorded(event, decision, new Date(lastMs)));
      if (waiting.length >= MOST_IN_BATCH && !isFailing) wake.abort();
      sending ??= sendAll();
    },
    async close() {
      closesAtMs = monotonicMs() + CLOSING_MS;
      wake.abort();
      await sending;
      if (waiting.length > 0) fail('the service did not take them in time');
    },
  };
}

function nextBatch(waiting: readonly NewToolDecision[]): NewToolDecision[] {
  const batch: NewToolDecision[] = [];
  let bytes = 0;
  for (const decision of waiting) {
    bytes += Buffer.byteLength(JSON.stringify(decision));
    if (batch.length > 0 && (batch.length === MOST_IN_BATCH || bytes > MOST_BATCH_BYTES)) break;
    batch.push(decision);
  }
  return batch;
}

function recorded(event: HookEvent | undefined, decision: HookDecision, at: Date): NewToolDecision {
  const { decision: verdict, code, rule, detail } = decision;
  return {
    id: printId('dec', newId('dec', at)),
    at: at.toISOString(),
    event: event?.name ?? 'unknown',
    tool: event === undefined || !('tool' in event) ? null : nameOf(event.tool),
    decision: verdict,
    code,
    rule: rule ?? null,
    detail: detail.slice(0, MOST_DETAIL_LENGTH).toWellFormed(),
  };
}

/** An agent names its tools, and may put anything there. */
function nameOf(tool: string): string {
  return secretIn(tool) === undefined ? tool.slice(0, MOST_NAME_LENGTH).toWellFormed() : '(a secret)';
}
