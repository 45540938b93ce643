import { findTokens } from '../rules/format.js';
import { REVOKE_REASONS } from '../rules/token.js';
import { isOutOfReach, type RevokeReason } from '../sdk/index.js';
import { clientFor, signedInClient } from './client.js';
import { readServiceUrl } from './connection.js';
import { print, printJson, say } from './output.js';
import { retryWhenLost } from './retry.js';
import { readInput } from './stdin.js';
import { UsageError } from './usage-error.js';

export interface RevokeFlags {
  reason?: RevokeReason;
  note?: string;
  stdin?: true;
  json?: true;
}

const TOKEN_LENGTH = 76;
const MAX_INPUT_BYTES = 64 * 1024 * 1024;

/** `token revoke`: one token by its id, or whatever tokens a text on standard input holds. */
export async function revoke(id: string | undefined, flags: RevokeFlags): Promise<number> {
  if (flags.stdin && id !== undefined) throw new UsageError('give either an id or --stdin');
  if (flags.stdin && (flags.reason ?? flags.note) !== undefined) {
    throw new UsageError(
      '--reason and --note do not go with --stdin: whoever holds a token may end it, and is not asked why.\nTo put a reason on record, revoke it by its id: countersign token revoke ID --reason leaked. `countersign scan` finds the ids',
    );
  }
  if (flags.stdin) return await revokeFound(flags);
  if (id === undefined) throw new UsageError('which token? Give its id (tok_…), `self`, or --stdin');
  return await revokeOne(id, flags);
}

/** Checks that a reason was given. */
export function requireReason(reason: RevokeReason | undefined): RevokeReason {
  if (reason !== undefined) return reason;
  throw new UsageError(`--reason is missing: one of ${REVOKE_REASONS.join(', ')}`);
}

async function revokeOne(id: string, flags: RevokeFlags): Promise<number> {
  const reason = requireReason(flags.reason);
  const client = await signedInClient();
  const token = await retryWhenLost(() => client.tokens.revoke(id, { reason, note: flags.note }));
  if (flags.json) printJson(token);
  else say(`${token.id} is revoked, for good.`);
  return 0;
}

// Who holds a token may revoke it (RFC 7009): no login, and no word from the service on what it was.
async function revokeFound(flags: RevokeFlags): Promise<number> {
  const url = await readServiceUrl();
  const hint = 'countersign token revoke --stdin < leaked.log';
  const input = await readInput('the text with the tokens', hint, MAX_INPUT_BYTES);
  // What is left of UTF-16 is plain.
  const text = input.replaceAll('\0', '');
  const tokens = new Map(
    findTokens(text).map(({ index, publicId }) => [text.slice(index, index + TOKEN_LENGTH), publicId]),
  );
  const client = clientFor(url, undefined);
  const revoked: string[] = [];
  let failure: unknown;
  for (const [token, publicId] of tokens) {
    try {
      await retryWhenLost(() => client.revoke(token));
      revoked.push(publicId);
      if (!flags.json) print(publicId);
    } catch (error) {
      failure = error;
      if (isOutOfReach(error)) break;
    }
  }
  if (flags.json) printJson({ revoked });
  if (failure !== undefined) {
    say(`${revoked.length} of ${tokens.size} tokens are revoked. Run it again for the rest: that harms nothing.`);
    throw failure;
  }
  say(
    tokens.size === 0
      ? 'No token found on standard input.'
      : `${revoked.length} revoked, if ${revoked.length === 1 ? 'it was' : 'they were'} ever valid there.`,
  );
  return tokens.size === 0 ? 1 : 0;
}
