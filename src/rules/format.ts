import { randomFillSync } from 'node:crypto';
import { xxh32 } from '@node-rs/xxhash';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const ID_WIDTH = 22;
const SECRET_WIDTH = 43;
const CHECKSUM_WIDTH = 6;
/** How long a printed token is, in characters. */
export const TOKEN_LENGTH = 76;
const MAX_ID = 2n ** 128n - 1n;

declare const brand: unique symbol;
type Brand<Name extends string> = string & { readonly [brand]: Name };

/** The UUIDs behind the public ids, in their canonical lower-case form. A branded id is never invented from a string:
 *  it comes from {@link newId}, {@link parsePublicId} or a database row. */
export type TokenId = Brand<'tok'>;
export type WorkspaceId = Brand<'ws'>;
export type MemberId = Brand<'mem'>;
export type WorkflowId = Brand<'wfl'>;
export type CheckId = Brand<'chk'>;
export type EventId = Brand<'evt'>;
export type RunnerId = Brand<'rnr'>;
export type EnrolmentId = Brand<'enr'>;
export type ToolDecisionId = Brand<'dec'>;
export type SessionId = Brand<'ses'>;
export type DeviceId = Brand<'dvc'>;
export type PasskeyId = Brand<'pky'>;
export type StepUpId = Brand<'stp'>;
export type TrustRuleId = Brand<'trl'>;
export type IncidentId = Brand<'inc'>;
export type WebhookId = Brand<'whk'>;
export type DeliveryId = Brand<'dlv'>;

type Ids = {
  tok: TokenId;
  ws: WorkspaceId;
  mem: MemberId;
  wfl: WorkflowId;
  chk: CheckId;
  /** A run is its check: the same UUID. */
  run: CheckId;
  evt: EventId;
  rnr: RunnerId;
  enr: EnrolmentId;
  dec: ToolDecisionId;
  ses: SessionId;
  dvc: DeviceId;
  pky: PasskeyId;
  stp: StepUpId;
  trl: TrustRuleId;
  inc: IncidentId;
  whk: WebhookId;
  dlv: DeliveryId;
};
export type IdPrefix = keyof Ids;

/** The 43 base62 characters that prove who holds a token: 256 random bits. Never stored, never logged. */
export type TokenSecret = Brand<'secret'>;

export interface ParsedToken {
  readonly id: TokenId;
  readonly tokenSecret: TokenSecret;
}

/** Where a token stands in a text: `index` counts UTF-16 units from 0. */
export interface FoundToken {
  readonly index: number;
  readonly publicId: string;
}

/** The printed form of any token, without its checksum's truth. Tokens that share characters (the end of one is the
 *  `cst` of the next) are one match, so that `replace` leaves no half of one behind. Global. */
export const TOKEN_FORM = /cst(?:_[0-9A-Za-z]{22}_[0-9A-Za-z]{49})+/g;
const WHOLE_TOKEN = /^cst_([0-9A-Za-z]{22})_([0-9A-Za-z]{43})([0-9A-Za-z]{6})$/;

/** Writes a number in base62, most significant digit first, left-padded with `0` to `width` characters. */
export function encodeBase62(value: bigint, width: number): string {
  let rest = value;
  let text = '';
  while (rest >= PIECE_BASE) {
    text = digits(Number(rest % PIECE_BASE), PIECE_WIDTH) + text;
    rest /= PIECE_BASE;
  }
  return digits(Number(rest), width - text.length) + text;
}

/** Reads base62 digits. Gives `undefined` for any other character. */
export function decodeBase62(text: string): bigint | undefined {
  let value = 0n;
  for (let at = 0; at < text.length; ) {
    // The first piece is the short one.
    const end = at + (at === 0 ? text.length % PIECE_WIDTH || PIECE_WIDTH : PIECE_WIDTH);
    let piece = 0;
    for (; at < end; at += 1) {
      const digit = DIGITS[text.charCodeAt(at)] ?? -1;
      if (digit < 0) return undefined;
      piece = piece * 62 + digit;
    }
    value = value * PIECE_BASE + BigInt(piece);
  }
  return value;
}

// Eight digits fit a double, so that only every eighth step needs a bigint.
const PIECE_WIDTH = 8;
const PIECE_BASE = 62n ** 8n;
const DIGITS = Int8Array.from({ length: 128 }, (_, code) => ALPHABET.indexOf(String.fromCharCode(code)));

const PAIRS = Array.from({ length: 62 * 62 }, (_, pair) => ALPHABET.charAt(pair / 62) + ALPHABET.charAt(pair % 62));

/** Two digits at a time. `width` is never less than the digits of the value. */
function digits(value: number, width: number): string {
  let rest = value;
  let text = '';
  for (let left = width; left > 0; left -= 2) {
    // Not by `%`, which is slow beyond 32 bits.
    const above = Math.floor(rest / PAIRS.length);
    text = `${PAIRS[rest - above * PAIRS.length]}${text}`;
    rest = above;
  }
  return width % 2 === 0 ? text : text.slice(1);
}

const MAX_SECRET = encodeBase62(2n ** 256n - 1n, SECRET_WIDTH);

/** XXH32 (seed 0) of everything before the checksum. It tells a token from noise offline; it proves nothing. */
function checksum(body: string): string {
  return digits(xxh32(body, 0), CHECKSUM_WIDTH);
}

/** Prints a token in the form that its holder sees once: `cst_<id>_<secret><checksum>`. */
export function printToken(token: ParsedToken): string {
  const body = `cst_${encodeUuid(token.id)}_${token.tokenSecret}`;
  return body + checksum(body);
}

/** Parses a printed token. Gives `undefined` for anything malformed: a wrong length, alphabet or checksum, or a value
 *  that does not fit its width. What it accepts may still not exist: only the secret decides that. */
export function parseToken(text: string): ParsedToken | undefined {
  const parts = WHOLE_TOKEN.exec(text);
  const [, idText, secretText, sum] = parts ?? [];
  if (idText === undefined || secretText === undefined || sum !== checksum(text.slice(0, -CHECKSUM_WIDTH))) {
    return undefined;
  }
  const id = decodeUuid(idText);
  // Of one width and in the alphabet's order, which is ASCII's too, texts compare like their values.
  if (id === undefined || secretText > MAX_SECRET) return undefined;
  return { id: id as TokenId, tokenSecret: secretText as TokenSecret };
}

/** Finds well-formed tokens with a true checksum in a text, also where base62 characters touch them on either side. */
export function findTokens(text: string): FoundToken[] {
  const found: FoundToken[] = [];
  for (let at = text.indexOf('cst_'); at >= 0; at = text.indexOf('cst_', at + 1)) {
    const token = parseToken(text.slice(at, at + TOKEN_LENGTH));
    if (token) found.push({ index: at, publicId: printId('tok', token.id) });
  }
  return found;
}

/** Draws a new token secret from the operating system's generator. */
export function newTokenSecret(): TokenSecret {
  const bytes = randomFillSync(Buffer.alloc(32));
  return encodeBase62(BigInt(`0x${bytes.toString('hex')}`), SECRET_WIDTH) as TokenSecret;
}

/** Makes a UUID v7 (RFC 9562 section 5.7): ids made later sort later, to the millisecond. */
export function newId<P extends IdPrefix>(_prefix: P, now: Date): Ids[P] {
  const bytes = randomFillSync(Buffer.alloc(16));
  bytes.writeUIntBE(now.getTime(), 0, 6);
  bytes[6] = 0x70 | ((bytes[6] ?? 0) & 0x0f);
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
  return formatUuid(bytes.toString('hex')) as Ids[P];
}

/** The smallest UUID v7 of an instant: a bound for ranges over ids. */
export function idFloor<P extends IdPrefix>(_prefix: P, at: Date): Ids[P] {
  return formatUuid(`${at.getTime().toString(16).padStart(12, '0')}${'0'.repeat(20)}`) as Ids[P];
}

/** Prints an id for the outside: `tok_` and 22 base62 characters. */
export function printId<P extends IdPrefix>(prefix: P, id: Ids[P]): string {
  return `${prefix}_${encodeUuid(id)}`;
}

const MAX_REMEMBERED_IDS = 10_000;
const remembered = new Map<string, string>();

/** The same as {@link printId}, for the ids that are printed all day: it remembers the latest of them. */
export function printBusyId<P extends IdPrefix>(prefix: P, id: Ids[P]): string {
  const known = remembered.get(id);
  if (known?.startsWith(prefix)) return known;
  const printed = printId(prefix, id);
  if (remembered.size >= MAX_REMEMBERED_IDS) remembered.clear();
  remembered.set(id, printed);
  return printed;
}

/** Parses a public id of the given kind. Gives `undefined` for another kind or a malformed one. */
export function parsePublicId<P extends IdPrefix>(prefix: P, text: string): Ids[P] | undefined {
  const rest = text.startsWith(`${prefix}_`) ? text.slice(prefix.length + 1) : '';
  return rest.length === ID_WIDTH ? (decodeUuid(rest) as Ids[P] | undefined) : undefined;
}

function encodeUuid(uuid: string): string {
  return encodeBase62(BigInt(`0x${uuid.replaceAll('-', '')}`), ID_WIDTH);
}

function decodeUuid(text: string): string | undefined {
  const value = decodeBase62(text);
  if (value === undefined || value > MAX_ID) return undefined;
  return formatUuid(value.toString(16).padStart(32, '0'));
}

function formatUuid(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
