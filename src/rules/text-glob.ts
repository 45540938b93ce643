const MAX_LENGTH = 512;
// What JSON columns cannot hold; a lone surrogate is found apart.
const NUL = '\u0000';

/** Whether a text is a pattern over free text: 1 to 512 characters, `*` for any run of characters, `\*` for a star and
 *  `\\` for a backslash. Any other backslash is refused, since a reader could not tell what it means. */
export function isTextGlob(text: string): boolean {
  if (text.length < 1 || text.length > MAX_LENGTH || text.includes(NUL) || !text.isWellFormed()) return false;
  return /^(?:[^\\]|\\[\\*])*$/u.test(text);
}

/** Whether a pattern matches a whole text. `*` stands for any run of characters, the empty one too, across `/`, blanks and
 *  line ends. Time grows with the length of the text plus that of the pattern, whatever they hold. */
export function matchesTextGlob(pattern: string, text: string): boolean {
  const [first = '', ...rest] = literalsOf(pattern);
  const last = rest.pop();
  if (last === undefined) return text === first;
  const end = text.length - last.length;
  if (end < first.length || !text.startsWith(first) || !text.endsWith(last)) return false;
  let from = first.length;
  // The leftmost place of each piece leaves the most to those after it.
  for (const piece of rest) {
    const at = indexWithin(text, piece, from, end);
    if (at === undefined) return false;
    from = at + piece.length;
  }
  return true;
}

/** The pieces of a pattern between its wildcards, as they are found in a text. One piece is a pattern without any. */
export function literalsOf(pattern: string): string[] {
  const pieces = [''];
  for (const [item] of pattern.matchAll(/\\[\s\S]|[\s\S]/g)) {
    if (item === '*') pieces.push('');
    else pieces[pieces.length - 1] += item.length === 2 ? item.charAt(1) : item;
  }
  return pieces;
}

/** The leftmost place of `piece` in `text` from `from`, ending at `end` at the latest. By Knuth, Morris and Pratt: no
 *  character of the text is looked at twice for one that was seen, which `indexOf` does not promise. */
function indexWithin(text: string, piece: string, from: number, end: number): number | undefined {
  if (piece === '') return from;
  const borders = bordersOf(piece);
  let matched = 0;
  for (let at = from; at < end; at += 1) {
    const code = text.charCodeAt(at);
    while (matched > 0 && piece.charCodeAt(matched) !== code) matched = borders[matched - 1] ?? 0;
    if (piece.charCodeAt(matched) === code) matched += 1;
    if (matched === piece.length) return at + 1 - matched;
  }
  return undefined;
}

/** For each beginning of a text, how long its longest proper beginning is that also ends it. */
function bordersOf(text: string): Uint16Array {
  const borders = new Uint16Array(text.length);
  let length = 0;
  for (let at = 1; at < text.length; at += 1) {
    while (length > 0 && text.charCodeAt(at) !== text.charCodeAt(length)) length = borders[length - 1] ?? 0;
    if (text.charCodeAt(at) === text.charCodeAt(length)) length += 1;
    borders[at] = length;
  }
  return borders;
}
