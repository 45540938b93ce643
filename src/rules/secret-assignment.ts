import { isPlaceholder, looksChosen, looksRandom } from './secret-randomness.js';

/** What the name of something secret holds, in lower case: met in any. */
export const SECRET_WORDS: readonly string[] = [
  'secret',
  'token',
  'passw',
  'passphrase',
  'pwd=',
  'pwd:',
  ...['api', 'access', 'private', 'auth', 'signing', 'encryption', 'master', 'account', 'service'].flatMap((first) =>
    ['_', '-', ''].map((joint) => `${first}${joint}key`),
  ),
  'credential',
  'bearer ',
  '_auth=',
];

/** A value that was given to a name. `index` is where it starts. */
export interface Assignment {
  readonly index: number;
  readonly name: string;
  readonly value: string;
}

const MAX_NAME = 64;
const NAME_END = /[\w.-]{0,64}/y;
// The name's own quote or bracket, a type, the sign of assignment, and the quote before the value.
const SIGN =
  /\\{0,2}["'`\]]{0,2}[ \t]{0,20}(?:: {0,2}[&'A-Za-z]{1,16} {0,2}=|:=|=>|={1,2}|:(?=[ \t\\"'`])|>)[ \t]{0,20}\\{0,2}(["'`]?)/y;
const QUOTED = /[^\s"'`\\<>]{8,512}/y;
const QUOTED_END = /["'`\\]/;
const BARE = /[^\s"'`\\<>(){}[\],;|&]{8,512}/y;
const BARE_END = /[\s"'`\\<,;|&]/;

const WORD_BORDER = /[._-]+|(?<=[a-z0-9])(?=[A-Z])/;
/** Words that say that what is named is no secret, wherever they stand in its name. */
const HARMLESS = new Set(
  'public pub publishable hash hashed sha sha1 sha256 sha512 md5 checksum digest integrity csrf xsrf tokenizer'.split(
    ' ',
  ),
);
/** And those that do so at its end: `token_url` is not a token. */
const HARMLESS_LAST = new Set(
  `id ids name names type types uri uris url urls endpoint path paths file files dir hash hashes field fields label labels
prefix suffix length size count pattern regex regexp format param params header headers class selector ref refs arn version
ttl expiry expires fingerprint thumbprint usage limit limits uuid guid commit`.split(/\s/),
);
const REFERENCE =
  /^(?:[$%@#!{&*:]|env[.:]|process\.|os\.|secrets?\.|vars?\.|vault:|ref:|arn:|data:|file:|sha\d{1,3}[-:]|md5[-:])|\$[({]|\{\{|:\/\//i;
const FILE = /^[~.]{1,2}\/|\.(?:pem|key|crt|json|ya?ml|txt|[cm]?[jt]sx?|py|rb|go|rs|java|env|sh|md)$/i;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const CODE = /^[A-Za-z_$][\w$]*\??\.[A-Za-z_$][\w$.?]*$/;

/** Reads the assignment around a secret word that stands at `at` of a text. Gives `undefined` where there is none, or where
 *  the value is a placeholder, a reference, a path, a hash, or too plain to be a secret. */
export function matchAssignment(text: string, at: number, word: string): Assignment | undefined {
  const isBearer = word === 'bearer ';
  const end = /[ =:]$/.test(word) ? at + word.length - 1 : nameEnd(text, at + word.length);
  const quote = isBearer ? '' : signAfter(text, end);
  if (quote === undefined) return undefined;
  const index = isBearer ? at + word.length : SIGN.lastIndex;
  const value = valueAt(text, index, quote !== '');
  if (value === undefined) return undefined;
  const name = text.slice(nameStart(text, at), end);
  if (name.length > MAX_NAME || isHarmless(name) || !isSecret(name, value, quote !== '')) return undefined;
  return { index, name, value };
}

function isHarmless(name: string): boolean {
  const words = name.split(WORD_BORDER).map((word) => word.toLowerCase());
  return words.some((word) => HARMLESS.has(word)) || HARMLESS_LAST.has(words.at(-1) ?? '');
}

function isSecret(name: string, value: string, isQuoted: boolean): boolean {
  if (REFERENCE.test(value) || FILE.test(value) || isPlaceholder(value)) return false;
  if (!isQuoted && CODE.test(value)) return false;
  if (UUID.test(value)) return /secret|passw|api[_-]?key/i.test(name);
  return looksRandom(value) || (/passw|pwd/i.test(name) && looksChosen(value));
}

function nameStart(text: string, at: number): number {
  let start = at;
  while (start > 0 && at - start < MAX_NAME && /[\w.-]/.test(text.charAt(start - 1)) && !isEscaped(text, start - 1)) {
    start -= 1;
  }
  return start;
}

/** Whether the letter at `at` is that of `\n` and its like, and so of no name. */
function isEscaped(text: string, at: number): boolean {
  return text.charAt(at - 1) === '\\' && /[nrt]/.test(text.charAt(at));
}

function nameEnd(text: string, from: number): number {
  NAME_END.lastIndex = from;
  NAME_END.exec(text);
  return NAME_END.lastIndex;
}

/** The quote after the sign of assignment, empty without one. */
function signAfter(text: string, at: number): string | undefined {
  SIGN.lastIndex = at;
  const sign = SIGN.exec(text);
  return sign ? (sign[1] ?? '') : undefined;
}

function valueAt(text: string, at: number, isQuoted: boolean): string | undefined {
  const form = isQuoted ? QUOTED : BARE;
  form.lastIndex = at;
  const value = form.exec(text)?.[0];
  const next = text.charAt(at + (value?.length ?? 0));
  return next === '' || (isQuoted ? QUOTED_END : BARE_END).test(next) ? value : undefined;
}
