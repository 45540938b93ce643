import { parsePublicId, type WorkspaceId } from '../rules/format.js';
import { accept, type Result } from '../rules/refusal.js';
import { invalidScim } from '../rules/scim-error.js';
import { fitsFilter, keysOf, type ScimFilter, type ScimKeys } from '../rules/scim-filter.js';
import { parseScimFilter } from '../rules/scim-grammar.js';
import { attributeName, foldCase, SCIM_ATTRIBUTES, type ScimAttribute } from '../rules/scim-user.js';
import type { Db } from '../store/database.js';
import type { MemberRow } from '../store/members.js';
import { countPeople, peopleBy, peopleFrom } from '../store/people-search.js';
import { MAX_SEARCHED } from '../store/search.js';
import { MAX_SCIM_RESULTS } from '../wire/scim.js';
import { scimUserOf } from './scim-present.js';

/** What a provider looks for. RFC 7644 section 3.4.2. */
export interface ScimQuery {
  readonly filter?: string | undefined;
  readonly sortBy?: string | undefined;
  readonly sortOrder?: 'ascending' | 'descending' | undefined;
  readonly startIndex?: number | undefined;
  readonly count?: number | undefined;
}

/** The people that were found: how many in all, and those of the page. */
export interface Found {
  readonly total: number;
  readonly startIndex: number;
  readonly rows: readonly MemberRow[];
}

const DEFAULT_COUNT = 100;

/** Finds people of a workspace, oldest first unless another order is asked for. A filter that names people by what they have
 *  alone is answered by indexes; any other looks through everybody, in a workspace of 5000 people at most. Refuses
 *  `invalidFilter`, `invalidValue`, and `tooMany` beyond that. */
export async function findPeople(db: Db, workspaceId: WorkspaceId, query: ScimQuery): Promise<Result<Found>> {
  const startIndex = Math.max(1, query.startIndex ?? 1);
  const limit = Math.min(MAX_SCIM_RESULTS, Math.max(0, query.count ?? DEFAULT_COUNT));
  const filter = query.filter === undefined ? accept(undefined) : parseScimFilter(query.filter);
  if (!filter.ok) return filter;
  const order = query.sortBy === undefined ? accept(undefined) : orderOf(query.sortBy);
  if (!order.ok) return order;
  if (filter.value === undefined && order.value === undefined) {
    const total = await countPeople(db, workspaceId);
    const rows = limit === 0 ? [] : await peopleFrom(db, workspaceId, { offset: startIndex - 1, limit });
    return accept({ total, startIndex, rows });
  }
  const candidates = await candidatesFor(db, workspaceId, filter.value);
  if (candidates === undefined) {
    return invalidScim(
      'tooMany',
      `more than ${MAX_SEARCHED} people would have to be looked through; filter by userName`,
    );
  }
  const wanted = filter.value;
  const fitting = wanted === undefined ? candidates : candidates.filter((row) => fitsFilter(wanted, scimUserOf(row)));
  const ordered = order.value === undefined ? fitting : sorted(fitting, order.value, query.sortOrder === 'descending');
  return accept({ total: ordered.length, startIndex, rows: ordered.slice(startIndex - 1, startIndex - 1 + limit) });
}

/** Those among whom are all that a filter asks for; `undefined` when they are too many. */
async function candidatesFor(
  db: Db,
  workspaceId: WorkspaceId,
  filter: ScimFilter | undefined,
): Promise<readonly MemberRow[] | undefined> {
  const keys = filter && keysOf(filter);
  if (keys !== undefined) return peopleWith(db, workspaceId, keys);
  const rows = await peopleFrom(db, workspaceId, { offset: 0, limit: MAX_SEARCHED + 1 });
  return rows.length > MAX_SEARCHED ? undefined : rows;
}

/** What the database cannot hold is nobody's. */
async function peopleWith(db: Db, workspaceId: WorkspaceId, keys: ScimKeys): Promise<readonly MemberRow[]> {
  const known = {
    ids: keys.ids.flatMap((id) => parsePublicId('mem', id) ?? []),
    externalIds: keys.externalIds.filter((id) => id.isWellFormed() && !id.includes('\u0000')),
    // An address is of ASCII characters alone; what only looks like one would fold onto it.
    emails: keys.emails.filter((email) => /^[\x21-\x7e]+$/.test(email)),
  };
  const isNobody = known.ids.length + known.externalIds.length + known.emails.length === 0;
  return isNobody ? [] : peopleBy(db, workspaceId, known);
}

function orderOf(sortBy: string): Result<ScimAttribute> {
  const attribute = SCIM_ATTRIBUTES.get(attributeName(sortBy) ?? '');
  return attribute === undefined ? invalidScim('invalidValue', 'is not known here', 'sortBy') : accept(attribute);
}

/** Who lacks the attribute comes last, and first in descending order. RFC 7644 section 3.4.2.3. */
function sorted(rows: readonly MemberRow[], { isCaseExact, read }: ScimAttribute, isDescending: boolean): MemberRow[] {
  const keyed = rows.map((row) => {
    const value = read(scimUserOf(row));
    const key = value === undefined ? undefined : isCaseExact ? String(value) : foldCase(String(value));
    return { row, key };
  });
  keyed.sort((a, b) => {
    if (a.key === b.key) return 0;
    if (a.key === undefined) return 1;
    return b.key === undefined || a.key < b.key ? -1 : 1;
  });
  const inOrder = keyed.map(({ row }) => row);
  return isDescending ? inOrder.reverse() : inOrder;
}
