import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { chosenWorkspace } from './chosen-workspace.js';
import { printable } from './printable.js';
import { UsageError } from './usage-error.js';

type Environment = Readonly<Record<string, string | undefined>>;

const DEFAULT_URL = 'http://127.0.0.1:8787';
// What a header can carry. Anything else would make fetch fail with the value in its message.
const HEADER_SAFE = /^[\x21-\x7e]+$/;

/** Where a command's token comes from, in the words of a person. */
type TokenSource = 'COUNTERSIGN_TOKEN' | 'COUNTERSIGN_TOKEN_FILE' | 'the stored login';

/** Which service to talk to, and as whom. */
export interface Connection {
  readonly url: string;
  readonly token: string | undefined;
  readonly source: TokenSource | undefined;
}

/** A command needs a token and there is none. Exit code 77. */
export class NotSignedInError extends Error {
  override readonly name = 'NotSignedInError';
}

/** Finds the service and the token: environment before stored login before default. Refuses two tokens at once, an empty
 *  one, and a plain http URL that is not on this machine. */
export async function readConnection(env: Environment = process.env): Promise<Connection> {
  const own = await environmentToken(env);
  const chosen = chosenWorkspace(env);
  if (own && chosen.isFlag) {
    throw new UsageError(`${own.source} is set, and decides about the workspace: unset it, or leave --workspace out`);
  }
  const isAsked = env['COUNTERSIGN_URL'] !== undefined;
  if (own && isAsked) return { url: await readServiceUrl(env), ...own };
  const { loginFor, readLogins } = await import('./login-file.js');
  const stored = await readLogins(env);
  const url = isAsked ? await readServiceUrl(env) : serviceUrl(stored.current ?? DEFAULT_URL, 'the stored login');
  if (own) return { url, ...own };
  const token = loginFor(stored, url, chosen.slug)?.token;
  return { url, token, source: token === undefined ? undefined : 'the stored login' };
}

/** As {@link readConnection}, for a command that cannot do without a token. */
export async function readSignedIn(env: Environment = process.env): Promise<Connection & { readonly token: string }> {
  const { url, token, source } = await readConnection(env);
  if (token === undefined) throw new NotSignedInError(await whyNoToken(env, url));
  return { url, token, source };
}

async function whyNoToken(env: Environment, url: string): Promise<string> {
  const { readLogins, workspacesAt } = await import('./login-file.js');
  const known = workspacesAt(await readLogins(env), url);
  const { slug } = chosenWorkspace(env);
  const wanted = slug === undefined ? '' : ` and the workspace ${printable(slug)}`;
  const others =
    known.length === 0 ? '' : `; there is one for ${known.map(printable).join(', ')}: name it with --workspace`;
  return `there is no token for ${url}${wanted}${others}`;
}

/** Finds the service alone, for a command that brings its own token. */
export async function readServiceUrl(env: Environment = process.env): Promise<string> {
  const asked = env['COUNTERSIGN_URL'];
  if (asked !== undefined) return serviceUrl(asked, 'COUNTERSIGN_URL');
  const { readLogins } = await import('./login-file.js');
  return serviceUrl((await readLogins(env)).current ?? DEFAULT_URL, 'the stored login');
}

/** Finds the service for a job whose token is exchanged for. Refuses a stored token beside that: which one the job ran
 *  with would be anybody's guess. An empty variable holds none. */
export async function readFederatedUrl(env: Environment = process.env): Promise<string> {
  const stored = ['COUNTERSIGN_TOKEN', 'COUNTERSIGN_TOKEN_FILE'].find(
    (name) => env[name] !== undefined && env[name] !== '',
  );
  if (stored !== undefined) {
    throw new UsageError(`${stored} is set, and --federated gets the job a token of its own: keep one`);
  }
  return await readServiceUrl(env);
}

/** Checks a service's URL and gives it without a slash at its end. `origin` names where it was set. */
function serviceUrl(text: string, origin: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw new UsageError(`${origin} is not an http or https URL`);
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new UsageError(`the URL in ${origin} must not hold a user name, a password, a query or a fragment`);
  }
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    throw new UsageError(
      `${printable(url.origin)} (${origin}) is plain http to another machine, where a token could be read on the way: use https`,
    );
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
}

function isLoopback(hostname: string): boolean {
  if (hostname === 'localhost' || hostname.endsWith('.localhost') || hostname === '[::1]') return true;
  return isIP(hostname) === 4 && hostname.startsWith('127.');
}

async function environmentToken(env: Environment): Promise<{ token: string; source: TokenSource } | undefined> {
  const value = env['COUNTERSIGN_TOKEN'];
  const path = env['COUNTERSIGN_TOKEN_FILE'];
  if (value !== undefined && path !== undefined) {
    throw new UsageError('COUNTERSIGN_TOKEN and COUNTERSIGN_TOKEN_FILE are both set: keep one');
  }
  if (value !== undefined) return { token: cleanToken(value, 'COUNTERSIGN_TOKEN'), source: 'COUNTERSIGN_TOKEN' };
  if (path === undefined) return undefined;
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`COUNTERSIGN_TOKEN_FILE names ${printable(path)}, which cannot be read (${error.code})`);
  });
  return { token: cleanToken(text, `the file in COUNTERSIGN_TOKEN_FILE`), source: 'COUNTERSIGN_TOKEN_FILE' };
}

/** Checks that a text can be sent as a token, and gives it without the white space around it. Its value is never in the
 *  message. */
export function cleanToken(text: string, origin: string): string {
  const token = text.trim();
  if (token === '') throw new UsageError(`${origin} is empty: the secret behind it is missing or was not handed on`);
  if (!HEADER_SAFE.test(token)) throw new UsageError(`${origin} does not hold a token: one word of 76 characters`);
  return token;
}
