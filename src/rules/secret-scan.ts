import { parseToken, printId } from './format.js';
import { createAnchorSearch } from './secret-anchors.js';
import { matchAssignment, SECRET_WORDS } from './secret-assignment.js';
import { fingerprint, guessableFingerprint } from './secret-fingerprint.js';
import { matchForm, SECRET_FORMS } from './secret-forms.js';
import { matchPrivateKey, PRIVATE_KEY_ANCHOR } from './secret-key.js';
import { matchUrlPassword, URL_ANCHORS } from './secret-url.js';

/** A secret in a text, without its value. `index` and `length` count UTF-16 units. The fingerprint names it: 32 hex digits
 *  that are the same wherever it stands and do not lead back to it. */
export interface FoundSecret {
  readonly kind: string;
  readonly index: number;
  readonly length: number;
  readonly fingerprint: string;
  /** Of a token of this service: its public id. */
  readonly publicId?: string;
}

export const OWN_KIND = 'countersign-token';
const OWN_LENGTH = 76;

/** The kinds of secrets that are looked for, with what each is for people. */
export const SECRET_KINDS: ReadonlyMap<string, string> = new Map([
  [OWN_KIND, 'a Countersign token'],
  ...SECRET_FORMS.map(({ kind, title }) => [kind, title] as const),
  ['private-key', 'a private key'],
  ['url-password', 'a password in a URL'],
  ['aws-secret-key', 'an AWS secret access key'],
  ['assigned-secret', 'a value that a secret name is given'],
]);

type Match = (text: string, at: number) => FoundSecret | undefined;

const LITERALS: readonly (readonly [string, Match])[] = [
  ['cst_', ownTokenAt],
  ...SECRET_FORMS.flatMap((form) =>
    form.anchors.map((anchor): [string, Match] => [
      anchor,
      (text, at) => {
        const found = matchForm(form, text, at);
        return found && told(form.kind, found.index, found.value.length, fingerprint(form.kind, found.value));
      },
    ]),
  ),
  [PRIVATE_KEY_ANCHOR, privateKeyAt],
  ...URL_ANCHORS.map((anchor): [string, Match] => [anchor, urlPasswordAt]),
];
const WORDS = SECRET_WORDS.map((word): [string, Match] => [word, (text, at) => assignmentAt(text, at, word)]);
const MATCHES = [...LITERALS, ...WORDS].map(([, match]) => match);
const searchAnchors = createAnchorSearch(
  LITERALS.map(([anchor]) => anchor),
  SECRET_WORDS,
);

/** Finds secrets in a text: tokens of this service by their checksum, the forms of common providers, private keys, passwords
 *  in URLs, and random values that a name such as `api_key` is given. In order, none over another. Linear in the text;
 *  text without candidates costs little. */
export function findSecrets(text: string): FoundSecret[] {
  // The low byte of each unit: what an anchor finds in it is matched against the text itself.
  return findSecretsIn(Buffer.from(text, 'latin1'), text);
}

/** As {@link findSecrets}, for bytes that are at hand beside their text: one byte a unit. */
export function findSecretsIn(bytes: Uint8Array, text: string): FoundSecret[] {
  const found: FoundSecret[] = [];
  searchAnchors(bytes, (at, anchor) => {
    const secret = MATCHES[anchor]?.(text, at);
    if (secret) found.push(secret);
  });
  return withoutOverlaps(found);
}

function told(kind: string, index: number, length: number, name: string): FoundSecret {
  return { kind, index, length, fingerprint: name };
}

function ownTokenAt(text: string, at: number): FoundSecret | undefined {
  const token = text.slice(at, at + OWN_LENGTH);
  const parsed = parseToken(token);
  if (!parsed) return undefined;
  return { ...told(OWN_KIND, at, OWN_LENGTH, fingerprint(OWN_KIND, token)), publicId: printId('tok', parsed.id) };
}

function privateKeyAt(text: string, at: number): FoundSecret | undefined {
  const key = matchPrivateKey(text, at);
  return key && told('private-key', at, key.length, fingerprint('private-key', key.body));
}

function urlPasswordAt(text: string, at: number): FoundSecret | undefined {
  const found = matchUrlPassword(text, at);
  if (!found) return undefined;
  const { index, owner, value } = found;
  return told('url-password', index, value.length, guessableFingerprint('url-password', owner, value));
}

function assignmentAt(text: string, at: number, word: string): FoundSecret | undefined {
  const found = matchAssignment(text, at, word);
  if (!found) return undefined;
  const { index, name, value } = found;
  if (/^[0-9A-Za-z/+]{40}$/.test(value) && /aws|secret_?access_?key/i.test(name)) {
    return told('aws-secret-key', index, value.length, fingerprint('aws-secret-key', value));
  }
  const owner = name.toLowerCase();
  return told('assigned-secret', index, value.length, guessableFingerprint('assigned-secret', owner, value));
}

const RANKS = new Map([...SECRET_KINDS.keys()].map((kind, rank) => [kind, rank]));

/** Of secrets that share characters, the one of the kind that says most. */
function withoutOverlaps(found: readonly FoundSecret[]): FoundSecret[] {
  const kept: FoundSecret[] = [];
  for (const secret of [...found].sort((a, b) => a.index - b.index || rank(a) - rank(b))) {
    const last = kept.at(-1);
    const isApart = last === undefined || secret.index >= last.index + last.length;
    // Two tokens may share characters: the end of one is the `cst` of the next.
    const areOwn = secret.kind === OWN_KIND && last?.kind === OWN_KIND;
    if (isApart || areOwn) kept.push(secret);
    else if (rank(secret) < rank(last)) kept[kept.length - 1] = secret;
  }
  return kept;
}

function rank({ kind }: FoundSecret): number {
  return RANKS.get(kind) ?? RANKS.size;
}
