import { lookup } from 'node:dns/promises';
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { isAllowed, mayReach } from '../rules/outgoing-address.js';

/** What the service asks of an address that somebody else named. */
export interface OutgoingRequest {
  readonly url: string;
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** The longest answer that is read, in bytes. */
  readonly maxBytes: number;
}

/** What came back; or why nothing did, for the log of the operator: to the caller it would tell what is inside. */
export type OutgoingAnswer =
  | {
      readonly ok: true;
      readonly status: number;
      readonly contentType: string;
      readonly etag: string | undefined;
      readonly text: string;
    }
  | { readonly ok: false; readonly reason: string };

/** Finds the addresses of a host. */
export type Resolve = (host: string) => Promise<readonly { readonly address: string }[]>;

/** Asks other services, never one inside of the operator's own networks unless these are allowed. */
export type Outgoing = (request: OutgoingRequest) => Promise<OutgoingAnswer>;

export interface OutgoingOptions {
  /** CIDRs of private networks that may be reached, and over http too. */
  readonly allowedPrivateNetworks: readonly string[];
  readonly timeoutSeconds?: number;
  readonly resolve?: Resolve;
}

const TIMEOUT_SECONDS = 5;

/** Makes it. A host is resolved once, all of its addresses must be such as may be reached, and the connection goes to the
 *  one that was looked at: what the name says a moment later does not matter. Redirects are answers, not followed. */
export function createOutgoing({ allowedPrivateNetworks, timeoutSeconds, resolve }: OutgoingOptions): Outgoing {
  const seconds = timeoutSeconds ?? TIMEOUT_SECONDS;
  const find = resolve ?? ((host: string) => lookup(host, { all: true, verbatim: true }));
  return async (request) => {
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(), seconds * 1000);
    try {
      const url = urlOf(request.url);
      const address = await unlessAborted(controller.signal, addressOf(url, find, allowedPrivateNetworks));
      return await send(request, url, address, controller.signal);
    } catch (error) {
      if (controller.signal.aborted) return { ok: false, reason: `no whole answer within ${seconds} s` };
      return { ok: false, reason: error instanceof Error ? error.message : 'it failed' };
    } finally {
      clearTimeout(timer);
    }
  };
}

function urlOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) throw new Error('it is no http or https URL');
  if (url.username !== '' || url.password !== '') throw new Error('the URL has credentials in it');
  return url;
}

/** The address to connect to. Refuses a host of which any address may not be reached. */
async function addressOf(url: URL, resolve: Resolve, allowed: readonly string[]): Promise<string> {
  // The URL parser has made of every spelling of an IPv4 address (0x7f.1, 2130706433) the usual one.
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const found = isIP(host) === 0 ? await resolve(host) : [{ address: host }];
  const [first] = found;
  if (first === undefined) throw new Error(`${host} has no address`);
  const forbidden = found.find(({ address }) => !mayReach(address, allowed));
  if (forbidden) throw new Error(`${host} is ${forbidden.address}, which is not a public address`);
  if (url.protocol === 'http:' && !found.every(({ address }) => isAllowed(address, allowed))) {
    throw new Error('only https is used outside of the allowed private networks');
  }
  return first.address;
}

function send(request: OutgoingRequest, url: URL, address: string, signal: AbortSignal): Promise<OutgoingAnswer> {
  const family = isIP(address);
  const pinned: LookupFunction = (_host, options, done) => {
    if (options.all) done(null, [{ address, family }]);
    else done(null, address, family);
  };
  return new Promise((resolve, reject) => {
    const outgoing = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, {
      method: request.method ?? 'GET',
      headers: { accept: 'application/json', 'accept-encoding': 'identity', ...request.headers },
      lookup: pinned,
      // A connection of its own, by no proxy that the environment names.
      agent: false,
      signal,
    });
    outgoing.on('error', reject);
    outgoing.on('response', (response) => {
      response.on('error', reject);
      readText(response, request.maxBytes).then(
        (text) => resolve(answerOf(response, text)),
        (error: Error) => {
          outgoing.destroy();
          reject(error);
        },
      );
    });
    outgoing.end(request.body);
  });
}

async function readText(response: IncomingMessage, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response) {
    const bytes = Buffer.from(chunk);
    length += bytes.length;
    if (length > maxBytes) throw new Error(`the answer is longer than ${maxBytes} bytes`);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function answerOf({ headers, statusCode }: IncomingMessage, text: string): OutgoingAnswer {
  const { 'content-encoding': encoding, 'content-type': contentType, etag } = headers;
  if (encoding !== undefined && encoding !== 'identity') {
    return { ok: false, reason: 'the answer is compressed, though that was not asked for' };
  }
  return { ok: true, status: statusCode ?? 0, contentType: contentType ?? '', etag, text };
}

/** Waits no longer than the signal lets: a name may take its time to be resolved, and cannot be stopped. */
function unlessAborted<T>(signal: AbortSignal, waited: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(new Error('it took too long'));
    signal.addEventListener('abort', abort, { once: true });
    waited.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
