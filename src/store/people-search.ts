import { and, asc, eq, or, sql } from 'drizzle-orm';
import type { MemberId, WorkspaceId } from '../rules/format.js';
import type { Db } from './database.js';
import { isPresent, type MemberRow } from './members.js';
import { members } from './schema.js';

/** What people are found by, each of which an index has. The addresses in lower case. */
export interface PeopleKeys {
  readonly ids: readonly MemberId[];
  readonly externalIds: readonly string[];
  readonly emails: readonly string[];
}

/** The people of a workspace who have one of the keys, oldest first, without those removed. */
export function peopleBy(db: Db, workspaceId: WorkspaceId, keys: PeopleKeys): Promise<MemberRow[]> {
  const any = (values: readonly string[], type: 'uuid' | 'text') =>
    sql`any(${sql.param([...values])}::${sql.raw(type)}[])`;
  return db
    .select()
    .from(members)
    .where(
      and(
        eq(members.workspaceId, workspaceId),
        isPresent,
        or(
          sql`${members.id} = ${any(keys.ids, 'uuid')}`,
          // Written as the index of it is, which has those alone that are not null.
          sql`(${members.externalId} is not null and ${members.externalId} = ${any(keys.externalIds, 'text')})`,
          sql`lower(${members.email}) = ${any(keys.emails, 'text')}`,
        ),
      ),
    )
    .orderBy(asc(members.id));
}

/** The people of a workspace from one place on, oldest first, without those removed. */
export function peopleFrom(
  db: Db,
  workspaceId: WorkspaceId,
  page: { readonly offset: number; readonly limit: number },
): Promise<MemberRow[]> {
  const ids = db
    .select({ id: members.id })
    .from(members)
    .where(and(eq(members.workspaceId, workspaceId), isPresent))
    .orderBy(asc(members.id))
    .limit(page.limit)
    .offset(page.offset)
    .as('ids');
  return db
    .select({ row: members })
    .from(ids)
    .innerJoin(members, and(eq(members.workspaceId, workspaceId), eq(members.id, ids.id)))
    .orderBy(asc(members.id))
    .then((found) => found.map(({ row }) => row));
}

/** How many people a workspace has, without those removed. */
export async function countPeople(db: Db, workspaceId: WorkspaceId): Promise<number> {
  const [row] = await db
    .select({ count: sql<string>`count(*)` })
    .from(members)
    .where(and(eq(members.workspaceId, workspaceId), isPresent));
  return Number(row?.count ?? 0);
}
