import { IdTokenError, idTokenIn, MOST_ID_TOKEN_INPUT_BYTES } from './id-token.js';

/** What GitHub Actions gives a job with `permissions: id-token: write`. */
export interface GitHubIdentity {
  readonly requestUrl: URL;
  /** A secret: for hours it gives tokens for any audience. */
  readonly requestToken: string;
  readonly timeoutSeconds: number | undefined;
}

const DEFAULT_TIMEOUT_SECONDS = 10;

/** Asks GitHub Actions for a token for an audience, over https or on this machine, and follows no redirect: the request
 *  token is for nobody else. Throws {@link IdTokenError}. */
export async function takeGitHubIdToken(identity: GitHubIdentity, audience: string): Promise<string> {
  const { requestUrl, requestToken, timeoutSeconds = DEFAULT_TIMEOUT_SECONDS } = identity;
  const where = `the token endpoint of GitHub Actions (${requestUrl.origin})`;
  const url = `${requestUrl.href}${requestUrl.href.includes('?') ? '&' : '?'}audience=${encodeURIComponent(audience)}`;
  const late = new AbortController();
  const timer = setTimeout(
    () => late.abort(new DOMException('it took too long', 'TimeoutError')),
    timeoutSeconds * 1000,
  );
  try {
    const headers = { accept: 'application/json; api-version=2.0', authorization: `Bearer ${requestToken}` };
    const response = await fetch(url, { headers, redirect: 'manual', signal: late.signal });
    if (!response.ok) {
      await response.body?.cancel();
      throw new IdTokenError(`${where} answered with ${response.status}`);
    }
    return idTokenIn(tokenField(await textOf(response, where), where), `what ${where} gave`);
  } catch (error) {
    if (error instanceof IdTokenError) throw error;
    throw new IdTokenError(
      late.signal.aborted ? `${where} gave no token within ${timeoutSeconds} s` : lostText(where, error),
    );
  } finally {
    clearTimeout(timer);
  }
}

async function textOf(response: Response, where: string): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > MOST_ID_TOKEN_INPUT_BYTES) throw new IdTokenError(`${where} gave more than a token`);
  }
  return text + decoder.decode();
}

function tokenField(text: string, where: string): string {
  try {
    const answer: unknown = JSON.parse(text);
    const value: unknown = typeof answer === 'object' && answer !== null ? Reflect.get(answer, 'value') : undefined;
    if (typeof value === 'string') return value;
  } catch {
    // Not JSON: as little a token as JSON without one.
  }
  throw new IdTokenError(`${where} answered with something that is no token`);
}

function lostText(where: string, error: unknown): string {
  // fetch hides what happened in `cause`; an attempt at several addresses has a code and no message.
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  const code: unknown = cause instanceof Error ? Reflect.get(cause, 'code') : undefined;
  return `${where} cannot be asked: ${(cause instanceof Error ? cause.message : String(cause)) || String(code)}`;
}
