import { createHash } from 'node:crypto';

/** What the first event of a chain names as the hash before it. */
export const GENESIS_HASH = '0'.repeat(64);

/** An event as it is shown and hashed. `hash` itself is left out when it is hashed. */
export interface HashedEvent {
  readonly seq: number;
  readonly prev_hash: string;
  readonly hash: string;
}

/** The first place where a chain does not hold. */
export interface BrokenLink {
  readonly seq: number;
  readonly fault: string;
}

/** The lower-case hex SHA-256 of an event's RFC 8785 form, without its `hash`. */
export function eventHash(event: Readonly<Record<string, unknown>>): string {
  const { hash: _, ...rest } = event;
  return createHash('sha256').update(canonicalJson(rest), 'utf8').digest('hex');
}

/** Finds where an event does not continue the chain: a gap, another predecessor, or content that was changed. `previous`
 *  is the event before, `undefined` for the first of the chain. */
export function brokenLink(
  previous: HashedEvent | undefined,
  event: HashedEvent & Readonly<Record<string, unknown>>,
): BrokenLink | undefined {
  const seq = (previous?.seq ?? 0) + 1;
  if (event.seq !== seq) return { seq, fault: `event ${seq} is missing, ${event.seq} stands in its place` };
  if (event.prev_hash !== (previous?.hash ?? GENESIS_HASH)) {
    return { seq, fault: `event ${seq} does not name the hash of the event before it` };
  }
  if (event.hash !== eventHash(event)) return { seq, fault: `event ${seq} was changed: its hash is another` };
  return undefined;
}

/** Prints a JSON value in its canonical form: no white space, members sorted by their UTF-16 code units, numbers and
 *  strings as ECMAScript prints them. Throws on what JSON cannot say and on lone surrogates. RFC 8785 section 3.2. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).filter(([, member]) => member !== undefined);
    members.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    return `{${members.map(([key, member]) => `${canonicalJson(key)}:${canonicalJson(member)}`).join(',')}}`;
  }
  if (typeof value === 'string' && !value.isWellFormed()) throw new TypeError('a lone surrogate has no canonical form');
  if (typeof value === 'number' && !Number.isFinite(value)) throw new TypeError(`${value} has no canonical form`);
  const text = JSON.stringify(value);
  if (text === undefined) throw new TypeError(`a ${typeof value} has no canonical form`);
  return text;
}
