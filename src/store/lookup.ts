import type { Constraints } from '../rules/constraint.js';
import type { MemberId, RunnerId, TokenId, WorkspaceId } from '../rules/format.js';
import type { Role } from '../rules/role.js';
import type { RunnerFacts, RunnerStatus } from '../rules/runner.js';
import type { MemberStatus, TokenFacts, TokenKind } from '../rules/token.js';
import { policyFaults, type WorkspacePolicy } from '../rules/workspace-policy.js';
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
const MAX_WAITING = 1024;
const MAX_KNOWN_WORKSPACES = 100_000;
const NO_FAULTS: readonly string[] = [];

interface Row {
  readonly is_standby: boolean;
  /** `null` when none of the ids is a token's. */
  readonly token: string | null;
}

/** What {@link Row} says of a token, as JSON: reading a text is much cheaper than reading thirty columns. */
type TokenRow = readonly [
  id: TokenId,
  kind: TokenKind,
  workspaceId: WorkspaceId,
  workflow: string,
  creatorId: MemberId,
  scopes: readonly string[],
  constraints: Constraints,
  createdAt: EpochSeconds,
  notBefore: EpochSeconds | null,
  expiresAt: EpochSeconds,
  firstUsedAt: EpochSeconds | null,
  isRevoked: boolean,
  isFrozen: boolean,
  rotatedFrom: TokenId | null,
  rotatedTo: TokenId | null,
  overlapEndsAt: EpochSeconds | null,
  drainSeconds: number | null,
  successorFirstUsedAt: EpochSeconds | null,
  reuseRecordedAt: EpochSeconds | null,
  digest: string,
  pepperKid: string,
  secretSetAt: EpochSeconds,
  jkt: string | null,
  runner: RunnerRow | null,
  around: TokenSurroundings,
];

/** The runner that a token is of. */
type RunnerRow = readonly [id: RunnerId, name: string, labels: readonly string[], status: RunnerStatus];

/** What many tokens have in common. PostgreSQL finds it once in a statement. */
type TokenSurroundings = readonly [
  workspaceSlug: string,
  isWorkspaceSuspended: boolean,
  isWorkflowPaused: boolean,
  workflowConstraints: Constraints,
  maxRunSeconds: number,
  isRunLimited: boolean,
  creatorEmail: string,
  creatorRole: Role,
  creatorStatus: MemberStatus,
  /** The workspace's policy, where it blocks: nobody pays for one that does not. */
  blockingPolicy: WorkspacePolicy | null,
];

/** With fractions: the database keeps what this service gave it, milliseconds. */
type EpochSeconds = number;

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
    for (const { token } of rows) {
      if (token === null) continue;
      const stored = storedToken(JSON.parse(token));
      found.set(stored.facts.id, stored);
      workspaceOf.set(stored.facts.id, stored.facts.workspaceId);
    }
    // What postgres.js gives survives its use until the next full collection, and with it every text in it.
    rows.length = 0;
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
 *  seems, so few ids are padded to one. The text is always one of three, put together once. */
function select(sql: Sql, ids: readonly TokenId[]) {
  const list = LISTS.find(({ length }) => length >= ids.length);
  if (list === undefined) return sql.unsafe<Row[]>(SELECT_MANY, [ids], { prepare: true });
  const padded = Array.from({ length: list.length }, (_, at) => ids[at] ?? ids[0] ?? '');
  return sql.unsafe<Row[]>(list.text, padded, { prepare: true });
}

const SURROUNDINGS = `
  select json_build_array(s.slug, s.suspended_at is not null, w.paused_at is not null, w.constraints,
    w.max_run_seconds, coalesce(w.max_concurrent_runs, w.max_concurrent_runs_per_token) is not null,
    m.email, m.role, m.status, case when s.policy->>'enforcement' = 'block' then s.policy end) as surroundings
  from workspaces s
  join workflows w on w.workspace_id = s.id
  join members m on m.workspace_id = s.id
  where s.id = t.workspace_id and w.label = t.workflow and m.id = t.creator_id`;

// For few tokens the cheapest is to look their surroundings up for each.
const LISTS = [2, 8].map((length) => {
  const places = Array.from({ length }, (_, at) => `$${at + 1}::uuid`);
  return { length, text: selecting(`(${SURROUNDINGS})`, 'tokens t', `t.id in (${places.join(', ')})`) };
});
// For many it is a join whose rows PostgreSQL remembers within the statement. `offset 0` keeps it from being merged into
// three others.
const SELECT_MANY = selecting(
  'a.surroundings',
  `(tokens t join lateral (${SURROUNDINGS} offset 0) a on true)`,
  't.id = any($1::uuid[])',
);

/** On one line: postgres.js makes a key of the whole text each time. */
function selecting(surroundings: string, source: string, isWanted: string): string {
  const text = `
    select here.is_standby, case when t.id is not null then json_build_array(
      t.id, t.kind, t.workspace_id, t.workflow, t.creator_id, t.scopes, t.constraints,
      date_part('epoch', t.created_at), date_part('epoch', t.not_before), date_part('epoch', t.expires_at),
      date_part('epoch', t.first_used_at), t.revoked_at is not null, t.frozen_at is not null, t.rotated_from, t.rotated_to,
      date_part('epoch', t.overlap_ends_at), t.drain_seconds,
      case when t.rotated_to is not null then (
        select date_part('epoch', n.first_used_at) from tokens n
        where n.workspace_id = t.workspace_id and n.id = t.rotated_to
      ) end,
      date_part('epoch', t.reuse_recorded_at), encode(t.digest, 'base64'), t.pepper_kid,
      date_part('epoch', t.secret_set_at), t.cnf_jkt,
      case when t.runner_id is not null then (
        select json_build_array(r.id, r.name, r.labels, r.status) from runners r
        where r.workspace_id = t.workspace_id and r.id = t.runner_id
      ) end, ${surroundings}
    )::text end as token
    from (select pg_is_in_recovery() as is_standby) here
    left join ${source} on ${isWanted}`;
  return text.replace(/\s+/g, ' ').trim();
}

function storedToken(row: TokenRow): StoredToken {
  const [
    id,
    kind,
    workspaceId,
    workflowLabel,
    creatorId,
    scopes,
    constraints,
    createdAt,
    notBefore,
    expiresAt,
    firstUsedAt,
    isRevoked,
    isFrozen,
    rotatedFrom,
    rotatedTo,
    overlapEndsAt,
    drainSeconds,
    successorFirstUsedAt,
    reuseRecordedAt,
    digest,
    pepperKid,
    secretSetAt,
    jkt,
    runner,
    around,
  ] = row;
  const [
    workspaceSlug,
    isWorkspaceSuspended,
    isWorkflowPaused,
    workflowConstraints,
    maxRunSeconds,
    isRunLimited,
    creatorEmail,
    creatorRole,
    creatorStatus,
    blockingPolicy,
  ] = around;
  const facts: TokenFacts = {
    id,
    kind,
    workspaceId,
    workspaceSlug,
    isWorkspaceSuspended,
    workflowLabel,
    isWorkflowPaused,
    workflowConstraints,
    maxRunSeconds,
    isRunLimited,
    creatorId,
    creatorEmail,
    creatorRole,
    creatorStatus,
    policyFaults: NO_FAULTS,
    scopes,
    constraints,
    createdAt: instant(createdAt),
    notBefore: maybeInstant(notBefore),
    expiresAt: instant(expiresAt),
    firstUsedAt: maybeInstant(firstUsedAt),
    isRevoked,
    isFrozen,
    succession: successionOf(rotatedTo, maybeInstant(overlapEndsAt), drainSeconds, maybeInstant(successorFirstUsedAt)),
    jkt: jkt ?? undefined,
    runner: runner === null ? undefined : runnerFacts(runner),
  };
  return {
    facts: blockingPolicy === null ? facts : heldTo(facts, blockingPolicy),
    stored: { digest: Buffer.from(digest, 'base64'), pepperKid },
    secretSetAt: instant(secretSetAt),
    rotatedFrom: rotatedFrom ?? undefined,
    reuseRecordedAt: maybeInstant(reuseRecordedAt),
  };
}

function heldTo(facts: TokenFacts, policy: WorkspacePolicy): TokenFacts {
  return { ...facts, policyFaults: policyFaults(facts, policy).map(({ detail }) => detail) };
}

function runnerFacts([id, name, labels, status]: RunnerRow): RunnerFacts {
  return { id, name, labels, status };
}

function instant(seconds: EpochSeconds): Date {
  return new Date(Math.round(seconds * 1000));
}

function maybeInstant(seconds: EpochSeconds | null): Date | undefined {
  return seconds === null ? undefined : instant(seconds);
}
