import { accept, type Result } from '../rules/refusal.js';
import type { Answer } from './exchange.js';

/** Leads the browser to another page, whatever the method was. RFC 9110 section 15.4.4. */
export function seeOther(location: string, cookies: readonly string[] = []): Result<Answer> {
  return accept({ status: 303, headers: { location }, cookies });
}

/** Where somebody signs in who wants to go to `path`, a page of this service. */
export function signInPath(path: string): string {
  return path === '/console' ? '/console/sign-in' : `/console/sign-in?return_to=${encodeURIComponent(path)}`;
}
