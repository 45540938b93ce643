import { idFloor, type MemberId, printId, type TokenId, type WorkspaceId } from '../../src/rules/format.js';
import { ensurePartitions } from '../../src/store/checks.js';
import type { Sql, TransactionSql } from '../../src/store/connect.js';

/** How many rows there are, of which most belong to the large workspace. */
export const TOKENS = 1_000_000;
export const WORKFLOWS = 2_000;
export const MEMBERS = 1_000;
const TOKENS_OF_OTHERS = 2_000;
const CHECKS = 300_000;
const CHECKED = 1_000;
/** How many runs are under way, a third of them with a lease that ran out. */
export const RUNNING = 3_000;
const EVENTS = 300_000;
const KEYS = 50_000;
const DECISIONS = 60_000;
const DECISIONS_OF_OTHERS = 140_000;
const OLD_DECISIONS = 1_000;
const MONTHS = 12;
const YEAR_SECONDS = 365 * 86_400;

const TABLES = ['members', 'workflows', 'tokens', 'exec_checks', 'audit_events', 'idempotency_keys', 'tool_decisions'];

/** The public id of the i-th member of each workspace. The first 500 were removed, each hundredth after the 607th
 *  is suspended. */
export function memberAt(i: number): string {
  return printId('mem', numbered(i) as MemberId);
}

/** The public id of the i-th token that jobs were checked with. A tenth of all are of the first. */
export function checkedTokenAt(i: number): string {
  return printId('tok', numbered(i) as TokenId);
}

/** The run with many decisions: of the last day, all denied ones in its first half. */
export const DECIDED_RUN = idFloor('run', new Date(Date.now() - 86_400_000));

function numbered(i: number): string {
  return `018cc251-f400-7000-8000-${(i + 2 ** 44).toString(16)}`;
}

/** Fills a workspace with a year of work, and others with little. What a filter looks for is far from where a list begins:
 *  tokens were revoked and jobs denied in the first half of the year alone. */
export async function loadYear(sql: Sql, large: WorkspaceId, others: readonly WorkspaceId[], now: Date): Promise<void> {
  for (let month = 0; month <= MONTHS; month += 1) {
    await ensurePartitions(sql, new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - month, 1)));
  }
  const half = TOKENS / 2;
  const parts: readonly ((tx: TransactionSql) => Promise<void>)[] = [
    (tx) => insertTokens(tx, large, [1, half, TOKENS], 0),
    (tx) => insertTokens(tx, large, [half + 1, TOKENS, TOKENS], 0),
    async (tx) => {
      for (const workspaceId of [large, ...others]) await insertPeople(tx, workspaceId);
      for (const [at, workspaceId] of others.entries()) {
        await insertTokens(tx, workspaceId, [1, TOKENS_OF_OTHERS, TOKENS_OF_OTHERS], (at + 1) * TOKENS);
      }
      await insertCheckedTokens(tx, large);
      await insertChecks(tx, large);
      await insertEvents(tx, large);
      await insertKeys(tx, large, now);
      await insertDecisions(tx, large);
    },
  ];
  // Of the largest table nothing needs to outlive the server.
  await sql`alter table tokens set unlogged`;
  await withoutIndexes(sql, async () => {
    await Promise.all(parts.map((part) => sql.begin((tx) => unchecked(tx, now, part))));
  });
  await sql`vacuum (analyze)`;
}

/** Without foreign keys, which would be looked up row by row. */
async function unchecked(tx: TransactionSql, now: Date, fill: (tx: TransactionSql) => Promise<void>): Promise<void> {
  await tx`set local session_replication_role = replica`;
  await makeNumbering(tx, now);
  await fill(tx);
}

/** Drops the indexes that are no constraint's, and makes them again from what the database says that they were. */
async function withoutIndexes(sql: Sql, fill: () => Promise<void>): Promise<void> {
  const indexes = await sql<{ name: string; definition: string }[]>`
    select c.relname as name, pg_get_indexdef(i.indexrelid) as definition
    from pg_index i join pg_class c on c.oid = i.indexrelid
    where i.indrelid::regclass::text = any(${TABLES})
      and not exists (select 1 from pg_constraint where conindid = i.indexrelid)`;
  for (const { name } of indexes) await sql`drop index ${sql(name)}`;
  await fill();
  await Promise.all(indexes.map(({ definition }) => sql.unsafe(definition.replace(' ON ONLY ', ' ON '))));
}

/** `year_at(i, n)` is when the i-th of n things of the year happened, `v7(at, i)` an id of then. PostgreSQL writes them
 *  into the statement that uses them, which it does for nothing that claims to be immutable and asks for a time zone. */
async function makeNumbering(tx: TransactionSql, now: Date): Promise<void> {
  await tx.unsafe(`
    create function pg_temp.year_at(i bigint, n bigint) returns timestamptz stable language sql
      return to_timestamp(${Math.floor(now.getTime() / 1000) - 60} - (n - i) * ${YEAR_SECONDS}::float8 / n);
    create function pg_temp.v7(at timestamptz, i bigint) returns uuid stable language sql
      return ('0' || to_hex((date_part('epoch', at) * 1000)::bigint) || '700080000' || to_hex(i + (1::bigint << 40)))::uuid;
    create function pg_temp.numbered(i bigint) returns uuid stable language sql
      return ('018cc251-f400-7000-8000-' || to_hex(i + (1::bigint << 44)))::uuid;`);
}

async function insertPeople(tx: TransactionSql, workspaceId: WorkspaceId): Promise<void> {
  // The oldest left, and one more than others is suspended.
  await tx`
    insert into members (workspace_id, id, email, name, role, status, created_at)
    select ${workspaceId}, pg_temp.numbered(i), 'person-' || i || '@acme.example', null,
      case when i % 100 = 0 then 'admin' else 'member' end,
      case when i <= 500 then 'removed' when i % 100 = 7 then 'suspended' else 'active' end, '2024-01-01'
    from generate_series(1, ${MEMBERS}::int) i`;
  await tx`
    insert into workflows (workspace_id, id, label, description, allowed_scopes, allowed_expiry_days, constraints,
      max_run_seconds, created_at, updated_at, paused_at)
    select ${workspaceId}, pg_temp.v7('2024-01-01', i), 'job-' || i, '', '{repo:*,codex:*}', '{7,30,60,90}', '{}', 21600,
      '2024-01-01', '2024-01-01', case when i % 100 = 13 then timestamptz '2025-01-01' end
    from generate_series(0, ${WORKFLOWS - 1}::int) i`;
}

/** Inserts the tokens from `first` to `last` of the `count` of a year. `apart` tells the ids of workspaces apart. */
async function insertTokens(
  tx: TransactionSql,
  workspaceId: WorkspaceId,
  [first, last, count]: readonly [number, number, number],
  apart: number,
): Promise<void> {
  // A tenth is of one workflow, and a twentieth of one person. Each fourth was rotated into the next.
  await tx`
    insert into tokens (workspace_id, id, kind, workflow, creator_id, owner_id, name, scopes, constraints, created_at,
      not_before, expires_at, expires_in_days, lineage_id, rotated_from, rotated_to, overlap_ends_at, drain_seconds,
      first_used_at, last_used_at, revoked_at, revoked_by, revoked_reason, digest, pepper_kid, verifier, secret_set_at)
    select ${workspaceId}, id, 'access', 'job-' || job, maker, case when i % 50 = 3 then pg_temp.numbered(501 + i % 500)
        else maker end, 'loaded', '{repo:read}', '{}', at, case when i % 1000 = 5 then at + interval '40 days' end,
      at + interval '1 day' * days, days, coalesce(before, id), before, after, case when i % 4 = 0 then at + interval '1 day' end,
      case when i % 4 = 0 then 3600 end, used, used, revoked, case when revoked is not null then 'host' end,
      case when revoked is not null then 'other' end, '\\x00', 'loaded', null, at
    from (
      select i, at, pg_temp.v7(at, i + ${apart}) as id, (array[7, 30, 60, 90])[i % 4 + 1] as days,
        case when i % 10 = 2 then 0 else i * 7919 % ${WORKFLOWS}::int end as job, pg_temp.numbered(person) as maker,
        case when i % 4 = 1 then pg_temp.v7(pg_temp.year_at(i - 1, ${count}), i - 1 + ${apart}) end as before,
        case when i % 4 = 0 then pg_temp.v7(pg_temp.year_at(i + 1, ${count}), i + 1 + ${apart}) end as after,
        case when i % 3 > 0 then at + interval '1 day' end as used,
        case when i % 7 = 3 and i < ${count} / 2 then at + interval '2 days' end as revoked
      from (
        select i, pg_temp.year_at(i, ${count}) as at,
          case when i % 20 = 1 then 701 else i * 104729 % 500 + 501 end as person
        from generate_series(${first}::bigint, ${last}::bigint) i
      ) numbered
    ) drawn`;
}

/** The tokens that jobs were checked with. */
async function insertCheckedTokens(tx: TransactionSql, workspaceId: WorkspaceId): Promise<void> {
  await tx`
    insert into tokens (workspace_id, id, kind, workflow, creator_id, owner_id, scopes, constraints, created_at, expires_at,
      expires_in_days, lineage_id, digest, pepper_kid, secret_set_at)
    select ${workspaceId}, pg_temp.numbered(i), 'access', 'job-' || i, pg_temp.numbered(701), pg_temp.numbered(701),
      '{codex:exec}', '{}', '2024-01-01', '2024-01-08', 7, pg_temp.numbered(i), '\\x00', 'loaded', '2024-01-01'
    from generate_series(1, ${CHECKED}::int) i`;
}

/** Of the runs those of the last days are under way, a thousand of them with a lease that ran out. */
async function insertChecks(tx: TransactionSql, workspaceId: WorkspaceId): Promise<void> {
  await tx`
    insert into exec_checks (workspace_id, id, decision, reasons, as_of, valid_until, token_id, caller_token_id, workflow,
      scopes, context, ip, run_status, lease_seconds, lease_ends_at)
    select ${workspaceId}, pg_temp.v7(at, i), case when is_denied then 'deny' else 'allow' end, '[]', at,
      at + interval '6 hours', token_id, token_id, 'job-' || case when i % 10 = 2 then 0 else i * 7919 % ${WORKFLOWS}::int end,
      '{codex:exec}', '{"repository": "acme/shop"}', '192.0.2.7', case when is_denied then null
        when i > n - ${RUNNING} then 'running' when i % 100 = 7 and i < n / 2 then 'stopped'
        when i % 100 = 17 and i < n / 2 then 'lost' else 'finished' end,
      120, case when i > n - ${RUNNING} and i % 3 > 0 then now() + interval '1 hour' else at + interval '2 minutes' end
    from (
      select i, n, i % 50 = 0 and i < n / 2 as is_denied, pg_temp.year_at(i, n) as at,
        pg_temp.numbered(case when i % 10 = 1 then 1 else i % ${CHECKED}::int + 1 end) as token_id
      from generate_series(1::bigint, ${CHECKS}) i, (select ${CHECKS}::bigint as n) counted
    ) drawn`;
}

async function insertEvents(tx: TransactionSql, workspaceId: WorkspaceId): Promise<void> {
  const [head] = await tx<{ seq: string }[]>`
    update audit_heads set seq = seq + ${EVENTS} where workspace_id = ${workspaceId} returning seq - ${EVENTS} as seq`;
  await tx`
    insert into audit_events (workspace_id, seq, id, at, actor_type, actor_id, action, target, data, prev_hash, hash)
    select ${workspaceId}, ${head?.seq ?? 0}::bigint + i, pg_temp.v7(pg_temp.year_at(i, ${EVENTS}), i),
      pg_temp.year_at(i, ${EVENTS}), 'member', 'mem_0000000000000000000000',
      case when i % 100 = 0 and i > ${EVENTS / 2} then 'token.revoked' when i % 4 = 1 then 'token.rotated' else 'token.minted' end,
      'tok_' || lpad((i / 4)::text, 22, '0'), '{"workflow": "job-1"}', repeat('0', 64), repeat('0', 64)
    from generate_series(1::bigint, ${EVENTS}) i`;
}

async function insertKeys(tx: TransactionSql, workspaceId: WorkspaceId, now: Date): Promise<void> {
  await tx`
    insert into idempotency_keys (workspace_id, member_id, key, body_hash, token_id, created_at)
    select ${workspaceId}, pg_temp.numbered(i % ${MEMBERS} + 1), encode(sha256(int8send(i)), 'hex'), sha256(int8send(i)),
      pg_temp.v7(pg_temp.year_at(i, ${TOKENS}), i), ${now.toISOString()}::timestamptz - interval '1.75 seconds' * i
    from generate_series(1::bigint, ${KEYS}) i`;
}

/** Decisions of one run, of others of this quarter, and some that are too old. */
async function insertDecisions(tx: TransactionSql, workspaceId: WorkspaceId): Promise<void> {
  await tx`
    insert into exec_checks (workspace_id, id, decision, reasons, as_of, valid_until, token_id, caller_token_id, workflow,
      scopes, context, run_status, lease_seconds, lease_ends_at)
    select ${workspaceId}, ${DECIDED_RUN}, 'allow', '[]', at, at, pg_temp.numbered(1), pg_temp.numbered(1), 'job-1',
      '{codex:exec}', '{}', 'finished', 120, at
    from (select now() - interval '1 day' as at) day`;
  await tx`
    insert into tool_decisions (workspace_id, id, check_id, at, event, tool, decision, code, rule, detail)
    select ${workspaceId}, pg_temp.v7(at, i), check_id, at, 'PreToolUse', 'Bash',
      case when i % 50 = 0 and i < ${DECISIONS / 2} then 'deny' else 'allow' end, 'tool_rule', i % 20, ''
    from (
      select i, case when i <= ${DECISIONS} then ${DECIDED_RUN} else pg_temp.v7(now(), i / 100) end as check_id,
        case when i <= ${DECISIONS} then now() - interval '1 second' * (${DECISIONS} - i)
          when i <= ${DECISIONS + DECISIONS_OF_OTHERS} then now() - interval '50 seconds' * (i - ${DECISIONS})
          else now() - interval '100 days' end as at
      from generate_series(1::bigint, ${DECISIONS + DECISIONS_OF_OTHERS + OLD_DECISIONS}) i
    ) drawn`;
}
