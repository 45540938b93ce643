import { accept, type Result } from './refusal.js';
import { invalidScim } from './scim-error.js';
import { booleanIn } from './scim-grammar.js';
import { attributeName, foldCase, NOT_KEPT, READ_ONLY, USER_SCHEMA } from './scim-user.js';

/** What a provider says of a person. What is `undefined` it does not say; `null` takes it away. */
export interface ScimPerson {
  readonly userName?: string | undefined;
  readonly externalId?: string | null | undefined;
  readonly displayName?: string | null | undefined;
  readonly active?: boolean | undefined;
  /** A role, if it is one. */
  readonly role?: string | undefined;
}

/** Values by attribute, as they come in: the attribute's full name in lower case. */
export type ScimDraft = ReadonlyMap<string, unknown>;

/** What a value does to its attribute. */
export type Assignment = 'kept' | 'not_kept' | 'read_only' | 'unknown';

const LEAVES: ReadonlySet<string> = new Set([
  'username',
  'externalid',
  'displayname',
  'name.formatted',
  'name.givenname',
  'name.familyname',
  'active',
  'emails.value',
  'roles.value',
]);

/** Reads a whole person, as it is created (`undefined` before) or put in the place of another. What is left out is taken
 *  away, but for `active` and the role: nobody comes back, or gets another role, because something was not said. Attributes
 *  that the service sets, and those of which it keeps nothing, are left aside (RFC 7644 sections 3.3 and 3.5.1). */
export function readScimPerson(body: unknown): Result<ScimPerson> {
  const members = membersOf(body);
  if (members === undefined) return invalidScim('invalidSyntax', 'must be an object, with each attribute once');
  if (!hasSchema(members.get('schemas'), USER_SCHEMA)) {
    return invalidScim('invalidSyntax', `must list ${USER_SCHEMA}`, '#/schemas');
  }
  const draft = new Map<string, unknown>();
  const seen = new Set<string>();
  for (const [name, value] of members) {
    const attribute = attributeName(name);
    if (attribute === undefined) continue;
    // Also by the name of its schema an attribute is given once.
    if (seen.has(attribute)) return invalidScim('invalidSyntax', `${attribute} is there twice`);
    seen.add(attribute);
    assign(draft, attribute, value);
  }
  const person = settle(draft);
  if (!person.ok) return person;
  const { userName, externalId = null, displayName = null } = person.value;
  if (userName === undefined) return invalidScim('invalidValue', 'must be there', '#/userName');
  return accept({ ...person.value, externalId, displayName });
}

/** Puts a value into a draft. */
export function assign(draft: Map<string, unknown>, attribute: string, value: unknown): Assignment {
  if (LEAVES.has(attribute)) {
    draft.set(attribute, value);
    return 'kept';
  }
  const [outer = ''] = attribute.split('.', 1);
  switch (attribute) {
    case 'name':
      for (const [key, part] of membersOf(value) ?? []) assign(draft, `name.${key}`, part);
      return 'kept';
    case 'emails':
    case 'roles': {
      const chosen = chosenOf(value);
      if (chosen !== undefined) draft.set(`${attribute}.value`, chosen);
      return 'kept';
    }
  }
  if (READ_ONLY.has(outer)) return 'read_only';
  return NOT_KEPT.has(outer) || ['name', 'emails', 'roles'].includes(outer) ? 'not_kept' : 'unknown';
}

/** What a draft says of a person. The user name stands for the e-mail address, the display name for the name, where
 *  several are given. */
export function settle(draft: ScimDraft): Result<ScimPerson> {
  const userName = draft.get('username') ?? draft.get('emails.value') ?? undefined;
  if (userName !== undefined && typeof userName !== 'string') return notText('userName');
  if (draft.get('username') === null) return invalidScim('invalidValue', 'cannot be taken away', '#/userName');
  const externalId = draft.get('externalid');
  if (!isText(externalId)) return notText('externalId');
  const displayName = nameIn(draft);
  if (!isText(displayName)) return notText('displayName');
  const given = draft.get('active') ?? undefined;
  const active = typeof given === 'string' ? (booleanIn(given) ?? given) : given;
  if (active !== undefined && typeof active !== 'boolean') {
    return invalidScim('invalidValue', 'must be a boolean', '#/active');
  }
  const role = draft.get('roles.value') ?? undefined;
  if (role !== undefined && typeof role !== 'string') return notText('roles');
  return accept({ userName, externalId, displayName, active, role: role === undefined ? role : foldCase(role) });
}

function nameIn(draft: ScimDraft): unknown {
  const [given, family] = [draft.get('name.givenname'), draft.get('name.familyname')];
  const parts = [given, family].filter((part) => typeof part === 'string' && part !== '');
  const composed = parts.length > 0 && given !== undefined && family !== undefined ? parts.join(' ') : undefined;
  const name = draft.get('displayname') ?? draft.get('name.formatted') ?? composed;
  const isTakenAway = draft.get('displayname') === null || draft.get('name.formatted') === null;
  return name === undefined && isTakenAway ? null : name === '' ? null : name;
}

/** The value of a multi-valued attribute that counts: the primary one, else the first. */
function chosenOf(value: unknown): unknown {
  const values = (Array.isArray(value) ? value : [value]).map((one: unknown) => {
    const members = membersOf(one);
    return members === undefined ? { value: one, isPrimary: false } : entryOf(members);
  });
  return (values.find(({ isPrimary }) => isPrimary) ?? values[0])?.value;
}

function entryOf(members: ReadonlyMap<string, unknown>) {
  const primary = members.get('primary');
  return {
    value: members.get('value'),
    isPrimary: primary === true || (typeof primary === 'string' && booleanIn(primary) === true),
  };
}

/** The members of an object by their names in lower case (RFC 7643 section 2.1). Gives `undefined` for what is none, and
 *  where two differ in letter case alone: which of them counts would be a guess. */
export function membersOf(value: unknown): Map<string, unknown> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const entries = Object.entries(value).map(([key, member]): [string, unknown] => [foldCase(key), member]);
  const members = new Map(entries);
  return members.size === entries.length ? members : undefined;
}

/** Whether a message says that it is of a schema. */
export function hasSchema(schemas: unknown, wanted: string): boolean {
  return Array.isArray(schemas) && schemas.some((one) => typeof one === 'string' && foldCase(one) === foldCase(wanted));
}

function isText(value: unknown): value is string | null | undefined {
  return value === undefined || value === null || typeof value === 'string';
}

function notText(attribute: string) {
  return invalidScim('invalidValue', 'must be a text', `#/${attribute}`);
}
