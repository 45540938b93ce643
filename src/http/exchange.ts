import type { Result } from '../rules/refusal.js';

/** A request as the endpoints see it, whatever carried it: what was sent, from where, when. */
export interface Exchange {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** The query with its `?`, or an empty text. */
  readonly search: string;
  readonly params: Readonly<Record<string, string>>;
  readonly ip: string | undefined;
  readonly requestId: string;
  /** When the request arrived. */
  readonly now: Date;
  /** Aborted when the caller goes away. */
  signal(): AbortSignal;
  /** A header by its lower-case name. */
  header(name: string): string | undefined;
  /** Reads the body as UTF-8, once. Refuses one of more than `maxBytes` (64 KiB unless said), without reading on, and one
   *  that is not UTF-8. */
  readText(maxBytes?: number): Promise<Result<string>>;
}

/** What is answered. Header names are lower-case. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Values of `Set-Cookie`, one for each. RFC 6265 section 3. */
  readonly cookies?: readonly string[];
  readonly body?: string | ReadableStream<Uint8Array>;
}
