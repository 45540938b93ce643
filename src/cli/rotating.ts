import type { Rotating } from '../rotator/rotate-into.js';
import { SinkTextError } from '../rotator/sink.js';
import { clientFor } from './client.js';
import { readSignedIn } from './connection.js';
import { UsageError } from './usage-error.js';

/** Rotates as the one who is signed in. */
export async function rotatingAsSignedIn(): Promise<Rotating> {
  const { url, token } = await readSignedIn();
  return {
    url,
    client: clientFor(url, token),
    own: token,
    clientOf: (secret) => clientFor(url, secret),
    now: () => new Date(),
  };
}

/** Reads sinks or what names them: a fault is the caller's. */
export function readingSinks<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof SinkTextError) throw new UsageError(error.message);
    throw error;
  }
}
