const SECRET_OFFSET = 27;
const OWN_FORM = /^cst_[0-9A-Za-z]{22}_[0-9A-Za-z]{49}$/;
// RFC 7515 section 7.1. An unsigned one has no third part: it is masked as a whole.
const JWT_FORM = /^[\w-]+\.[\w-]+\.([\w-]{16,})$/;
const ANY_FORM = /(cst_[0-9A-Za-z]{22}_)[0-9A-Za-z]{49}/g;
const MASK = '***';
const MASK_BYTES = Buffer.from(MASK);
const SHOWABLE_BYTES = 3;

/** Masks a secret in a stream of bytes, however the stream is cut into chunks. It holds back only what may be the start
 *  of the secret. Everything else passes unchanged, text or not. */
export class Masker {
  readonly #patterns: readonly Buffer[];
  #held: Buffer = Buffer.alloc(0);
  #shownBytes = 0;

  constructor(patterns: readonly Buffer[]) {
    this.#patterns = patterns;
  }

  /** Takes a chunk and gives what is safe to show. */
  push(chunk: Buffer): Buffer {
    return this.#run(chunk, true);
  }

  /** Gives what is held back, when the stream has gone quiet, so that a prompt shows. More than three bytes stay hidden:
   *  they are the start of the secret, not a coincidence. */
  quiet(): Buffer {
    if (this.#held.length > SHOWABLE_BYTES) return Buffer.alloc(0);
    const rest = this.#held.subarray(this.#shownBytes);
    this.#shownBytes = this.#held.length;
    return rest;
  }

  /** Gives the rest, at the end of the stream. */
  end(): Buffer {
    return this.#run(Buffer.alloc(0), false);
  }

  #run(chunk: Buffer, mayHold: boolean): Buffer {
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const shown = this.#shownBytes;
    const parts: Buffer[] = [];
    const search = new Search(this.#patterns, bytes);
    let from = 0;
    for (;;) {
      const match = search.next(from);
      const hold = mayHold ? heldFrom(this.#patterns, bytes, from) : bytes.length;
      if (match === undefined || match.from > hold) {
        parts.push(bytes.subarray(Math.min(Math.max(from, shown), hold), hold));
        this.#held = Buffer.from(bytes.subarray(hold));
        this.#shownBytes = Math.max(0, shown - hold);
        return parts.length === 1 ? (parts[0] ?? bytes) : Buffer.concat(parts);
      }
      parts.push(bytes.subarray(Math.min(Math.max(from, shown), match.from), match.from), MASK_BYTES);
      from = match.to;
    }
  }
}

/** What gives a token away in a stream: its secret part, as it is and in base64 at each of the three places where it can
 *  begin (`user:token` of HTTP Basic among them). That of a JWT is its signature, without which it proves nothing. A token
 *  of another form is masked as a whole. */
export function secretPatterns(token: string): Buffer[] {
  const secret = Buffer.from(secretPart(token));
  return [secret, ...[0, 1, 2].map((offset) => base64At(secret, offset))].filter((pattern) => pattern.length > 0);
}

/** Masks anything of token form in a text, and the given secrets in whatever form they have. */
export function maskText(text: string, ...secrets: readonly string[]): string {
  const masked = text.replace(ANY_FORM, `$1${MASK}`);
  return secrets.reduce((rest, secret) => (secret === '' ? rest : rest.replaceAll(secretPart(secret), MASK)), masked);
}

function secretPart(token: string): string {
  if (OWN_FORM.test(token)) return token.slice(SECRET_OFFSET);
  return JWT_FORM.exec(token)?.[1] ?? token;
}

/** The characters of a base64 text that depend on the secret alone, when `offset` bytes modulo 3 come before it. */
function base64At(secret: Buffer, offset: number): Buffer {
  const bytes = Buffer.concat([Buffer.alloc(offset), secret]);
  const first = Math.ceil((offset * 8) / 6);
  const end = Math.floor((bytes.length * 8) / 6);
  return Buffer.from(bytes.toString('base64').slice(first, end));
}

/** Where the rest of the bytes may be the start of a pattern: the earliest such place at or after `from`. */
function heldFrom(patterns: readonly Buffer[], bytes: Buffer, from: number): number {
  const longest = Math.max(0, ...patterns.map((pattern) => pattern.length - 1));
  for (let at = Math.max(from, bytes.length - longest); at < bytes.length; at += 1) {
    const length = bytes.length - at;
    if (patterns.some((one) => length < one.length && one.compare(bytes, at, bytes.length, 0, length) === 0)) return at;
  }
  return bytes.length;
}

/** Finds the patterns in one buffer from left to right, looking for each no more often than needed. */
class Search {
  readonly #bytes: Buffer;
  readonly #ahead: { readonly pattern: Buffer; at: number }[];

  constructor(patterns: readonly Buffer[], bytes: Buffer) {
    this.#bytes = bytes;
    this.#ahead = patterns.map((pattern) => ({ pattern, at: bytes.indexOf(pattern) }));
  }

  next(from: number): { from: number; to: number } | undefined {
    let best: { from: number; to: number } | undefined;
    for (const one of this.#ahead) {
      if (one.at >= 0 && one.at < from) one.at = this.#bytes.indexOf(one.pattern, from);
      if (one.at >= 0 && (best === undefined || one.at < best.from)) {
        best = { from: one.at, to: one.at + one.pattern.length };
      }
    }
    return best;
  }
}
