const MAX_PATTERN_LENGTH = 256;
// Printable ASCII without white space, quotes and backslash: what hosts, repositories, refs and environments are made of.
const PATTERN = /^[\x21\x23-\x26\x28-\x5b\x5d-\x7e]+$/;

/** Whether a text is a pattern: 1 to 256 characters, segments parted by `/`, none of them empty, `**` only as a whole
 *  segment. */
export function isGlob(text: string): boolean {
  if (text.length > MAX_PATTERN_LENGTH || !PATTERN.test(text)) return false;
  return text.split('/').every((segment) => segment !== '' && (segment === '**' || !segment.includes('**')));
}

/** Whether a pattern matches a whole value. `*` stands for any run of characters inside one segment, the empty one too,
 *  `**` for any number of segments, none too. Time grows with pattern length times value length at the most. */
export function matchesGlob(pattern: string, value: string): boolean {
  return matchesRun(pattern.split('/'), value.split('/'), matchesSegment);
}

/** Whether everything that `inner` matches is matched by `outer`. It may say no of a pair that holds (it then refuses
 *  what could have been allowed), never yes of one that does not. */
export function containsGlob(outer: string, inner: string): boolean {
  return matchesRun(outer.split('/'), inner.split('/'), containsSegment);
}

/** Each text between two wildcards at the first place where it stands: what a later place could gain the next wildcard
 *  gains too. */
function matchesSegment(pattern: string, segment: string): boolean {
  if (!pattern.includes('*')) return pattern === segment;
  const [first = '', ...rest] = pattern.split('*');
  const last = rest.pop() ?? '';
  const end = segment.length - last.length;
  let at = first.length;
  if (at > end || !segment.startsWith(first) || !segment.endsWith(last)) return false;
  for (const text of rest) {
    const found = segment.indexOf(text, at);
    if (found < 0) return false;
    at = found + text.length;
    if (at > end) return false;
  }
  return true;
}

// A wildcard of the inner pattern is read as a character that only a wildcard of the outer one takes.
function containsSegment(outer: string, inner: string): boolean {
  return inner === '**' ? false : matchesSegment(outer, inner);
}

/** The greedy two-pointer match of segments: on a mismatch only the latest `**` takes one more, because what an earlier one
 *  could gain the latest gains too. No recursion and no backtracking over earlier ones. */
function matchesRun(
  pattern: readonly string[],
  items: readonly string[],
  matchesOne: (wanted: string, found: string) => boolean,
): boolean {
  let p = 0;
  let i = 0;
  let wildcardAt = -1;
  let resumeAt = 0;
  while (i < items.length) {
    const wanted = pattern[p];
    const found = items[i] ?? '';
    if (wanted === '**') {
      wildcardAt = p;
      resumeAt = i;
      p += 1;
    } else if (wanted !== undefined && matchesOne(wanted, found)) {
      p += 1;
      i += 1;
    } else if (wildcardAt >= 0) {
      resumeAt += 1;
      i = resumeAt;
      p = wildcardAt + 1;
    } else {
      return false;
    }
  }
  while (pattern[p] === '**') p += 1;
  return p === pattern.length;
}
