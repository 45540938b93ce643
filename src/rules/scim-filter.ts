import { foldCase, SCIM_ATTRIBUTES, type ScimAttribute, type ScimUser } from './scim-user.js';

export const COMPARISONS = ['eq', 'ne', 'co', 'sw', 'ew', 'gt', 'ge', 'lt', 'le'] as const;
export type Comparison = (typeof COMPARISONS)[number];

/** A filter that was read. RFC 7644 section 3.4.2.2. */
export type ScimFilter =
  | { readonly kind: 'all' | 'any'; readonly parts: readonly ScimFilter[] }
  | { readonly kind: 'not'; readonly part: ScimFilter }
  | { readonly kind: 'present'; readonly attribute: string }
  | {
      readonly kind: 'compare';
      readonly attribute: string;
      readonly by: Comparison;
      readonly value: string | boolean | null;
    };

/** Whether a person is what a filter asks for. */
export function fitsFilter(filter: ScimFilter, user: ScimUser): boolean {
  switch (filter.kind) {
    case 'all':
      return filter.parts.every((part) => fitsFilter(part, user));
    case 'any':
      return filter.parts.some((part) => fitsFilter(part, user));
    case 'not':
      return !fitsFilter(filter.part, user);
    case 'present':
      return valueIn(filter.attribute, user) !== undefined;
    case 'compare':
      return compares(filter.by, attribute(filter.attribute), valueIn(filter.attribute, user), filter.value);
  }
}

/** Names that people have alone: what a filter asks for is among those who have them. */
export interface ScimKeys {
  readonly ids: readonly string[];
  readonly externalIds: readonly string[];
  /** With their ASCII letters in lower case. */
  readonly emails: readonly string[];
}

/** The keys that a filter is bound to; `undefined` when it is to none, so that everybody must be looked at. */
export function keysOf(filter: ScimFilter): ScimKeys | undefined {
  switch (filter.kind) {
    case 'all':
      return filter.parts.map(keysOf).find((keys) => keys !== undefined);
    case 'any': {
      const keys = filter.parts.map(keysOf);
      return keys.reduce((sum, more) => sum && more && joined(sum, more), NO_KEYS);
    }
    case 'compare':
      return filter.by === 'eq' && typeof filter.value === 'string' ? keyOf(filter.attribute, filter.value) : undefined;
    case 'not':
    case 'present':
      return undefined;
  }
}

const NO_KEYS: ScimKeys = { ids: [], externalIds: [], emails: [] };

function keyOf(name: string, value: string): ScimKeys | undefined {
  if (name === 'id') return { ...NO_KEYS, ids: [value] };
  if (name === 'externalid') return { ...NO_KEYS, externalIds: [value] };
  const isEmail = name === 'username' || name === 'emails' || name === 'emails.value';
  return isEmail ? { ...NO_KEYS, emails: [foldCase(value)] } : undefined;
}

function joined(some: ScimKeys, more: ScimKeys): ScimKeys {
  return {
    ids: [...some.ids, ...more.ids],
    externalIds: [...some.externalIds, ...more.externalIds],
    emails: [...some.emails, ...more.emails],
  };
}

function valueIn(name: string, user: ScimUser): string | boolean | undefined {
  const value = attribute(name).read(user);
  return value === '' ? undefined : value;
}

function attribute(name: string): ScimAttribute {
  const known = SCIM_ATTRIBUTES.get(name);
  if (known === undefined) throw new Error(`a filter was read with ${name} in it`);
  return known;
}

function compares(
  by: Comparison,
  { type, isCaseExact }: ScimAttribute,
  actual: string | boolean | undefined,
  wanted: string | boolean | null,
): boolean {
  if (wanted === null || actual === undefined) {
    const isSame = wanted === null && actual === undefined;
    return by === 'eq' ? isSame : by === 'ne' && !isSame;
  }
  if (type === 'dateTime') return ordered(by, Date.parse(String(actual)), Date.parse(String(wanted)));
  if (typeof actual === 'boolean' || typeof wanted === 'boolean') return (actual === wanted) === (by === 'eq');
  const fold = isCaseExact ? (value: string) => value : foldCase;
  const [have, want] = [fold(actual), fold(wanted)];
  if (by === 'co') return have.includes(want);
  if (by === 'sw') return have.startsWith(want);
  return by === 'ew' ? have.endsWith(want) : ordered(by, have, want);
}

function ordered<T extends string | number>(by: Comparison, have: T, want: T): boolean {
  switch (by) {
    case 'eq':
      return have === want;
    case 'ne':
      return have !== want;
    case 'gt':
      return have > want;
    case 'ge':
      return have >= want;
    case 'lt':
      return have < want;
    case 'le':
      return have <= want;
    case 'co':
    case 'sw':
    case 'ew':
      return false;
  }
}
