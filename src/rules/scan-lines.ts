const NEWLINE = 0x0a;

/** Counts the lines of a stream whose text comes in pieces. */
export interface Lines {
  /** The line, from 1, and how many bytes behind its start `at` stands in the text at hand. Never asked backwards. */
  locate(text: Buffer, at: number): { readonly line: number; readonly offset: number };
  /** Says that the first `bytes` of the text at hand are let go, once all of it was counted. */
  advance(text: Buffer, bytes: number): void;
}

/** Makes a count that stands at the start of a stream. */
export function createLines(): Lines {
  let line = 1;
  // Both counted from the start of the text at hand, which moves on; the start of the line may be before it.
  let lineStart = 0;
  let counted = 0;
  const countTo = (text: Buffer, end: number) => {
    for (let at = text.indexOf(NEWLINE, counted); at >= 0 && at < end; at = text.indexOf(NEWLINE, at + 1)) {
      line += 1;
      lineStart = at + 1;
    }
    counted = Math.max(counted, end);
  };
  return {
    locate: (text, at) => {
      countTo(text, at);
      return { line, offset: at - lineStart };
    },
    advance: (text, bytes) => {
      countTo(text, text.length);
      lineStart -= bytes;
      counted -= bytes;
    },
  };
}
