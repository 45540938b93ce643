import { type Role, signInScopes } from './role.js';
import { holdsScope, isServiceScope, type ServiceScope } from './scope.js';

/** Where a device's wish to act for a person stands. `redeemed`: it has its token. RFC 8628 section 3.5. */
export type DeviceStatus = 'pending' | 'approved' | 'denied' | 'redeemed';

/** The one client of the device authorization grant: the command line, a public client. RFC 6749 section 2.1. */
export const DEVICE_CLIENT_ID = 'countersign-cli';

/** How long a device may wait for its approval and fetch its token, in seconds. RFC 8628 section 3.2. */
export const DEVICE_CODE_SECONDS = 600;

/** How long the token of a device lives, in seconds from the approval. */
export const DEVICE_TOKEN_SECONDS = 12 * 3600;

const MAX_CLIENT_NAME = 64;
// Controls, marks that reorder or hide text, halves of characters, and what no font knows.
const INVISIBLE = /[\p{C}\p{Zl}\p{Zp}\p{DI}]+/gu;

/** Makes what a device calls itself fit to be shown: one line of at most 64 characters, nothing invisible and nothing that
 *  reorders it. It proves nothing. */
export function deviceName(claimed: string | undefined): string {
  const line = (claimed ?? '').toWellFormed().replace(INVISIBLE, ' ').replace(/\s+/g, ' ').trim();
  const name = [...line].slice(0, MAX_CLIENT_NAME).join('').trim();
  return name === '' ? 'unnamed device' : name;
}

/** Reads the scopes that a device asks for; none means all that its person signs in with. Gives `undefined` when one of
 *  them is not a scope of this service. RFC 8628 section 3.1; RFC 6749 section 3.3. */
export function askedScopes(text: string | undefined): readonly ServiceScope[] | undefined {
  const asked = [...new Set((text ?? '').split(' ').filter((scope) => scope !== ''))];
  const known = asked.filter(isServiceScope);
  return known.length === asked.length ? known : undefined;
}

/** What the token of a device may do once a person of this role approves: what was asked, or all that the person signs in
 *  with. `beyond` names what the person cannot give. */
export function deviceScopes(
  role: Role,
  asked: readonly string[] | null,
): { readonly scopes: readonly string[]; readonly beyond: readonly string[] } {
  const own = signInScopes(role);
  if (asked === null || asked.length === 0) return { scopes: own, beyond: [] };
  return { scopes: asked, beyond: asked.filter((scope) => !holdsScope(own, scope)) };
}
