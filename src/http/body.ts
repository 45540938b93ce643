import { accept, type Result, refuse } from '../rules/refusal.js';
import type { Exchange } from './exchange.js';

/** The largest body that is read where nothing else is said, in bytes. */
export const MAX_BODY_BYTES = 65_536;

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** Gathers a body piece by piece. `add` gives false once there is too much. */
export function bodyReader(maxBytes: number): { add(piece: Uint8Array): boolean; text(): Result<string> } {
  const pieces: Uint8Array[] = [];
  let length = 0;
  return {
    add(piece) {
      length += piece.length;
      if (length > maxBytes) return false;
      pieces.push(piece);
      return true;
    },
    text() {
      if (length > maxBytes) return refuse({ kind: 'body_too_large', maxBytes });
      const [first] = pieces;
      if (first === undefined) return accept('');
      try {
        return accept(UTF8.decode(pieces.length === 1 ? first : Buffer.concat(pieces)));
      } catch {
        return refuse({ kind: 'malformed_body', detail: 'the body is not UTF-8' });
      }
    },
  };
}

/** Reads a JSON body, also one that calls itself by `alsoAs`. Gives `undefined` for an empty one where it may be left out. */
export async function readJson(
  exchange: Exchange,
  isOptional: boolean,
  alsoAs?: string,
  maxBytes?: number,
): Promise<Result<unknown>> {
  const text = await exchange.readText(maxBytes);
  if (!text.ok) return text;
  if (text.value === '' && isOptional) return accept(undefined);
  return parseJson(exchange, text.value, alsoAs);
}

/** Reads a body that was read as text as JSON. */
export function parseJson(exchange: Exchange, text: string, alsoAs?: string): Result<unknown> {
  const type = mediaType(exchange);
  if (type !== 'application/json' && (type === undefined || type !== alsoAs)) {
    const types = ['application/json', ...(alsoAs === undefined ? [] : [alsoAs])].join(' or ');
    return refuse({ kind: 'unsupported_media_type', detail: `send the body as ${types}` });
  }
  try {
    return accept(JSON.parse(text));
  } catch {
    return refuse({ kind: 'malformed_body', detail: 'the body is not JSON' });
  }
}

/** A form's fields, each once. RFC 6749 section 3.2: parameters must not be included more than once; an empty value
 *  counts as left out. */
export type Form = Readonly<Record<string, string>>;

const FORM_TYPE = 'application/x-www-form-urlencoded';
const BAD_ESCAPE = /%(?![0-9A-Fa-f]{2})/;
// A form of nothing but a token, as it comes nearly always. It needs no decoding.
const TOKEN_ALONE = /^token=([A-Za-z0-9_]+)$/;

/** Reads a form body. */
export async function readForm(exchange: Exchange): Promise<Result<Form>> {
  const text = await exchange.readText();
  return text.ok ? parseForm(exchange, text.value) : text;
}

function parseForm(exchange: Exchange, text: string): Result<Form> {
  if (mediaType(exchange) !== FORM_TYPE) {
    return refuse({ kind: 'unsupported_media_type', detail: `send the body as ${FORM_TYPE}` });
  }
  const alone = TOKEN_ALONE.exec(text)?.[1];
  if (alone !== undefined) return accept({ token: alone });
  if (BAD_ESCAPE.test(text)) return refuse({ kind: 'malformed_body', detail: 'the form is badly encoded' });
  const fields = new Map<string, string>();
  const names = new Set<string>();
  for (const [name, value] of new URLSearchParams(text)) {
    if (names.has(name)) return refuse({ kind: 'malformed_body', detail: 'a form field is repeated' });
    names.add(name);
    if (value !== '') fields.set(name, value);
  }
  return accept(Object.fromEntries(fields));
}

function mediaType(exchange: Exchange): string | undefined {
  const type = exchange.header('content-type');
  if (type === FORM_TYPE || type === 'application/json') return type;
  return type?.split(';', 1)[0]?.trim().toLowerCase();
}
