import type { Readable, Writable } from 'node:stream';
import type { Masker } from './mask.js';

/** A stream of the command's output on its way out. */
export interface Output {
  /** Resolves when all of it is out, or nobody reads it any more. Once the job is gone, what a process out of the guard's
   *  reach still holds open does not keep it waiting. `limitMs` bounds the wait for a reader that stands still. */
  finish(limitMs: number | undefined): Promise<void>;
}

const QUIET_MS = 50;
const IDLE_MS = 1_000;

/** Passes a stream on through a masker, no faster than it is read. A target that is closed closes the source, so that
 *  the command learns of it as it would without a guard. */
export function passOutput(source: Readable, target: Writable, masker: Masker): Output {
  let quietTimer: NodeJS.Timeout | undefined;
  let lastDataAtMs = performance.now();
  let resolve: () => void = () => undefined;
  const done = new Promise<void>((settle) => {
    resolve = settle;
  });
  const resume = () => source.resume();
  const showHeld = () => {
    const held = masker.quiet();
    if (held.length > 0) target.write(held);
  };

  source.on('data', (chunk: Buffer) => {
    lastDataAtMs = performance.now();
    clearTimeout(quietTimer);
    const safe = masker.push(chunk);
    if (safe.length > 0 && !target.write(safe)) {
      source.pause();
      target.once('drain', resume);
    }
    quietTimer = setTimeout(showHeld, QUIET_MS);
  });
  source.once('end', () => target.write(masker.end(), () => resolve()));
  source.once('close', () => {
    clearTimeout(quietTimer);
    target.off('drain', resume);
    if (!source.readableEnded) resolve();
  });
  source.on('error', () => source.destroy());
  target.on('error', () => source.destroy());

  return {
    async finish(limitMs) {
      const startedAtMs = performance.now();
      const ticker = setInterval(() => {
        const now = performance.now();
        const isIdle = !source.isPaused() && now - Math.max(lastDataAtMs, startedAtMs) > IDLE_MS;
        const isLate = limitMs !== undefined && now - startedAtMs > limitMs;
        if (isIdle && !source.readableEnded) source.destroy();
        if (isLate) resolve();
      }, IDLE_MS / 4);
      await done;
      clearInterval(ticker);
      source.destroy();
    },
  };
}
