import { timingSafeEqual } from 'node:crypto';
import type { Held } from './rotation-plan.js';
import { type Sink, SinkError } from './sink.js';

/** What became of one sink.
 *  - `kept`: it had the secret already
 *  - `written`: it has it now, as far as it can be read back
 *  - `failed`: it may have the old one or the new one
 *  - `untouched`: nothing was tried */
export interface SinkOutcome {
  readonly sink: string;
  readonly state: 'kept' | 'written' | 'failed' | 'untouched';
  readonly detail?: string | undefined;
}

const TIMEOUT_SECONDS = 60;

/** Reads what every sink holds, where it lets itself be read. Throws {@link SinkError} for the first that fails: a rotation
 *  that could not be written is not begun. */
export async function readSinks(sinks: readonly Sink[]): Promise<Held[]> {
  const held: Held[] = [];
  for (const sink of sinks) {
    const value = sink.read === undefined ? undefined : await inTime((signal) => sink.read?.(signal) ?? NOTHING);
    held.push({ isReadable: sink.read !== undefined, value });
  }
  return held;
}

const NOTHING = Promise.resolve(undefined);

/** Writes a secret to every sink that does not hold it, one after the other, and reads it back. A failure before any sink has
 *  the secret ends it: then nothing has changed for any job. Once one has it the old one is going to end, so that the
 *  others get it nevertheless. */
export async function placeSecret(
  secret: string,
  sinks: readonly Sink[],
  held: readonly Held[],
): Promise<SinkOutcome[]> {
  const outcomes: SinkOutcome[] = [];
  for (const [at, sink] of sinks.entries()) {
    const isKept = held[at]?.isReadable === true && isSame(held[at].value, secret);
    const isStopped = outcomes.some(isFailed) && outcomes.every((one) => !isPlaced(one));
    if (isStopped) outcomes.push({ sink: sink.name, state: 'untouched' });
    else outcomes.push(isKept ? { sink: sink.name, state: 'kept' } : await placeIn(sink, secret));
  }
  return outcomes;
}

/** Whether a sink has the secret for all that is known. */
export function isPlaced({ state }: SinkOutcome): boolean {
  return state === 'kept' || state === 'written';
}

function isFailed({ state }: SinkOutcome): boolean {
  return state === 'failed';
}

async function placeIn(sink: Sink, secret: string): Promise<SinkOutcome> {
  try {
    await inTime((signal) => sink.write(secret, signal));
    if (sink.read !== undefined && !isSame(await inTime((signal) => sink.read?.(signal) ?? NOTHING), secret)) {
      throw new SinkError('it holds something else than what was written to it');
    }
    return { sink: sink.name, state: 'written' };
  } catch (error) {
    if (!(error instanceof SinkError)) throw error;
    return { sink: sink.name, state: 'failed', detail: error.message };
  }
}

function isSame(value: string | undefined, secret: string): boolean {
  const [left, right] = [Buffer.from(value ?? ''), Buffer.from(secret)];
  return left.length === right.length && timingSafeEqual(left, right);
}

/** Not by `AbortSignal.timeout`: Node forgets such a timeout when it collects garbage. */
async function inTime<T>(act: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), TIMEOUT_SECONDS * 1000);
  try {
    return await act(controller.signal);
  } finally {
    clearTimeout(timer);
  }
}
