import { UnreachableError } from './errors.js';

const LOST = /^(ECONNRESET|ECONNABORTED|EPIPE|ETIMEDOUT|UND_ERR_\w+)$/;
const NOT_HTTP = /^HPE_/;

/** Says what became of a call that `fetch`, or the reading of its answer, failed with: nobody was there, nobody answered
 *  in time, or the connection was lost, and then what was asked may have been done. The text holds no header, so that no
 *  token is in it. */
export function unreachable(url: string, timeoutSeconds: number, error: unknown): UnreachableError {
  return new UnreachableError(textOf(url, timeoutSeconds, error), { cause: error });
}

function textOf(url: string, timeoutSeconds: number, error: unknown): string {
  if (nameOf(error) === 'TimeoutError') return `no answer from ${url} within ${timeoutSeconds} s`;
  // fetch hides what happened in `cause`.
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  const code = said(cause, 'code');
  if (cause instanceof SyntaxError || NOT_HTTP.test(code)) {
    return `${url} answered with something that is not Countersign's`;
  }
  // An attempt at several addresses has a code and no message.
  const text = (cause instanceof Error ? cause.message : String(cause)) || code || nameOf(cause);
  const isLost = LOST.test(code) && code !== 'UND_ERR_CONNECT_TIMEOUT' && said(cause, 'syscall') !== 'connect';
  return isLost ? `lost the connection to ${url} before the answer came (${text})` : `cannot reach ${url}: ${text}`;
}

function said(error: unknown, property: 'code' | 'syscall'): string {
  const value: unknown = error instanceof Error ? Reflect.get(error, property) : undefined;
  return typeof value === 'string' ? value : '';
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : '';
}
