import { setTimeout as pause } from 'node:timers/promises';
import { isOutOfReach, ProblemError } from '../sdk/index.js';

const RETRIES = 2;
const MAX_PAUSE_SECONDS = 5;

/** Does something that may be done again after a lost answer, up to 3 times in all, as long as it is not known what
 *  became of it. The pause is what the service asks for, 5 s at most. */
export async function retryWhenLost<T>(act: () => Promise<T>): Promise<T> {
  for (let retry = 0; retry < RETRIES; retry++) {
    try {
      return await act();
    } catch (error) {
      if (!isOutOfReach(error)) throw error;
      const asked = error instanceof ProblemError ? (error.retryAfterSeconds ?? 0.2) : 0.2;
      await pause(Math.min(asked, MAX_PAUSE_SECONDS) * 1000);
    }
  }
  return await act();
}
