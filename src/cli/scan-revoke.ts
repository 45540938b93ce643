import { type Client, isOutOfReach, ProblemError } from '../sdk/index.js';
import { clientFor } from './client.js';
import { confirm } from './confirm.js';
import { readServiceUrl } from './connection.js';
import { isInteractive, say } from './output.js';
import { printable } from './printable.js';
import { retryWhenLost } from './retry.js';
import { UsageError } from './usage-error.js';

/** What became of a token that was found. `was_active` is null where the service did not say. */
export interface Revoked {
  readonly token_id: string;
  readonly was_active: boolean | null;
  readonly revoked: boolean;
}

/** How revoking went: `failure` is the last thing that went wrong. */
export interface Revoking {
  readonly tokens: readonly Revoked[];
  readonly failure: unknown;
}

/** Where to revoke, settled before a long scan begins. Refuses where nobody can be asked and `--yes` is missing. */
export async function readRevocationUrl(isYes: boolean): Promise<string> {
  if (!isYes && !isInteractive()) throw new UsageError('there is no terminal to ask at: give --yes to revoke');
  return await readServiceUrl();
}

/** Revokes tokens by holding them (RFC 7009), after asking. Each first asks about itself whether it is active; it is revoked
 *  whatever the answer, since one that is held back may come to life again. What one fails at does not stop the rest, a
 *  service out of reach does. Gives nothing when the person said no. */
export async function revokeTokens(
  url: string,
  tokens: ReadonlyMap<string, string>,
  isYes: boolean,
): Promise<Revoking | undefined> {
  if (tokens.size > 0 && !isYes) {
    const what = `${tokens.size} found ${tokens.size === 1 ? 'token' : 'tokens'}`;
    if (!(await confirm(`${what} will be revoked at ${printable(url)}, for good.`, 'yes'))) return undefined;
  }
  const outcomes: Revoked[] = [];
  let failure: unknown;
  let isLost = false;
  for (const [token, token_id] of tokens) {
    const outcome: Revoked = { token_id, was_active: null, revoked: false };
    outcomes.push(outcome);
    if (isLost) continue;
    try {
      const was_active = await isActive(clientFor(url, token), token);
      outcomes[outcomes.length - 1] = { ...outcome, was_active };
      await retryWhenLost(() => clientFor(url, undefined).revoke(token));
      outcomes[outcomes.length - 1] = { ...outcome, was_active, revoked: true };
    } catch (error) {
      failure = error;
      isLost = isOutOfReach(error);
    }
  }
  return { tokens: outcomes, failure };
}

/** Tells a person of each token. */
export function sayRevoked({ tokens }: Revoking): void {
  for (const { token_id, was_active, revoked } of tokens) {
    const before = was_active === null ? '' : was_active ? ': it was active' : ': it was not active there';
    say(`${token_id} ${revoked ? 'is revoked' : 'is NOT revoked'}${before}`);
  }
}

/** Null when nothing was said: that keeps no token from being revoked. */
async function isActive(client: Client, token: string): Promise<boolean | null> {
  try {
    return (await retryWhenLost(() => client.introspect(token))).active;
  } catch (error) {
    // A dead token is no credential, not even about itself (RFC 7662 section 2.3).
    return error instanceof ProblemError && error.status === 401 ? false : null;
  }
}
