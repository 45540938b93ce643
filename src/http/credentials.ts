import { type ParsedToken, parseToken } from '../rules/format.js';
import type { Secrets, StoredDigest } from '../store/secret.js';

/** What follows from a printed token by itself: its parts, and its digest under today's pepper. */
export interface Credential {
  readonly parsed: ParsedToken;
  readonly digest: StoredDigest;
}

const MAX_REMEMBERED = 10_000;

/** Reads printed tokens, which come again and again: a job's runner asks about the same one all day. What follows from the
 *  text alone is remembered for the latest of them; whether a token is good never is. Gives `undefined` for a malformed
 *  one. */
export function createCredentials(secrets: Secrets): (printed: string) => Credential | undefined {
  const remembered = new Map<string, Credential>();
  return (printed) => {
    const known = remembered.get(printed);
    if (known !== undefined) return known;
    const parsed = parseToken(printed);
    if (parsed === undefined) return undefined;
    const credential = { parsed, digest: secrets.digest(parsed.id, parsed.tokenSecret) };
    if (remembered.size >= MAX_REMEMBERED) remembered.clear();
    remembered.set(printed, credential);
    return credential;
  };
}
