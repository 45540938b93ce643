import { findTokens } from './format.js';

const TOKEN_LENGTH = 76;
const NEWLINE = 0x0a;

/** Where a token stands in a stream of bytes. Lines and columns count from 1, columns in bytes. */
export interface Sighting {
  readonly line: number;
  readonly column: number;
  readonly publicId: string;
}

/** Finds tokens in a stream that comes in pieces: also those that a border between pieces cuts. */
export interface Scanner {
  push(piece: Buffer): Sighting[];
}

/** Makes a scanner for one stream. It keeps no more than the piece at hand and the 75 bytes before it. */
export function createScanner(): Scanner {
  let tail: Buffer = Buffer.alloc(0);
  let line = 1;
  // Where the current line starts, counted from the start of the text at hand; before it when negative.
  let lineStart = 0;

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
      // A token that starts in the tail: the lines of the tail are counted already, and no token spans a line.
      for (const { index, publicId } of text.includes('cst_') ? findTokens(text.toString('latin1')) : []) {
        countTo(index);
        sightings.push({ line, column: index - lineStart + 1, publicId });
      }
      countTo(text.length);
      const kept = Math.min(text.length, TOKEN_LENGTH - 1);
      lineStart -= text.length - kept;
      tail = Buffer.from(text.subarray(text.length - kept));
      return sightings;
    },
  };
}
