import { setTimeout as pause } from 'node:timers/promises';
import { isOutOfReach, ProblemError } from '../sdk/errors.js';

const ATTEMPTS = 5;
const FIRST_PAUSE_SECONDS = 0.5;
const MAX_PAUSE_SECONDS = 30;

/** Asks the service, and again while it is out of reach or has too much to do: 5 times in all, after the time that it asks
 *  for or twice the last one (30 s at most), and a little more by chance, so that rotators do not come back together. For what
 *  may be done again after a lost answer. */
export async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  for (let attempt = 1; attempt < ATTEMPTS; attempt++) {
    try {
      return await ask();
    } catch (error) {
      if (!isOutOfReach(error)) throw error;
      const asked = error instanceof ProblemError ? error.retryAfterSeconds : undefined;
      await shortPause(asked ?? FIRST_PAUSE_SECONDS * 2 ** (attempt - 1));
    }
  }
  return await ask();
}

/** Waits for about so many seconds, 30 at most: up to a half more by chance. */
export async function shortPause(seconds: number): Promise<void> {
  await pause(Math.min(seconds, MAX_PAUSE_SECONDS) * (1 + Math.random() / 2) * 1000);
}
