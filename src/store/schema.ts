import { sql } from 'drizzle-orm';
import {
  bigint,
  customType,
  foreignKey,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  timestamp,
  unique,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';
import type { Constraints } from '../rules/constraint.js';
import type { Denial } from '../rules/exec-check.js';
import type { CheckId, EventId, MemberId, TokenId, WorkflowId, WorkspaceId } from '../rules/format.js';
import type { Role } from '../rules/role.js';
import type { MemberStatus, RevokeReason, TokenKind } from '../rules/token.js';

const bytea = customType<{ data: Buffer; driverData: Buffer }>({ dataType: () => 'bytea' });
const instant = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' });

/** A tenant. Every other row belongs to one, and names it in its key. */
export const workspaces = pgTable('workspaces', {
  id: uuid('id').$type<WorkspaceId>().primaryKey(),
  slug: text('slug').notNull().unique(),
  createdAt: instant('created_at').notNull(),
  suspendedAt: instant('suspended_at'),
});

/** A person. A removed one stays, because tokens and events name it; adding the person again makes another row. */
export const members = pgTable(
  'members',
  {
    workspaceId: uuid('workspace_id')
      .$type<WorkspaceId>()
      .notNull()
      .references(() => workspaces.id),
    id: uuid('id').$type<MemberId>().notNull(),
    email: text('email').notNull(),
    name: text('name'),
    role: text('role').$type<Role>().notNull(),
    status: text('status').$type<MemberStatus>().notNull(),
    createdAt: instant('created_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.workspaceId, table.id] }),
    uniqueIndex('members_email')
      .on(table.workspaceId, sql`lower(${table.email})`)
      .where(sql`${table.status} <> 'removed'`),
    index('members_present').on(table.workspaceId, table.id).where(sql`${table.status} <> 'removed'`),
    index('members_owners').on(table.workspaceId, table.id).where(sql`${table.role} = 'owner'`),
  ],
);

/** A kind of job, and what its tokens may be. */
export const workflows = pgTable(
  'workflows',
  {
    workspaceId: uuid('workspace_id')
      .$type<WorkspaceId>()
      .notNull()
      .references(() => workspaces.id),
    id: uuid('id').$type<WorkflowId>().notNull(),
    label: text('label').notNull(),
    description: text('description').notNull(),
    allowedScopes: text('allowed_scopes').array().notNull(),
    allowedExpiryDays: integer('allowed_expiry_days').array().notNull(),
    constraints: jsonb('constraints').$type<Constraints>().notNull(),
    maxRunSeconds: integer('max_run_seconds').notNull(),
    createdAt: instant('created_at').notNull(),
    updatedAt: instant('updated_at').notNull(),
    pausedAt: instant('paused_at'),
  },
  (table) => [
    primaryKey({ columns: [table.workspaceId, table.id] }),
    unique('workflows_label').on(table.workspaceId, table.label),
    index('workflows_by_code_point').on(table.workspaceId, sql`${table.label} collate "C"`),
  ],
);

/** A token without its secret: `digest` is a keyed hash whose key is not in the database, `verifier` an argon2id string.
 *  Neither authenticates. */
export const tokens = pgTable(
  'tokens',
  {
    workspaceId: uuid('workspace_id').$type<WorkspaceId>().notNull(),
    id: uuid('id').$type<TokenId>().notNull(),
    kind: text('kind').$type<TokenKind>().notNull(),
    workflow: text('workflow').notNull(),
    creatorId: uuid('creator_id').$type<MemberId>().notNull(),
    ownerId: uuid('owner_id').$type<MemberId>().notNull(),
    name: text('name'),
    scopes: text('scopes').array().notNull(),
    constraints: jsonb('constraints').$type<Constraints>().notNull(),
    createdAt: instant('created_at').notNull(),
    notBefore: instant('not_before'),
    expiresAt: instant('expires_at').notNull(),
    expiresInDays: integer('expires_in_days').notNull(),
    lineageId: uuid('lineage_id').$type<TokenId>().notNull(),
    rotatedFrom: uuid('rotated_from').$type<TokenId>(),
    rotatedTo: uuid('rotated_to').$type<TokenId>(),
    overlapEndsAt: instant('overlap_ends_at'),
    drainSeconds: integer('drain_seconds'),
    firstUsedAt: instant('first_used_at'),
    lastUsedAt: instant('last_used_at'),
    lastUsedIp: text('last_used_ip'),
    lastUsedBy: uuid('last_used_by').$type<TokenId>(),
    revokedAt: instant('revoked_at'),
    revokedBy: text('revoked_by'),
    revokedReason: text('revoked_reason').$type<RevokeReason>(),
    revokedNote: text('revoked_note'),
    reuseRecordedAt: instant('reuse_recorded_at'),
    digest: bytea('digest').notNull(),
    pepperKid: text('pepper_kid').notNull(),
    verifier: text('verifier'),
    secretSetAt: instant('secret_set_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.workspaceId, table.id] }),
    uniqueIndex('tokens_id').on(table.id),
    uniqueIndex('tokens_one_successor').on(table.workspaceId, table.rotatedFrom),
    index('tokens_workflow').on(table.workspaceId, table.workflow, table.id),
    index('tokens_creator').on(table.workspaceId, table.creatorId, table.id),
    index('tokens_owner').on(table.workspaceId, table.ownerId, table.id),
    index('tokens_lineage').on(table.workspaceId, table.lineageId, table.id),
    index('tokens_revoked').on(table.workspaceId, table.id).where(sql`${table.revokedAt} is not null`),
    index('tokens_not_before').on(table.workspaceId, table.id).where(sql`${table.notBefore} is not null`),
    foreignKey({
      name: 'tokens_workflow_fk',
      columns: [table.workspaceId, table.workflow],
      foreignColumns: [workflows.workspaceId, workflows.label],
    }),
    foreignKey({
      name: 'tokens_creator_fk',
      columns: [table.workspaceId, table.creatorId],
      foreignColumns: [members.workspaceId, members.id],
    }),
    foreignKey({
      name: 'tokens_owner_fk',
      columns: [table.workspaceId, table.ownerId],
      foreignColumns: [members.workspaceId, members.id],
    }),
  ],
);

/** A decision about a job. Partitioned by month over the time in its id. */
export const execChecks = pgTable(
  'exec_checks',
  {
    workspaceId: uuid('workspace_id').$type<WorkspaceId>().notNull(),
    id: uuid('id').$type<CheckId>().notNull(),
    decision: text('decision').$type<'allow' | 'deny'>().notNull(),
    reasons: jsonb('reasons').$type<Denial[]>().notNull(),
    asOf: instant('as_of').notNull(),
    validUntil: instant('valid_until'),
    tokenId: uuid('token_id').$type<TokenId>(),
    callerTokenId: uuid('caller_token_id').$type<TokenId>().notNull(),
    workflow: text('workflow').notNull(),
    scopes: text('scopes').array().notNull(),
    context: jsonb('context').$type<Record<string, string>>().notNull(),
    ip: text('ip'),
    finishedAt: instant('finished_at'),
    exitCode: integer('exit_code'),
    signal: text('signal'),
  },
  (table) => [
    primaryKey({ columns: [table.workspaceId, table.id] }),
    index('exec_checks_workflow').on(table.workspaceId, table.workflow, table.id),
    index('exec_checks_token').on(table.workspaceId, table.tokenId, table.id),
    index('exec_checks_denied').on(table.workspaceId, table.id).where(sql`${table.decision} = 'deny'`),
  ],
);

/** The last link of each workspace's chain. Locked last in a transaction, so that the lock is short. */
export const auditHeads = pgTable('audit_heads', {
  workspaceId: uuid('workspace_id')
    .$type<WorkspaceId>()
    .primaryKey()
    .references(() => workspaces.id),
  seq: bigint('seq', { mode: 'number' }).notNull(),
  hash: text('hash').notNull(),
});

/** What happened: append-only, each event hashed over the one before. */
export const auditEvents = pgTable(
  'audit_events',
  {
    workspaceId: uuid('workspace_id').$type<WorkspaceId>().notNull(),
    seq: bigint('seq', { mode: 'number' }).notNull(),
    id: uuid('id').$type<EventId>().notNull(),
    at: instant('at').notNull(),
    actorType: text('actor_type').$type<'member' | 'token' | 'host' | 'system'>().notNull(),
    actorId: text('actor_id').notNull(),
    action: text('action').notNull(),
    target: text('target').notNull(),
    ip: text('ip'),
    userAgent: text('user_agent'),
    requestId: text('request_id'),
    data: jsonb('data').$type<Record<string, unknown>>().notNull(),
    prevHash: text('prev_hash').notNull(),
    hash: text('hash').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.workspaceId, table.seq] }),
    index('audit_events_target').on(table.workspaceId, table.target, table.seq),
    index('audit_events_action').on(table.workspaceId, table.action, table.seq),
  ],
);

/** Which token a retried mint means. Kept for a day. */
export const idempotencyKeys = pgTable(
  'idempotency_keys',
  {
    workspaceId: uuid('workspace_id').$type<WorkspaceId>().notNull(),
    memberId: uuid('member_id').$type<MemberId>().notNull(),
    key: text('key').notNull(),
    bodyHash: bytea('body_hash').notNull(),
    tokenId: uuid('token_id').$type<TokenId>().notNull(),
    createdAt: instant('created_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.workspaceId, table.memberId, table.key] }),
    index('idempotency_keys_created').on(table.createdAt),
  ],
);
