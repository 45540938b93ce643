import { findTokens, parseToken, printId } from './format.js';
import { createLines } from './scan-lines.js';
import { fingerprint } from './secret-fingerprint.js';
import { OWN_KIND } from './secret-scan.js';

const TOKEN_LENGTH = 76;
/** A token in UTF-16 without the half of its first or last unit that may be cut off: 76 characters, 75 NULs between. */
const WIDE_LENGTH = 2 * TOKEN_LENGTH - 1;
const WIDE_START = 'c\0s\0t\0_';

/** Where a secret stands in a stream of bytes, and which one it is. Lines and columns count from 1, columns in bytes. */
export interface Sighting {
  readonly line: number;
  readonly column: number;
  readonly kind: string;
  readonly fingerprint: string;
  /** Of a token of this service: its public id. */
  readonly publicId?: string;
}

/** Finds secrets in a stream that comes in pieces, also those that a border between pieces cuts. What it gives may be told
 *  with a later piece than the one it stands in; `end` gives the rest. */
export interface Scanner {
  push(piece: Buffer): Sighting[];
  end(): Sighting[];
}

/** Is handed each token that is found, itself: to revoke it. */
export type OnToken = (token: string, publicId: string) => void;

/** A token in the text at hand: where its `c` stands, and how many bytes later it ends. */
interface Found {
  readonly index: number;
  readonly length: number;
  readonly token: string;
  readonly publicId: string;
}

/** Makes a scanner of one stream for tokens of this service by form and checksum, one byte a character or UTF-16 of either
 *  order. It keeps no more than the piece at hand and the 150 bytes before it. */
export function createScanner(onToken: OnToken = () => {}): Scanner {
  const lines = createLines();
  let tail: Buffer = Buffer.alloc(0);
  // Where the text at hand starts in the stream.
  let start = 0;

  return {
    push(piece) {
      const text = tail.length === 0 ? piece : Buffer.concat([tail, piece]);
      const sightings: Sighting[] = [];
      const found = [...narrowTokens(text), ...wideTokens(text)].sort((a, b) => a.index - b.index);
      for (const { index, length, token, publicId } of found) {
        // What ends in the tail was told with the piece before.
        if (index + length <= tail.length) continue;
        const { line, offset } = lines.locate(text, index);
        const column = offset + 1 - (length === WIDE_LENGTH ? halfUnit(line, start + index) : 0);
        sightings.push({ line, column, kind: OWN_KIND, fingerprint: fingerprint(OWN_KIND, token), publicId });
        onToken(token, publicId);
      }
      const kept = Math.min(text.length, WIDE_LENGTH - 1);
      lines.advance(text, text.length - kept);
      start += text.length - kept;
      tail = Buffer.from(text.subarray(text.length - kept));
      return sightings;
    },
    end: () => [],
  };
}

function narrowTokens(text: Buffer): Found[] {
  if (!text.includes('cst_')) return [];
  const characters = text.toString('latin1');
  return findTokens(characters).map(({ index, publicId }) => {
    return { index, length: TOKEN_LENGTH, token: characters.slice(index, index + TOKEN_LENGTH), publicId };
  });
}

function wideTokens(text: Buffer): Found[] {
  const found: Found[] = [];
  for (let at = text.indexOf(WIDE_START); at >= 0; at = text.indexOf(WIDE_START, at + 1)) {
    const bytes = text.subarray(at, at + WIDE_LENGTH);
    const token = String.fromCharCode(...bytes.filter((_, place) => place % 2 === 0));
    const isWide = bytes.every((byte, place) => place % 2 === 0 || byte === 0);
    const parsed = isWide ? parseToken(token) : undefined;
    if (parsed) found.push({ index: at, length: WIDE_LENGTH, token, publicId: printId('tok', parsed.id) });
  }
  return found;
}

/** The NUL between a line's start and the `c` that belongs to neither column: in little-endian the second half of the
 *  newline, in big-endian the first half of the `c`, which stands at an odd place. */
function halfUnit(line: number, place: number): number {
  return line > 1 || place % 2 === 1 ? 1 : 0;
}
