import { DEFAULT_DRAIN_SECONDS, DEFAULT_OVERLAP_SECONDS } from '../rules/rotation.js';
import { isOutOfReach, ProblemError } from '../sdk/index.js';
import { clientFor } from './client.js';
import { readSignedIn } from './connection.js';
import { HintedError } from './hinted-error.js';
import { print, printJson, say } from './output.js';
import { retryWhenLost } from './retry.js';
import { sayWhereItGoes } from './secret-advice.js';

export interface RotateFlags {
  expiresInDays?: number;
  overlapSeconds?: number;
  drainSeconds?: number;
  json?: true;
}

/** `token rotate`. After a lost answer it just rotates again: while the successor is unused only its secret changes. */
export async function rotate(id: string, flags: RotateFlags): Promise<number> {
  const connection = await readSignedIn();
  const client = clientFor(connection.url, connection.token);
  const request = {
    expires_in_days: flags.expiresInDays,
    overlap_seconds: flags.overlapSeconds,
    drain_seconds: flags.drainSeconds,
  };
  const successor = await retryWhenLost(() => client.tokens.rotate(id, request)).catch((error: unknown) => {
    throw hinted(error, id);
  });
  if (flags.json) {
    printJson(successor);
    return 0;
  }
  print(successor.token);
  sayWhereItGoes(successor, `countersign token rotate ${id}`);
  say(predecessorText(successor.rotated_from ?? id, flags));
  if (id === 'self' && connection.source === 'the stored login') {
    say('That was the stored login: give the new one to `countersign auth login --with-token`.');
  }
  return 0;
}

function hinted(error: unknown, id: string): unknown {
  if (isOutOfReach(error)) {
    return new HintedError(
      error,
      'Rotate again when the service is back: if only the answer was lost, that repairs it.',
    );
  }
  if (id === 'self' && error instanceof ProblemError && error.kind === 'insufficient-scope') {
    return new HintedError(
      error,
      'A token may rotate itself only if it was minted so: `token mint --scope tokens:rotate …`. Whoever minted this one can rotate it by its id.',
    );
  }
  return error;
}

function predecessorText(id: string, flags: RotateFlags): string {
  const overlap = flags.overlapSeconds ?? DEFAULT_OVERLAP_SECONDS;
  if (overlap === 0) return `${id} is not valid any more.`;
  const drain = flags.drainSeconds ?? DEFAULT_DRAIN_SECONDS;
  return `${id} stays valid for ${spanText(overlap)}, and no longer than ${spanText(drain)} after the first use of the new one.`;
}

function spanText(seconds: number): string {
  if (seconds >= 3600 && seconds % 3600 === 0) return `${seconds / 3600} h`;
  return seconds >= 60 && seconds % 60 === 0 ? `${seconds / 60} min` : `${seconds} s`;
}
