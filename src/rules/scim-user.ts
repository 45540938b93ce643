import type { Role } from './role.js';

/** The schema of a person. RFC 7643 section 4.1. */
export const USER_SCHEMA = 'urn:ietf:params:scim:schemas:core:2.0:User';

/** A member as SCIM sees one. There is one e-mail address, which is the user name too, and one role. */
export interface ScimUser {
  readonly id: string;
  readonly externalId: string | undefined;
  readonly userName: string;
  readonly displayName: string | undefined;
  readonly active: boolean;
  readonly role: Role;
  /** RFC 3339. */
  readonly created: string;
}

/** An attribute that can be asked about, by its full name in lower case. */
export interface ScimAttribute {
  readonly type: 'string' | 'boolean' | 'dateTime';
  /** Whether letter case matters in it (`caseExact`, RFC 7643 section 2.2). */
  readonly isCaseExact: boolean;
  readonly read: (user: ScimUser) => string | boolean | undefined;
}

const text = (read: (user: ScimUser) => string | undefined, isCaseExact = false): ScimAttribute => {
  return { type: 'string', isCaseExact, read };
};
const fact = (read: (user: ScimUser) => boolean): ScimAttribute => {
  return { type: 'boolean', isCaseExact: false, read };
};

const email = text(({ userName }) => userName);
const name = text(({ displayName }) => displayName);
const role = text((user) => user.role);

/** What a filter can ask about and a list be sorted by. A multi-valued attribute stands for its one value. */
export const SCIM_ATTRIBUTES: ReadonlyMap<string, ScimAttribute> = new Map([
  ['schemas', text(() => USER_SCHEMA, true)],
  ['id', text(({ id }) => id, true)],
  ['externalid', text(({ externalId }) => externalId, true)],
  ['username', email],
  ['displayname', name],
  ['name', name],
  ['name.formatted', name],
  ['active', fact(({ active }) => active)],
  ['emails', email],
  ['emails.value', email],
  ['emails.type', text(() => 'work')],
  ['emails.primary', fact(() => true)],
  ['roles', role],
  ['roles.value', role],
  ['roles.primary', fact(() => true)],
  ['meta.resourcetype', text(() => 'User', true)],
  ['meta.created', { type: 'dateTime', isCaseExact: false, read: ({ created }) => created }],
]);

/** The attributes that have values with members of their own, so that a filter in brackets can choose among them. */
export const MULTI_VALUED: ReadonlySet<string> = new Set(['emails', 'roles']);

/** Attributes of RFC 7643 that a provider may send and nothing is kept of. */
export const NOT_KEPT: ReadonlySet<string> = new Set([
  'schemas',
  'nickname',
  'profileurl',
  'title',
  'usertype',
  'preferredlanguage',
  'locale',
  'timezone',
  'password',
  'phonenumbers',
  'ims',
  'photos',
  'addresses',
  'entitlements',
  'x509certificates',
]);

/** Attributes that only the service sets. RFC 7643 section 2.2, `readOnly`. */
export const READ_ONLY: ReadonlySet<string> = new Set(['id', 'meta', 'groups']);

/** Takes the letter case off ASCII letters alone: elsewhere letters that look alike fold onto each other. */
export function foldCase(value: string): string {
  return value.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** The name of an attribute as it is looked up: in lower case, without the name of the schema that it is in. Gives
 *  `undefined` for one of another schema, of which nothing is kept. RFC 7644 section 3.10. */
export function attributeName(given: string): string | undefined {
  const folded = foldCase(given);
  if (!folded.startsWith('urn:')) return folded;
  const own = `${foldCase(USER_SCHEMA)}:`;
  return folded.startsWith(own) ? folded.slice(own.length) : undefined;
}
