import { findTokens, parseToken, printId } from './format.js';

const TOKEN_LENGTH = 76;
/** A token in UTF-16 without the half of its first or last unit that may be cut off: 76 characters, 75 NULs between. */
const WIDE_LENGTH = 2 * TOKEN_LENGTH - 1;
const WIDE_START = 'c\0s\0t\0_';
const NEWLINE = 0x0a;

/** Where a token stands in a stream of bytes. Lines and columns count from 1, columns in bytes. */
export interface Sighting {
  readonly line: number;
  readonly column: number;
  readonly publicId: string;
}

/** Finds tokens in a stream that comes in pieces, one byte a character or UTF-16 of either order: also those that a
 *  border between pieces cuts. */
export interface Scanner {
  push(piece: Buffer): Sighting[];
}

/** A token in the text at hand: where its `c` stands, and how many bytes later it ends. */
interface Found {
  readonly index: number;
  readonly length: number;
  readonly publicId: string;
}

/** Makes a scanner for one stream. It keeps no more than the piece at hand and the 150 bytes before it. */
export function createScanner(): Scanner {
  let tail: Buffer = Buffer.alloc(0);
  let line = 1;
  // Where the current line starts, counted from the start of the text at hand; before it when negative.
  let lineStart = 0;
  // Where the text at hand starts in the stream.
  let start = 0;

  return {
    push(piece) {
      const text = tail.length === 0 ? piece : Buffer.concat([tail, piece]);
      const sightings: Sighting[] = [];
      let counted = tail.length;
      const countTo = (end: number) => {
        for (let at = text.indexOf(NEWLINE, counted); at >= 0 && at < end; at = text.indexOf(NEWLINE, at + 1)) {
          line += 1;
          lineStart = at + 1;
        }
        counted = Math.max(counted, end);
      };
      const found = [...narrowTokens(text), ...wideTokens(text)].sort((a, b) => a.index - b.index);
      for (const { index, length, publicId } of found) {
        // What ends in the tail was told with the piece before. What starts there: its lines are counted, and no token
        // spans a line.
        if (index + length <= tail.length) continue;
        countTo(index);
        const isWide = length === WIDE_LENGTH;
        sightings.push({
          line,
          column: index - lineStart + 1 - (isWide ? halfUnit(line, start + index) : 0),
          publicId,
        });
      }
      countTo(text.length);
      const kept = Math.min(text.length, WIDE_LENGTH - 1);
      lineStart -= text.length - kept;
      start += text.length - kept;
      tail = Buffer.from(text.subarray(text.length - kept));
      return sightings;
    },
  };
}

function narrowTokens(text: Buffer): Found[] {
  if (!text.includes('cst_')) return [];
  return findTokens(text.toString('latin1')).map((token) => ({ ...token, length: TOKEN_LENGTH }));
}

function wideTokens(text: Buffer): Found[] {
  const found: Found[] = [];
  for (let at = text.indexOf(WIDE_START); at >= 0; at = text.indexOf(WIDE_START, at + 1)) {
    const bytes = text.subarray(at, at + WIDE_LENGTH);
    const characters = String.fromCharCode(...bytes.filter((_, place) => place % 2 === 0));
    const isWide = bytes.every((byte, place) => place % 2 === 0 || byte === 0);
    const token = isWide ? parseToken(characters) : undefined;
    if (token) found.push({ index: at, length: WIDE_LENGTH, publicId: printId('tok', token.id) });
  }
  return found;
}

/** The NUL between a line's start and the `c` that belongs to neither column: in little-endian the second half of the
 *  newline, in big-endian the first half of the `c`, which stands at an odd place. */
function halfUnit(line: number, place: number): number {
  return line > 1 || place % 2 === 1 ? 1 : 0;
}
