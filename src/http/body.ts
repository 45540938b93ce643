import { accept, type Result, refuse } from '../rules/refusal.js';

/** The largest body that is read, in bytes. */
export const MAX_BODY_BYTES = 65_536;

/** Reads a body as UTF-8 text. Refuses one of more than 64 KiB, without reading on, and one that is not UTF-8. */
export async function readText(request: Request): Promise<Result<string>> {
  if (Number(request.headers.get('content-length') ?? 0) > MAX_BODY_BYTES) return refuse({ kind: 'body_too_large' });
  if (request.body === null) return accept('');
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body) {
    length += chunk.length;
    if (length > MAX_BODY_BYTES) return refuse({ kind: 'body_too_large' });
    chunks.push(chunk);
  }
  try {
    return accept(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks)));
  } catch {
    return refuse({ kind: 'malformed_body', detail: 'the body is not UTF-8' });
  }
}

/** Reads a JSON body. Gives `undefined` for an empty one where it may be left out. */
export async function readJson(request: Request, isOptional: boolean): Promise<Result<unknown>> {
  const type = mediaType(request);
  const text = await readText(request);
  if (!text.ok) return text;
  if (text.value === '' && isOptional) return accept(undefined);
  if (type !== 'application/json') {
    return refuse({ kind: 'unsupported_media_type', detail: 'send the body as application/json' });
  }
  try {
    return accept(JSON.parse(text.value));
  } catch {
    return refuse({ kind: 'malformed_body', detail: 'the body is not JSON' });
  }
}

/** A form's fields, each once. RFC 6749 section 3.2: parameters must not be included more than once; an empty value
 *  counts as left out. */
export type Form = ReadonlyMap<string, string>;

const BAD_ESCAPE = /%(?![0-9A-Fa-f]{2})/;

/** Reads a form body. */
export async function readForm(request: Request): Promise<Result<Form>> {
  const type = mediaType(request);
  const text = await readText(request);
  if (!text.ok) return text;
  if (type !== 'application/x-www-form-urlencoded') {
    return refuse({ kind: 'unsupported_media_type', detail: 'send the body as application/x-www-form-urlencoded' });
  }
  if (BAD_ESCAPE.test(text.value)) return refuse({ kind: 'malformed_body', detail: 'the form is badly encoded' });
  const fields = new Map<string, string>();
  const names = new Set<string>();
  for (const [name, value] of new URLSearchParams(text.value)) {
    if (names.has(name)) return refuse({ kind: 'malformed_body', detail: 'a form field is repeated' });
    names.add(name);
    if (value !== '') fields.set(name, value);
  }
  return accept(fields);
}

function mediaType(request: Request): string {
  return (request.headers.get('content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}
