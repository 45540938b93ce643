import type { Client, ExecReason } from '../sdk/index.js';
import { monotonicMs, waitUntil } from './delay.js';
import { isDefiniteRefusal, reasonOf } from './permission.js';

/** Why a running job must stop. `refused`: the right to run has ended. `unreachable`: nobody can say whether it has. */
export interface RightEnd {
  readonly kind: 'refused' | 'unreachable';
  readonly reason: ExecReason;
}

export interface WatchOptions {
  readonly checkId: string;
  /** When the right ends in any case, on the monotonic clock, and the same instant in the service's words. */
  readonly endsAtMs: number;
  readonly validUntil: string;
  /** How long the service may be out of reach. */
  readonly graceSeconds: number;
  /** How long a stream may be silent before it counts as broken. The service sends a sign of life every 10 s. */
  readonly silenceSeconds: number;
  /** Tells that the watch was lost, with the cause, and that it is back. */
  readonly onLost: (cause: string) => void;
  readonly onBack: () => void;
}

/** How long a stream may take to open: the service sends its first sign of life at once. */
const OPENING_MS = 10_000;
const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 5_000;
/** The least time a lost watch has to come back, when its silence alone used up the grace. */
const LAST_TRY_MS = 5_000;

const DETAILS = {
  revoked: 'the token was revoked, or the runner removed',
  paused: 'the workflow was paused',
  suspended: "the token's creator or workspace was suspended, or the runner",
  stopped: 'the run was stopped',
};

/** Follows the right to run and resolves when it ends. With the signal aborted it resolves to `undefined`. */
export async function watchRight(
  client: Client,
  options: WatchOptions,
  signal: AbortSignal,
): Promise<RightEnd | undefined> {
  const stop = new AbortController();
  const both = AbortSignal.any([signal, stop.signal]);
  try {
    return await Promise.race([followStreams(client, options, both), reachEnd(options, both)]);
  } finally {
    stop.abort();
  }
}

async function reachEnd(options: WatchOptions, signal: AbortSignal): Promise<RightEnd | undefined> {
  await waitUntil(options.endsAtMs, signal);
  if (signal.aborted) return undefined;
  const detail = `the run was allowed until ${options.validUntil} and no longer`;
  return { kind: 'refused', reason: { code: 'time_limit', detail } };
}

async function followStreams(
  client: Client,
  options: WatchOptions,
  signal: AbortSignal,
): Promise<RightEnd | undefined> {
  let giveUpAtMs = Number.POSITIVE_INFINITY;
  let failures = 0;
  const onAlive = () => {
    if (failures > 0) options.onBack();
    failures = 0;
    giveUpAtMs = Number.POSITIVE_INFINITY;
  };
  while (!signal.aborted) {
    const outcome = await followOnce(client, options, giveUpAtMs, onAlive, signal);
    if (signal.aborted) return undefined;
    if (outcome.kind === 'ended') return { kind: 'refused', reason: outcome.reason };
    failures += 1;
    if (failures === 1) {
      giveUpAtMs = giveUpAt(outcome.lostAtMs, options.graceSeconds);
      options.onLost(outcome.cause);
    }
    if (monotonicMs() >= giveUpAtMs) return outOfReach(options.graceSeconds, outcome.cause);
    await waitUntil(Math.min(monotonicMs() + delayMs(failures), giveUpAtMs), signal);
  }
  return undefined;
}

type Outcome =
  | { readonly kind: 'ended'; readonly reason: ExecReason }
  | { readonly kind: 'lost'; readonly cause: string; readonly lostAtMs: number };

/** Follows one stream to its end: the last word, a break, or a silence that is too long. */
async function followOnce(
  client: Client,
  options: WatchOptions,
  giveUpAtMs: number,
  onAlive: () => void,
  signal: AbortSignal,
): Promise<Outcome> {
  const silence = new AbortController();
  const silenceMs = options.silenceSeconds * 1000;
  let aliveAtMs = monotonicMs();
  const fallSilent = () => silence.abort();
  let timer = setTimeout(fallSilent, Math.max(0, Math.min(OPENING_MS, silenceMs, giveUpAtMs - aliveAtMs)));
  try {
    for await (const event of client.execChecks.watch(options.checkId, AbortSignal.any([signal, silence.signal]))) {
      if (event.type !== 'alive') {
        const detail = event.reason ? `${DETAILS[event.type]}: ${event.reason}` : DETAILS[event.type];
        return { kind: 'ended', reason: { code: event.type, detail } };
      }
      aliveAtMs = monotonicMs();
      clearTimeout(timer);
      timer = setTimeout(fallSilent, silenceMs);
      onAlive();
    }
    return { kind: 'lost', cause: 'the watch ended without a word', lostAtMs: monotonicMs() };
  } catch (error) {
    if (isDefiniteRefusal(error)) return { kind: 'ended', reason: reasonOf(error) };
    if (silence.signal.aborted) return { kind: 'lost', cause: 'the service fell silent', lostAtMs: aliveAtMs };
    const cause = error instanceof Error ? error.message : String(error);
    return { kind: 'lost', cause, lostAtMs: monotonicMs() };
  } finally {
    clearTimeout(timer);
  }
}

/** Until when what was lost may come back. */
export function giveUpAt(lostAtMs: number, graceSeconds: number): number {
  const graceMs = graceSeconds * 1000;
  return Math.max(lostAtMs + graceMs, monotonicMs() + Math.min(graceMs, LAST_TRY_MS));
}

/** The end when the service was out of reach for too long. */
export function outOfReach(graceSeconds: number, cause: string): RightEnd {
  const detail = `the service has been out of reach for ${graceSeconds} s: ${cause}`;
  return { kind: 'unreachable', reason: { code: 'unreachable', detail } };
}

/** Doubles up to 5 s; the random half keeps many guards from coming back in step. */
export function delayMs(failures: number): number {
  const ceiling = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(failures, 16));
  return ceiling / 2 + (Math.random() * ceiling) / 2;
}
