import { printId } from '../rules/format.js';
import { attributeName, foldCase, type ScimUser, USER_SCHEMA } from '../rules/scim-user.js';
import type { MemberRow } from '../store/members.js';

/** Which attributes a provider wants, by their names in lower case. RFC 7644 section 3.9. */
export interface ScimChoice {
  readonly attributes: ReadonlySet<string>;
  readonly excluded: ReadonlySet<string>;
}

/** What is answered whatever was asked for. RFC 7643 section 3.1. */
const ALWAYS: ReadonlySet<string> = new Set(['schemas', 'id']);

/** A member as SCIM sees it. One who is invited is not active: nobody has come yet. */
export function scimUserOf(row: MemberRow): ScimUser {
  return {
    id: printId('mem', row.id),
    externalId: row.externalId ?? undefined,
    userName: row.email,
    displayName: row.name ?? undefined,
    active: row.status === 'active',
    role: row.role,
    created: row.createdAt.toISOString(),
  };
}

/** Where the service has its SCIM endpoints, for those outside. */
export function scimBase(issuer: string): string {
  return `${issuer}/scim/v2`;
}

/** Where a person is. */
export function scimLocation(issuer: string, row: MemberRow): string {
  return `${scimBase(issuer)}/Users/${printId('mem', row.id)}`;
}

/** A person as the wire shows it. RFC 7643 section 4.1. */
export function presentScimUser(issuer: string, row: MemberRow, choice: ScimChoice): Record<string, unknown> {
  const { id, externalId, userName, displayName, active, role, created } = scimUserOf(row);
  const user = {
    schemas: [USER_SCHEMA],
    id,
    ...(externalId === undefined ? {} : { externalId }),
    userName,
    ...(displayName === undefined ? {} : { name: { formatted: displayName }, displayName }),
    active,
    emails: [{ value: userName, type: 'work', primary: true }],
    roles: [{ value: role, primary: true }],
    meta: { resourceType: 'User', created, location: scimLocation(issuer, row) },
  };
  return chosenFrom(user, choice);
}

/** Reads the names of the attributes that are wanted. Those that are not known stand for nothing. */
export function scimChoice(attributes: readonly string[] = [], excluded: readonly string[] = []): ScimChoice {
  const named = (names: readonly string[]) =>
    new Set(names.flatMap((name) => attributeName(name.trim()) ?? []).filter((name) => name !== ''));
  return { attributes: named(attributes), excluded: named(excluded) };
}

function chosenFrom(user: Record<string, unknown>, { attributes, excluded }: ScimChoice): Record<string, unknown> {
  // What is wanted is answered, whatever is to be left out beside it.
  const part = (key: string, value: unknown) => {
    if (attributes.size === 0) {
      return excluded.has(key) ? undefined : narrowed(value, (member) => !excluded.has(`${key}.${member}`));
    }
    return attributes.has(key) ? value : narrowed(value, (member) => attributes.has(`${key}.${member}`));
  };
  const entries = Object.entries(user).map(([name, value]): [string, unknown] => {
    const key = foldCase(name);
    return [name, ALWAYS.has(key) ? value : part(key, value)];
  });
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

/** The members of a value, or of each of several, that are wanted; `undefined` when none is. */
function narrowed(value: unknown, isWanted: (member: string) => boolean): unknown {
  if (Array.isArray(value)) {
    const parts = value.map((one: unknown) => narrowed(one, isWanted)).filter((one) => one !== undefined);
    return parts.length === 0 ? undefined : parts;
  }
  if (typeof value !== 'object' || value === null) return isWanted('') ? value : undefined;
  const members = Object.entries(value).filter(([member]) => isWanted(foldCase(member)));
  return members.length === 0 ? undefined : Object.fromEntries(members);
}
