import { accept, type Result } from './refusal.js';
import { assign, hasSchema, membersOf, type ScimPerson, settle } from './scim-draft.js';
import { invalidScim } from './scim-error.js';
import { fitsFilter } from './scim-filter.js';
import { parseScimPath } from './scim-grammar.js';
import { attributeName, foldCase, type ScimUser } from './scim-user.js';

const PATCH_SCHEMA = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';
const MAX_OPERATIONS = 200;

type Step = 'add' | 'replace' | 'remove';

/** Reads what a PATCH asks of a person: all of it or nothing (RFC 7644 section 3.5.2). Takes what Okta sends (an object
 *  without a path) and what Entra does (names of operations with capitals, booleans as texts, a filter in the path).
 *  Refuses `invalidSyntax`, `invalidPath`, `invalidValue`, `noTarget` and `mutability`. */
export function readScimPatch(body: unknown, user: ScimUser): Result<ScimPerson> {
  const message = membersOf(body);
  const operations = message?.get('operations');
  if (message === undefined || !hasSchema(message.get('schemas'), PATCH_SCHEMA)) {
    return invalidScim('invalidSyntax', `must list ${PATCH_SCHEMA}`, '#/schemas');
  }
  if (!Array.isArray(operations) || operations.length === 0 || operations.length > MAX_OPERATIONS) {
    return invalidScim('invalidSyntax', `must be a list of 1 to ${MAX_OPERATIONS}`, '#/Operations');
  }
  const draft = new Map<string, unknown>();
  for (const [at, one] of operations.entries()) {
    const done = operate(draft, user, membersOf(one), `#/Operations/${at}`);
    if (!done.ok) return done;
  }
  return settle(draft);
}

function operate(
  draft: Map<string, unknown>,
  user: ScimUser,
  operation: Map<string, unknown> | undefined,
  at: string,
): Result<undefined> {
  const step = stepIn(operation?.get('op'));
  if (operation === undefined || step === undefined) {
    return invalidScim('invalidSyntax', 'must be one of add, replace, remove', `${at}/op`);
  }
  const path = operation.get('path');
  const value = operation.get('value');
  if (path !== undefined && typeof path !== 'string') return invalidScim('invalidPath', 'must be a text', `${at}/path`);
  if (step === 'remove') {
    if (path === undefined) return invalidScim('noTarget', 'must be there to remove something', `${at}/path`);
    return remove(draft, user, path, value, at);
  }
  if (value === undefined) return invalidScim('invalidValue', 'must be there', `${at}/value`);
  if (path !== undefined) return put(draft, user, { step, path, value }, at);
  const members = membersOf(value);
  if (members === undefined)
    return invalidScim('invalidValue', 'must be an object where there is no path', `${at}/value`);
  for (const [name, member] of members) {
    // Providers repeat the id beside what they change.
    if (attributeName(name) === 'id' && member === user.id) continue;
    if (attributeName(name) === 'schemas') continue;
    const done = put(draft, user, { step, path: name, value: member }, at);
    if (!done.ok) return done;
  }
  return accept(undefined);
}

function put(
  draft: Map<string, unknown>,
  user: ScimUser,
  { step, path, value }: { readonly step: Step; readonly path: string; readonly value: unknown },
  at: string,
): Result<undefined> {
  const parsed = parseScimPath(path);
  if (!parsed.ok) return invalidScim('invalidPath', 'is no path', `${at}/path`);
  const { attribute, filter } = parsed.value;
  if (attribute === undefined) return accept(undefined);
  if (filter !== undefined && !fitsFilter(filter, user)) {
    // One value is kept of each: another that is added beside it is not.
    return step === 'add' ? accept(undefined) : invalidScim('noTarget', 'means no value of this person', `${at}/path`);
  }
  const isTakenAway = step === 'replace' && (value === null || (Array.isArray(value) && value.length === 0));
  if (isTakenAway && (attribute === 'active' || attribute === 'username')) {
    return invalidScim('invalidValue', 'can be changed, not taken away', `${at}/value`);
  }
  // Nothing in the place of something takes it away: RFC 7643 section 2.5.
  const left = isTakenAway && WITHOUT.has(attribute) ? WITHOUT.get(attribute) : value;
  switch (assign(draft, attribute, left)) {
    case 'kept':
    case 'not_kept':
      return accept(undefined);
    case 'read_only':
      return invalidScim('mutability', 'is for the service alone to set', `${at}/path`);
    case 'unknown':
      return invalidScim('invalidPath', 'is not known here', `${at}/path`);
  }
}

const WITHOUT: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['externalid', null],
  ['displayname', null],
  ['name', { formatted: null }],
  ['name.formatted', null],
  ['roles', 'member'],
  ['roles.value', 'member'],
]);

/** Takes something away. Who has no role is a plain member; the address and the status can only be changed. */
function remove(
  draft: Map<string, unknown>,
  user: ScimUser,
  path: string,
  value: unknown,
  at: string,
): Result<undefined> {
  const parsed = parseScimPath(path);
  if (!parsed.ok) return invalidScim('invalidPath', 'is no path', `${at}/path`);
  const { attribute, filter } = parsed.value;
  if (attribute === undefined) return accept(undefined);
  if (attribute === 'username' || attribute === 'active') {
    return invalidScim('mutability', 'can be changed, not taken away', `${at}/path`);
  }
  if (filter !== undefined && !fitsFilter(filter, user)) return accept(undefined);
  if (attribute === 'roles' && value !== undefined && !names(value, user.role)) return accept(undefined);
  const left = WITHOUT.get(attribute);
  if (left !== undefined) return put(draft, user, { step: 'remove', path: attribute, value: left }, at);
  const outcome = assign(new Map(), attribute, null);
  if (outcome === 'read_only') return invalidScim('mutability', 'is for the service alone to set', `${at}/path`);
  return outcome === 'unknown' ? invalidScim('invalidPath', 'is not known here', `${at}/path`) : accept(undefined);
}

/** Whether a list of values to remove names a role. */
function names(value: unknown, role: string): boolean {
  const given = (Array.isArray(value) ? value : [value]).map((one: unknown) => membersOf(one)?.get('value') ?? one);
  return given.some((one) => typeof one === 'string' && foldCase(one) === role);
}

function stepIn(op: unknown): Step | undefined {
  const folded = typeof op === 'string' ? foldCase(op) : '';
  return folded === 'add' || folded === 'replace' || folded === 'remove' ? folded : undefined;
}
