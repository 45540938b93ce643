import { timingSafeEqual } from 'node:crypto';
import type { Held } from './rotation-plan.js';
import { HIDDEN, type Seen, type Sink, SinkError } from './sink.js';

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

/** A sink and what it holds. */
export interface SeenSink extends Held {
  readonly sink: Sink;
}

/** Reads what every sink holds, where it lets itself be read; those come first, so that after a crash the secret is found
 *  again in one of them. Throws {@link SinkError} for the first that fails: a rotation that could not be written is not
 *  begun. */
export async function readSinks(sinks: readonly Sink[]): Promise<SeenSink[]> {
  const seen: SeenSink[] = [];
  for (const sink of sinks) {
    const value = await readOne(sink);
    seen.push(value === HIDDEN ? { sink, isReadable: false, value: undefined } : { sink, isReadable: true, value });
  }
  return [...seen.filter(({ isReadable }) => isReadable), ...seen.filter(({ isReadable }) => !isReadable)];
}

function readOne(sink: Sink): Promise<Seen> {
  return inTime(async (signal) => (sink.read === undefined ? HIDDEN : await sink.read(signal)));
}

/** Writes a secret to every sink that does not hold it, one after the other, and reads it back. A failure before any sink has
 *  the secret ends it: then nothing has changed for any job. Once one has it the old one is going to end, so that the
 *  others get it nevertheless. */
export async function placeSecret(secret: string, seen: readonly SeenSink[]): Promise<SinkOutcome[]> {
  const outcomes: SinkOutcome[] = [];
  for (const { sink, isReadable, value } of seen) {
    const isKept = isReadable && isSame(value, secret);
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
    const value = await readOne(sink);
    if (value !== HIDDEN && !isSame(value, secret)) {
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
