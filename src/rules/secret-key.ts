import { MAX_SECRET_LENGTH } from './secret-forms.js';

/** What a block of a private key begins with. */
export const PRIVATE_KEY_ANCHOR = '-----BEGIN ';

const BEGIN = /-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----/y;
const DASHES = '-----';
const END_LENGTH = 60;
const BODY_BEGINNING = 2_000;
const BLANKS = /\\[nrt]|[\s"'+,`\\|]/g;
const BODY = /[A-Za-z0-9+/]{64}/;

/** A private key's block of text: PEM (RFC 7468), OpenSSH's, or PGP's. `body` is its base64 alone, however it is wrapped. */
export interface PrivateKey {
  readonly length: number;
  readonly body: string;
}

/** Reads the private key that begins at `at` of a text. Gives `undefined` for other blocks and where there is no key in
 *  it, as in documentation. */
export function matchPrivateKey(text: string, at: number): PrivateKey | undefined {
  BEGIN.lastIndex = at;
  const begin = BEGIN.exec(text)?.[0];
  if (begin === undefined) return undefined;
  const rest = text.slice(at + begin.length, at + MAX_SECRET_LENGTH);
  const end = rest.indexOf(DASHES);
  const content = end < 0 ? rest.slice(0, BODY_BEGINNING) : rest.slice(0, end);
  const body = content.replace(BLANKS, '');
  if (!BODY.test(body)) return undefined;
  const close = end < 0 ? '' : (/^-----END [A-Z0-9 ]{1,40}-----/.exec(rest.slice(end, end + END_LENGTH))?.[0] ?? '');
  return { length: begin.length + content.length + close.length, body };
}
