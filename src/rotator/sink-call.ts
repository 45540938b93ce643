import { type IncomingHttpHeaders, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP } from 'node:net';
import { SinkError, SinkTextError } from './sink.js';

/** One request to a sink's API. */
export interface SinkRequest {
  readonly url: URL;
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  /** The authorities to trust instead of the system's, as PEM. */
  readonly ca?: string | undefined;
}

export interface SinkAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

const MAX_BYTES = 4_194_304;

/** Reads the address of a sink's API. Refuses plain http to another machine, where the secret could be read on the way, and
 *  credentials, a query or a fragment in it. `origin` says where it was set. The path has no slash at its end. */
export function sinkAddress(text: string, origin: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) throw new SinkTextError(`${origin} is no https URL`);
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new SinkTextError(`${origin} must not hold a user name, a password, a query or a fragment`);
  }
  if (!isPrivateAddress(url)) {
    throw new SinkTextError(`${origin} is plain http to another machine: use https`);
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
}

/** Whether nobody on the way to an address can read what is sent there: https, or this machine. */
export function isPrivateAddress({ protocol, hostname }: URL): boolean {
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname));
}

/** A credential that a header can carry, from the environment. Its value is never in a message. */
export function credentialOf(value: string | undefined, origin: string): string {
  const text = value?.trim() ?? '';
  if (text === '') throw new SinkTextError(`${origin} is not set`);
  if (!/^[\x21-\x7e]+$/.test(text)) throw new SinkTextError(`${origin} holds what no header can carry`);
  return text;
}

/** Asks a sink's API. Redirects are answers, not followed: the credential and the secret stay where they were meant for.
 *  Throws {@link SinkError} when there is no whole answer of at most 4 MiB. `what` names the sink for people. */
export function callSink(what: string, request: SinkRequest, signal: AbortSignal): Promise<SinkAnswer> {
  return new Promise((resolve, reject) => {
    const fail = (why: string) => reject(new SinkError(`${what} ${why}`));
    const { url, method, body, ca } = request;
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const headers = { accept: 'application/json', 'accept-encoding': 'identity', ...request.headers, ...length };
    const send = url.protocol === 'https:' ? requestHttps : requestHttp;
    const outgoing = send(url, { method, headers, agent: false, signal, ...(ca === undefined ? {} : { ca }) });
    outgoing.once('error', (error: NodeJS.ErrnoException) =>
      fail(signal.aborted ? 'did not answer in time' : `cannot be reached (${error.code ?? 'it failed'})`),
    );
    outgoing.once('response', (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        size += chunk.length;
        if (size <= MAX_BYTES) return;
        outgoing.destroy();
        fail('gave an answer without an end');
      });
      response.once('error', () => fail(signal.aborted ? 'did not answer in time' : 'broke off its answer'));
      response.once('end', () => {
        if (!response.complete) fail('broke off its answer');
        const text = Buffer.concat(chunks).toString('utf8');
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
      });
    });
    outgoing.end(body);
  });
}

/** Parses the JSON of an answer; `undefined` for what is none. */
export function jsonOf(answer: SinkAnswer): unknown {
  try {
    return JSON.parse(answer.text);
  } catch {
    return undefined;
  }
}

function isLoopback(hostname: string): boolean {
  if (hostname === 'localhost' || hostname.endsWith('.localhost') || hostname === '[::1]') return true;
  return isIP(hostname) === 4 && hostname.startsWith('127.');
}
