import { createScanner, type OnToken, type Scanner, type Sighting } from './scan.js';
import { createLines } from './scan-lines.js';
import { narrowUtf16, utf16Of } from './scan-utf16.js';
import { MAX_SECRET_LENGTH } from './secret-forms.js';
import { findSecretsIn, OWN_KIND } from './secret-scan.js';

/** What is searched at once. Most files are smaller. */
const WINDOW_BYTES = 1024 * 1024;
/** What is kept before the undecided part: the name that a value is given to. */
const CONTEXT_BYTES = 256;
/** What has to be at hand behind a secret's first byte: all of it. */
const AHEAD_BYTES = MAX_SECRET_LENGTH + CONTEXT_BYTES;
/** A NUL in so many first bytes makes a stream binary, as git has it. */
const BINARY_BYTES = 8_000;

/** Makes a scanner of one stream for secrets of all kinds. In a binary stream it looks for tokens of this service alone.
 *  UTF-16 is read where it begins with a byte order mark. It keeps about a megabyte. */
export function createSecretScanner(onToken?: OnToken): Scanner {
  const own = createScanner(onToken);
  const lines = createLines();
  let waiting: Buffer[] = [];
  let waitingBytes = 0;
  let held: Buffer = Buffer.alloc(0);
  // Where in `held` the part begins of which nothing was said yet, and where the last secret that was told ends.
  let undecided = 0;
  let covered = 0;
  let form: 'unknown' | 'bytes' | 'utf16le' | 'utf16be' | 'binary' = 'unknown';

  const search = (last: Buffer | undefined): Sighting[] => {
    const isLast = last === undefined;
    const bytes = joined(isLast ? waiting : [...waiting, last]);
    waiting = [];
    if (form === 'unknown') form = utf16Of(bytes) ?? (bytes.subarray(0, BINARY_BYTES).includes(0) ? 'binary' : 'bytes');
    if (form === 'binary') return [];
    const isWide = form !== 'bytes';
    // Half a unit that is left over waits for its other half.
    const usable = isWide ? bytes.length - (bytes.length % 2) : bytes.length;
    if (usable < bytes.length) waiting = [Buffer.from(bytes.subarray(usable))];
    waitingBytes = bytes.length - usable;
    const piece = isWide ? narrowUtf16(bytes.subarray(0, usable), form === 'utf16be') : bytes;
    const text = held.length === 0 ? piece : Buffer.concat([held, piece]);
    const decided = isLast ? text.length : Math.max(undecided, text.length - AHEAD_BYTES);
    const sightings: Sighting[] = [];
    for (const { kind, index, length, fingerprint } of findSecretsIn(text, text.toString('latin1'))) {
      if (index < undecided || index < covered || index >= decided) continue;
      covered = index + length;
      if (kind === OWN_KIND) continue;
      const { line, offset } = lines.locate(text, index);
      sightings.push({ line, column: (isWide ? offset * 2 : offset) + 1, kind, fingerprint });
    }
    const gone = Math.max(0, decided - CONTEXT_BYTES);
    lines.advance(text.subarray(0, decided), gone);
    held = Buffer.from(text.subarray(gone));
    undecided = decided - gone;
    covered -= gone;
    return sightings;
  };

  return {
    push(piece) {
      const sightings = own.push(piece);
      if (form === 'binary') return sightings;
      if (waitingBytes + piece.length >= WINDOW_BYTES) return [...sightings, ...search(piece)];
      waiting.push(Buffer.from(piece));
      waitingBytes += piece.length;
      return sightings;
    },
    end: () => [...own.end(), ...search(undefined)],
  };
}

function joined(pieces: readonly Buffer[]): Buffer {
  const [first] = pieces;
  return pieces.length === 1 && first ? first : Buffer.concat(pieces);
}
