import type { ParsedToken, TokenId } from '../rules/format.js';
import { isActive, type TokenFacts, tokenStatus } from '../rules/token.js';
import type { StoredToken } from '../store/lookup.js';
import { recordReuse } from '../store/reuse.js';
import { recordFirstUse, remakeDigest, type Use, verifierOf } from '../store/use.js';
import type { Credential } from './credentials.js';
import type { Deps } from './deps.js';

/** Where a token came from: the address of the caller, and the token that asked about it, if another one did. */
export interface Presentation {
  readonly ip: string | undefined;
  readonly by: TokenId | undefined;
  readonly requestId: string;
  /** The caller, where it only asks about the token and does nothing with it. */
  readonly asker?: TokenFacts | undefined;
}

/** Gives at once what needs no waiting. On the hot path nothing does, and every promise has its price. */
export type Soon<T> = T | Promise<T>;

/** Finds the token that a printed one stands for and verifies its secret, whatever its state. Gives `undefined` for a
 *  malformed, unknown or forged one; a malformed one costs no query. */
export async function findPresented(deps: Deps, printed: string): Promise<StoredToken | undefined> {
  const credential = deps.credentials(printed);
  return credential && verified(deps, credential, await deps.lookup.find(credential.parsed.id));
}

/** What {@link findPresented} gives for a caller and for the token that it asks about, read in the same statement. */
export async function findBoth(
  deps: Deps,
  callerText: string,
  subjectText: string | undefined,
): Promise<{ readonly caller: StoredToken | undefined; readonly subject: StoredToken | undefined }> {
  const asking = deps.credentials(callerText);
  if (asking === undefined) return { caller: undefined, subject: undefined };
  const asked = subjectText === undefined ? undefined : deps.credentials(subjectText);
  const ids = asked === undefined ? [asking.parsed.id] : [asking.parsed.id, asked.parsed.id];
  const [first, second] = await deps.lookup.findAll(ids);
  const caller = verified(deps, asking, first);
  const subject = asked && verified(deps, asked, second);
  return {
    caller: caller instanceof Promise ? await caller : caller,
    subject: subject instanceof Promise ? await subject : subject,
  };
}

/** How many are read in one statement, so that no introspection waits long behind it. */
const AT_ONCE = 100;

/** What {@link findPresented} gives for each of many, in their order. */
export async function findEach(deps: Deps, printed: readonly string[]): Promise<(StoredToken | undefined)[]> {
  const found: (StoredToken | undefined)[] = [];
  for (let at = 0; at < printed.length; at += AT_ONCE) {
    const asked = printed.slice(at, at + AT_ONCE).map((text) => deps.credentials(text));
    const ids = asked.flatMap((credential) => (credential === undefined ? [] : [credential.parsed.id]));
    const rows = ids.length === 0 ? [] : await deps.lookup.findAll(ids);
    const byId = new Map(rows.flatMap((row) => (row === undefined ? [] : [[row.facts.id, row] as const])));
    for (const credential of asked) {
      found.push(credential && (await verified(deps, credential, byId.get(credential.parsed.id))));
    }
  }
  return found;
}

function verified(
  deps: Deps,
  { parsed, digest }: Credential,
  token: StoredToken | undefined,
): Soon<StoredToken | undefined> {
  if (token === undefined) return undefined;
  if (deps.secrets.isSame(digest, token.stored)) return token;
  switch (deps.secrets.compare(token.facts.id, parsed.tokenSecret, token.stored)) {
    case 'mismatch':
      return undefined;
    case 'unknown_pepper':
      return verifiedSlowly(deps, parsed, token);
    case 'match':
      return movedToCurrentPepper(deps, parsed, token);
  }
}

/** Makes the digest anew under today's pepper, so that an old one is out of use once every token has been used. */
async function movedToCurrentPepper(deps: Deps, parsed: ParsedToken, token: StoredToken): Promise<StoredToken> {
  const stored = deps.secrets.digest(parsed.id, parsed.tokenSecret);
  await remakeDigest(deps.db, token, stored);
  return { ...token, stored };
}

/** The way when the row's pepper is gone: argon2id decides, and the digest is made anew under today's pepper. */
async function verifiedSlowly(deps: Deps, parsed: ParsedToken, token: StoredToken): Promise<StoredToken | undefined> {
  const verifier = await verifierOf(deps.db, token);
  if (verifier === undefined) return undefined;
  if (!(await deps.secrets.verify(verifier, parsed.tokenSecret))) return undefined;
  const stored = deps.secrets.digest(parsed.id, parsed.tokenSecret);
  await remakeDigest(deps.db, token, stored);
  // The state is read again: argon2id took its time.
  const again = await deps.lookup.find(parsed.id);
  if (again === undefined) return undefined;
  switch (deps.secrets.compare(parsed.id, parsed.tokenSecret, again.stored)) {
    case 'match':
      return again;
    case 'mismatch':
      return undefined;
    case 'unknown_pepper':
      // A node with other peppers was here meanwhile. The secret is the one that was verified unless it was replaced.
      return (await verifierOf(deps.db, again)) === verifier ? again : undefined;
  }
}

/** Lets a verified token be used, which its first use puts on record before anything is answered. Gives false, the
 *  refusal of a dead token, for one that is not active; the use of a superseded or revoked one is put on record. */
export function useToken(deps: Deps, token: StoredToken, where: Presentation, now: Date): Soon<boolean> {
  const use: Use = { at: now, ip: where.ip, by: where.by };
  if (!isActive(token.facts, now)) {
    const status = tokenStatus(token.facts, now);
    if (status !== 'superseded' && status !== 'revoked') return false;
    return reused(deps, token, use, where);
  }
  if (token.facts.firstUsedAt === undefined) return recordFirstUse(deps.db, token, use);
  deps.useLog.note(token, use);
  return true;
}

async function reused(deps: Deps, token: StoredToken, use: Use, { requestId, asker }: Presentation): Promise<false> {
  const revoked = await recordReuse(deps.db, token, { use, requestId, asker });
  if (revoked.length > 0) deps.metrics.tokens('revoked', revoked.length);
  return false;
}
