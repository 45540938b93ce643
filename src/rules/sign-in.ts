import { ROLES, type Role } from './role.js';

/** The one OpenID provider of the service, and whom it lets in. */
export interface ProviderSettings {
  readonly issuer: string;
  readonly clientId: string;
  /** A public client has none. */
  readonly clientSecret: string | undefined;
  /** In lower case. Empty: any. */
  readonly allowedDomains: readonly string[];
  /** Whether an address counts of which the provider does not say whether it is verified. */
  readonly isEmailTrusted: boolean;
  /** The slug of the workspace into which people come who were never invited. */
  readonly workspace: string | undefined;
  readonly roles: RoleMapping | undefined;
}

/** Which role each value of a claim gives. Of several values the first pair of the list decides. */
export interface RoleMapping {
  readonly claim: string;
  readonly pairs: readonly RolePair[];
}

export interface RolePair {
  readonly value: string;
  readonly role: Role;
}

/** What a provider says of a person, besides who it is. */
export type PersonClaims = Readonly<Record<string, unknown>>;

/** Why somebody whom the provider knows does not come in; for the person to read. */
export type SignInFault =
  | 'domain_not_allowed'
  | 'no_role'
  | 'unknown_person'
  | 'address_taken'
  | 'not_active'
  | 'invitation_lapsed'
  | 'not_a_member'
  | 'signed_out';

/** Says a fault to the person. Nothing in it tells of other people. */
export function describeFault(fault: SignInFault): string {
  switch (fault) {
    case 'domain_not_allowed':
      return 'Your provider does not vouch for an e-mail address of a domain that may sign in here.';
    case 'no_role':
      return 'Your provider gives you no role here.';
    case 'unknown_person':
      return 'No workspace knows you. Ask an owner for an invitation to the verified e-mail address of your provider account.';
    case 'address_taken':
      return 'Your e-mail address belongs to a member who signs in with another account of your provider.';
    case 'not_active':
      return 'Your membership is suspended.';
    case 'invitation_lapsed':
      return 'Your invitation has lapsed. Ask for a new one.';
    case 'not_a_member':
      return 'You are no member of this workspace.';
    case 'signed_out':
      return 'Your session at your provider has ended meanwhile. Sign in again.';
  }
}

const MAX_NAME = 1024;

/** Whether a text is one by which a provider can name a person or a session of its own here: not empty, not without end, and
 *  nothing in it that no database can hold. */
export function isProviderName(text: unknown): text is string {
  return typeof text === 'string' && text !== '' && text.length <= MAX_NAME && !text.includes('\u0000');
}

// What an address may be made of, as strict as an invitation takes it: one @, ASCII alone. A domain that only looks like
// another one is not it.
const ADDRESS =
  /^[A-Za-z0-9_'+\-.]{1,64}@([A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)+)$/;
const MAX_ADDRESS = 254;

/** The e-mail address that a provider vouches for, if it says so with `true` and nothing else; where its addresses are
 *  trusted, also if it says nothing. OpenID Connect Core 1.0 section 5.7: an address is no identity, so that it counts only
 *  when verified. */
export function verifiedAddress(claims: PersonClaims, isTrusted: boolean): string | undefined {
  const { email, email_verified: said } = claims;
  const isVerified = said === true || (isTrusted && said === undefined);
  if (!isVerified || typeof email !== 'string' || email.length > MAX_ADDRESS) return undefined;
  return ADDRESS.test(email) ? email : undefined;
}

/** Whether the address is one of the domains themselves, not of one below them. None means any, also no address. */
export function isAllowedAddress(address: string | undefined, domains: readonly string[]): boolean {
  if (domains.length === 0) return true;
  const [, domain] = ADDRESS.exec(address ?? '') ?? [];
  return domain !== undefined && domains.includes(domain.toLowerCase());
}

/** The role that the claim gives: a text, or a list of them. `undefined` when no value of it is mapped. */
export function mappedRole(claims: PersonClaims, { claim, pairs }: RoleMapping): Role | undefined {
  const said = Object.hasOwn(claims, claim) ? claims[claim] : undefined;
  const values: readonly unknown[] = Array.isArray(said) ? said : [said];
  return pairs.find(({ value }) => values.includes(value))?.role;
}

/** Reads `value=role,…`; `undefined` when it is not that. A value may hold a `=`, not a comma. */
export function parseRolePairs(text: string): readonly RolePair[] | undefined {
  const pairs = text.split(',').map((one) => {
    const [, value, name] = /^\s*(.+)=(\w+)\s*$/.exec(one) ?? [];
    const role = ROLES.find((known) => known === name);
    return value === undefined || role === undefined ? undefined : { value, role };
  });
  const known = pairs.filter((pair) => pair !== undefined);
  const isUnique = new Set(known.map(({ value }) => value)).size === known.length;
  return known.length === pairs.length && isUnique ? known : undefined;
}

const OWN_PATH = /^\/console(?:\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*(?:\?[A-Za-z0-9._~=&-]*)?$/;
const MAX_PATH = 512;

/** Where a sign-in leads afterwards: to a page of this service, else to the console. Only plain characters are taken, so
 *  that no browser reads another host, another scheme or a way up into it. */
export function returnPath(asked: string | undefined): string {
  return asked !== undefined && asked.length <= MAX_PATH && OWN_PATH.test(asked) ? asked : '/console';
}
