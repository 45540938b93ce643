import { feedCommand, parseCommand } from './fed-command.js';
import { type Environment, SinkError } from './sink.js';

/** Tries a secret where its sinks are used. Gives why it failed; `undefined` when it passed. */
export type SmokeTest = (secret: string) => Promise<string | undefined>;

const LIMIT_SECONDS = 300;

/** Makes a smoke test of a command of the user's, which gets the secret as that of `exec:` does. It passes by exit 0 within
 *  `limitSeconds`, and is killed after them. `origin` says where it was given. Throws {@link SinkTextError}. */
export function parseSmokeTest(
  text: string,
  origin: string,
  env: Environment,
  limitSeconds: number = LIMIT_SECONDS,
): SmokeTest {
  const command = parseCommand(text, origin);
  return async (secret) => {
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(), limitSeconds * 1000);
    try {
      await feedCommand(command, env, secret, controller.signal);
      return undefined;
    } catch (error) {
      if (error instanceof SinkError) return error.message;
      throw error;
    } finally {
      clearTimeout(timer);
    }
  };
}
