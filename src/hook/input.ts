import type { Readable } from 'node:stream';

/** The largest event that is read, in bytes. */
export const MOST_EVENT_BYTES = 4 * 1024 * 1024;

/** An event as it came, with nothing known but that it is an object; or why it is none. */
export type Read =
  | { readonly ok: true; readonly event: Readonly<Record<string, unknown>> }
  | { readonly ok: false; readonly detail: string };

/** Reads one JSON object to the end of the stream. What is too large is read to its end as well, and dropped: the writer
 *  must be able to write all of it. */
export async function readEvent(stream: Readable): Promise<Read> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream) {
    const bytes = Buffer.from(chunk);
    length += bytes.length;
    if (length <= MOST_EVENT_BYTES) chunks.push(bytes);
    else chunks.length = 0;
  }
  if (length > MOST_EVENT_BYTES) return { ok: false, detail: `the event is longer than ${MOST_EVENT_BYTES} bytes` };
  if (length === 0) return { ok: false, detail: 'the agent gave the hook no event' };
  return parseEventText(Buffer.concat(chunks));
}

function parseEventText(bytes: Buffer): Read {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (isObject(value)) return { ok: true, event: value };
    return { ok: false, detail: 'the event is not a JSON object' };
  } catch {
    return { ok: false, detail: 'the event is not JSON in UTF-8' };
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
