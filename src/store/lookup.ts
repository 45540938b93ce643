import type { Constraints } from '../rules/constraint.js';
import type { MemberId, TokenId, WorkspaceId } from '../rules/format.js';
import type { Role } from '../rules/role.js';
import type { MemberStatus, TokenFacts, TokenKind } from '../rules/token.js';
import { createBatch } from './batch.js';
import type { ConnectionOptions, Sql } from './connect.js';
import { openLine } from './line.js';
import type { StoredDigest } from './secret.js';
import { successionOf } from './succession.js';

/** A token as the database holds it: what decides about it, and what its secret is compared with. */
export interface StoredToken {
  readonly facts: TokenFacts;
  readonly stored: StoredDigest;
  /** When it got the secret that it holds. */
  readonly secretSetAt: Date;
  readonly rotatedFrom: TokenId | undefined;
  readonly reuseRecordedAt: Date | undefined;
}

/** The read behind every decision. */
export interface Lookup {
  /** Reads a token in a statement that begins after this call. Throws `BatchFullError` when too many wait, and
   *  `DatabaseTimeoutError` when the database does not answer. */
  find(id: TokenId): Promise<StoredToken | undefined>;
  /** Reads several in the same statement; what is not there stays `undefined`, in the order of the ids. */
  findAll(ids: readonly TokenId[]): Promise<readonly (StoredToken | undefined)[]>;
  /** How many reads wait or are under way. */
  length(): number;
  close(): Promise<void>;
}

/** How the lookups use the database. */
export interface LookupWidth {
  readonly connections: number;
  readonly perStatement: number;
}

/** One statement in flight on a connection of its own, for at most 256 requests. */
const SHARED = { connections: 1, perStatement: 256 };
const LIST_LENGTHS = [2, 8];
const MAX_WAITING = 1024;
const MAX_KNOWN_WORKSPACES = 100_000;

/** None of the ids is a token's. */
interface NoRow {
  readonly is_standby: boolean;
  readonly id: null;
}

interface Row {
  readonly is_standby: boolean;
  readonly id: TokenId;
  readonly kind: TokenKind;
  readonly workspace_id: WorkspaceId;
  readonly workflow: string;
  readonly creator_id: MemberId;
  readonly scopes: readonly string[];
  readonly constraints: Constraints;
  readonly created_at: Date;
  readonly not_before: Date | null;
  readonly expires_at: Date;
  readonly first_used_at: Date | null;
  readonly is_revoked: boolean;
  readonly rotated_from: TokenId | null;
  readonly rotated_to: TokenId | null;
  readonly overlap_ends_at: Date | null;
  readonly drain_seconds: number | null;
  readonly reuse_recorded_at: Date | null;
  readonly digest: Buffer;
  readonly pepper_kid: string;
  readonly secret_set_at: Date;
  readonly slug: string;
  readonly is_workspace_suspended: boolean;
  readonly is_workflow_paused: boolean;
  readonly workflow_constraints: Constraints;
  readonly max_run_seconds: number;
  readonly creator_email: string;
  readonly creator_role: Role;
  readonly creator_status: MemberStatus;
  readonly successor_first_used_at: Date | null;
}

/** Opens the connection of the lookups. It is apart from the pool of the transactions and has one statement in flight:
 *  the lookups that arrive meanwhile share the next one. Nothing that decides is remembered. A standby is
 *  not believed: what it shows may be over. `onHang` is told when the database gave no answer to go by. `width` is for the
 *  benchmark, which compares this with a statement for each request. */
export function createLookup(options: ConnectionOptions, onHang: () => void, width: LookupWidth = SHARED): Lookup {
  const line = openLine(options, width.connections, onHang);
  // Which workspace a token is of never changes. It serves to share a busy service fairly, and nothing else.
  const workspaceOf = new Map<TokenId, WorkspaceId>();

  async function read(groups: readonly (readonly TokenId[])[]): Promise<(StoredToken | undefined)[][]> {
    const wanted = [...new Set(groups.flat())];
    const rows = await line.run(
      (sql) => select(sql, wanted),
      (answer) => answer[0]?.is_standby === false,
    );
    const found = new Map<TokenId, StoredToken>();
    if (workspaceOf.size > MAX_KNOWN_WORKSPACES) workspaceOf.clear();
    for (const row of rows) {
      if (row.id === null) continue;
      found.set(row.id, storedToken(row));
      workspaceOf.set(row.id, row.workspace_id);
    }
    return groups.map((ids) => ids.map((id) => found.get(id)));
  }

  const batch = createBatch<readonly TokenId[], (StoredToken | undefined)[]>(
    read,
    { maxPerStatement: width.perStatement, maxWaiting: MAX_WAITING, atOnce: width.connections },
    ([first]) => (first && workspaceOf.get(first)) ?? 'unknown',
  );
  return {
    find: async (id) => (await batch.add([id]))[0],
    findAll: batch.add,
    length: batch.length,
    close: line.close,
  };
}

/** PostgreSQL keeps a plan only if planning each time would not be cheaper, and takes ten ids for granted in an array: one
 *  or two would be planned anew every time, which takes it longer than the read. A list of a fixed length is what it
 *  seems, so few ids are padded to one. */
function select(sql: Sql, ids: readonly TokenId[]) {
  const length = LIST_LENGTHS.find((one) => one >= ids.length);
  const padded = Array.from({ length: length ?? 0 }, (_, at) => ids[at] ?? ids[0] ?? '');
  const isWanted = length === undefined ? sql`t.id = any(${ids}::uuid[])` : sql`t.id in ${sql(padded)}`;
  return sql<(Row | NoRow)[]>`
    select here.is_standby, t.id, t.kind, t.workspace_id, t.workflow, t.creator_id, t.scopes, t.constraints,
      t.created_at, t.not_before, t.expires_at, t.first_used_at, t.revoked_at is not null as is_revoked,
      t.rotated_from, t.rotated_to, t.overlap_ends_at, t.drain_seconds, t.reuse_recorded_at, t.digest, t.pepper_kid,
      t.secret_set_at, s.slug, s.suspended_at is not null as is_workspace_suspended,
      w.paused_at is not null as is_workflow_paused, w.constraints as workflow_constraints, w.max_run_seconds,
      m.email as creator_email, m.role as creator_role, m.status as creator_status,
      n.first_used_at as successor_first_used_at
    from (select pg_is_in_recovery() as is_standby) here
    left join (tokens t
      join workspaces s on s.id = t.workspace_id
      join workflows w on w.workspace_id = t.workspace_id and w.label = t.workflow
      join members m on m.workspace_id = t.workspace_id and m.id = t.creator_id
      left join tokens n on n.workspace_id = t.workspace_id and n.id = t.rotated_to
    ) on ${isWanted}`;
}

function storedToken(row: Row): StoredToken {
  return {
    facts: {
      id: row.id,
      kind: row.kind,
      workspaceId: row.workspace_id,
      workspaceSlug: row.slug,
      isWorkspaceSuspended: row.is_workspace_suspended,
      workflowLabel: row.workflow,
      isWorkflowPaused: row.is_workflow_paused,
      workflowConstraints: row.workflow_constraints,
      maxRunSeconds: row.max_run_seconds,
      creatorId: row.creator_id,
      creatorEmail: row.creator_email,
      creatorRole: row.creator_role,
      creatorStatus: row.creator_status,
      scopes: row.scopes,
      constraints: row.constraints,
      createdAt: row.created_at,
      notBefore: row.not_before ?? undefined,
      expiresAt: row.expires_at,
      firstUsedAt: row.first_used_at ?? undefined,
      isRevoked: row.is_revoked,
      succession: successionOf(row.rotated_to, row.overlap_ends_at, row.drain_seconds, row.successor_first_used_at),
    },
    stored: { digest: row.digest, pepperKid: row.pepper_kid },
    secretSetAt: row.secret_set_at,
    rotatedFrom: row.rotated_from ?? undefined,
    reuseRecordedAt: row.reuse_recorded_at ?? undefined,
  };
}
