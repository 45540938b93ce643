import { isPlaceholder } from './secret-randomness.js';

/** What parts the scheme of a URL from the rest, with the last letter of the scheme. */
export const URL_ANCHORS: readonly string[] = [...'abcdefghijklmnopqrstuvwxyz'].map((letter) => `${letter}://`);

const AUTHORITY = /[a-z]:\/\/([^\s/?#@:"'`<>\\]{0,64}):([^\s/?#@:"'`<>\\]{8,256})@([^\s/?#:,"'`<>\\)]{1,255})/y;
const REFERENCE =
  /^[$%{[(<:*]|\$[({]|\{\{|^(?:pass(?:word|wd)?|secret|token|postgres|mysql|redis|admin|root|user(?:name)?)\d{0,3}$/i;
const HARMLESS_HOST =
  /^(?:localhost|127\.|0\.0\.0\.0|\[::1\]|\$|\{)|(?:^|\.)(?:example\.(?:com|org|net)|example|test|invalid|local)$/i;

/** A password inside of a URL. `owner` is the user and the host that it is for. */
export interface UrlPassword {
  readonly index: number;
  readonly owner: string;
  readonly value: string;
}

/** Reads the password of a URL whose `://` follows the character at `at` of a text. Gives `undefined` where there is none,
 *  where it is a placeholder or the user's own name, and where the host is this machine or of the names kept for examples
 *  (RFC 2606). */
export function matchUrlPassword(text: string, at: number): UrlPassword | undefined {
  AUTHORITY.lastIndex = at;
  const [, user = '', value, host] = AUTHORITY.exec(text) ?? [];
  if (value === undefined || host === undefined) return undefined;
  // A word in lower case is what documentation has.
  if (value === user || /^[a-z]+$/.test(value)) return undefined;
  if (REFERENCE.test(value) || isPlaceholder(value) || HARMLESS_HOST.test(host)) return undefined;
  return { index: at + 'x://:'.length + user.length, owner: `${user}@${host}`, value };
}
