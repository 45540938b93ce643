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
import type { DeviceStatus } from '../rules/device.js';
import type { Denial } from '../rules/exec-check.js';
import type {
  CheckId,
  DeliveryId,
  DeviceId,
  EnrolmentId,
  EventId,
  IncidentId,
  MemberId,
  PasskeyId,
  RunnerId,
  SessionId,
  StepUpId,
  TokenId,
  ToolDecisionId,
  TrustRuleId,
  WebhookId,
  WorkflowId,
  WorkspaceId,
} from '../rules/format.js';
import type { IncidentKind, IncidentRecord, ReuseRule } from '../rules/incident.js';
import type { LeaverRule } from '../rules/leaver.js';
import type { MailPayload } from '../rules/mail.js';
import type { Role } from '../rules/role.js';
import type { RunStatus } from '../rules/run.js';
import type { EnrolmentStatus, RunnerStatus } from '../rules/runner.js';
import type { SessionMethod } from '../rules/session.js';
import type { StepUpStatus } from '../rules/step-up.js';
import type { FreezeReason, MemberStatus, RevokeReason, TokenKind } from '../rules/token.js';
import type { ToolRules } from '../rules/tool-rule.js';
import type { Claims } from '../rules/trust-rule.js';
import type { VerifyKey } from '../rules/verify-key.js';
import type { DeliveryStatus, WebhookForm } from '../rules/webhook.js';
import type { WorkflowRotation } from '../rules/workflow-rotation.js';
import type { WorkspacePolicy } from '../rules/workspace-policy.js';

const bytea = customType<{ data: Buffer; driverData: Buffer }>({ dataType: () => 'bytea' });
const instant = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' });

/** A tenant. Every other row belongs to one, and names it in its key. */
export const workspaces = pgTable('workspaces', {
  id: uuid('id').$type<WorkspaceId>().primaryKey(),
  slug: text('slug').notNull().unique(),
  createdAt: instant('created_at').notNull(),
  suspendedAt: instant('suspended_at'),
  policy: jsonb('policy').$type<WorkspacePolicy>(),
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
    externalId: text('external_id'),
    createdAt: instant('created_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.workspaceId, table.id] }),
    uniqueIndex('members_email')
      .on(table.workspaceId, sql`lower(${table.email})`)
      .where(sql`${table.status} <> 'removed'`),
    index('members_present').on(table.workspaceId, table.id).where(sql`${table.status} <> 'removed'`),
    index('members_owners').on(table.workspaceId, table.id).where(sql`${table.role} = 'owner'`),
    index('members_keepers').on(table.workspaceId, table.id).where(sql`${table.role} in ('owner', 'admin')`),
    index('members_email_anywhere').on(sql`lower(${table.email})`).where(sql`${table.status} <> 'removed'`),
    uniqueIndex('members_external_id')
      .on(table.workspaceId, table.externalId)
      .where(sql`${table.externalId} is not null and ${table.status} <> 'removed'`),
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
    maxConcurrentRuns: integer('max_concurrent_runs'),
    maxConcurrentRunsPerToken: integer('max_concurrent_runs_per_token'),
    toolRules: jsonb('tool_rules').$type<ToolRules>(),
    leaverRule: text('leaver_rule').$type<LeaverRule>(),
    leaverSuccessorId: uuid('leaver_successor_id').$type<MemberId>(),
    leaverWindowDays: integer('leaver_window_days'),
    contacts: text('contacts').array(),
    reuseRule: text('reuse_rule').$type<ReuseRule>(),
    rotations: jsonb('rotations').$type<readonly WorkflowRotation[]>(),
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
    lastUsedCheckId: uuid('last_used_check_id').$type<CheckId>(),
    revokedAt: instant('revoked_at'),
    revokedBy: text('revoked_by'),
    revokedReason: text('revoked_reason').$type<RevokeReason>(),
    revokedNote: text('revoked_note'),
    reuseRecordedAt: instant('reuse_recorded_at'),
    cnfJkt: text('cnf_jkt'),
    runnerId: uuid('runner_id').$type<RunnerId>(),
    frozenAt: instant('frozen_at'),
    frozenReason: text('frozen_reason').$type<FreezeReason>(),
    takeoverBy: uuid('takeover_by').$type<MemberId>(),
    takeoverUntil: instant('takeover_until'),
    sessionId: uuid('session_id').$type<SessionId>(),
    trustRuleId: uuid('trust_rule_id').$type<TrustRuleId>(),
    steppedUpUntil: instant('stepped_up_until'),
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
    index('tokens_runner').on(table.workspaceId, table.runnerId, table.id).where(sql`${table.runnerId} is not null`),
    index('tokens_session').on(table.workspaceId, table.sessionId, table.id).where(sql`${table.sessionId} is not null`),
    index('tokens_trust_rule')
      .on(table.workspaceId, table.trustRuleId, table.id)
      .where(sql`${table.trustRuleId} is not null`),
    index('tokens_frozen').on(table.workspaceId, table.id).where(sql`${table.frozenAt} is not null`),
    index('tokens_takeover').on(table.takeoverUntil).where(sql`${table.takeoverUntil} is not null`),
    index('tokens_expires').on(table.expiresAt).where(sql`${table.revokedAt} is null`),
    index('tokens_ending')
      .on(table.workspaceId, table.expiresAt, table.id)
      .where(sql`${table.revokedAt} is null and ${table.rotatedTo} is null and ${table.expiresInDays} > 0`),
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

/** A decision about a job, and the run that followed a yes. `runStatus` is empty for a denial and for what an earlier
 *  release decided. Partitioned by month over the time in its id. */
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
    runnerId: uuid('runner_id').$type<RunnerId>(),
    runStatus: text('run_status').$type<RunStatus>(),
    leaseSeconds: integer('lease_seconds'),
    leaseEndsAt: instant('lease_ends_at'),
    stoppedAt: instant('stopped_at'),
    stoppedBy: text('stopped_by'),
    stoppedReason: text('stopped_reason'),
    finishedAt: instant('finished_at'),
    exitCode: integer('exit_code'),
    signal: text('signal'),
  },
  (table) => [
    primaryKey({ columns: [table.workspaceId, table.id] }),
    index('exec_checks_workflow').on(table.workspaceId, table.workflow, table.id),
    index('exec_checks_token').on(table.workspaceId, table.tokenId, table.id),
    index('exec_checks_denied').on(table.workspaceId, table.id).where(sql`${table.decision} = 'deny'`),
    index('exec_checks_running')
      .on(table.workspaceId, table.workflow, table.tokenId, table.id)
      .where(sql`${table.runStatus} = 'running'`),
    index('exec_checks_runs').on(table.workspaceId, table.id).where(sql`${table.runStatus} is not null`),
  ],
);

/** A host that proves itself with a key of its own (RFC 9449). `jkt` is the thumbprint of that key (RFC 7638). A removed
 *  one stays, because checks and events name it. */
export const runners = pgTable(
  'runners',
  {
    workspaceId: uuid('workspace_id')
      .$type<WorkspaceId>()
      .notNull()
      .references(() => workspaces.id),
    id: uuid('id').$type<RunnerId>().notNull(),
    name: text('name').notNull(),
    labels: text('labels').array().notNull(),
    jkt: text('jkt').notNull(),
    status: text('status').$type<RunnerStatus>().notNull(),
    createdAt: instant('created_at').notNull(),
    createdBy: uuid('created_by').$type<MemberId>().notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.workspaceId, table.id] }),
    uniqueIndex('runners_name').on(table.workspaceId, table.name).where(sql`${table.status} <> 'removed'`),
    uniqueIndex('runners_jkt').on(table.jkt).where(sql`${table.status} <> 'removed'`),
    foreignKey({
      name: 'runners_creator_fk',
      columns: [table.workspaceId, table.createdBy],
      foreignColumns: [members.workspaceId, members.id],
    }),
  ],
);

/** A host that asks to become a runner. It belongs to no workspace until somebody approves it. `locator` finds the row,
 *  `verifier` is the argon2id string of the rest of the user code. */
export const runnerEnrolments = pgTable(
  'runner_enrolments',
  {
    id: uuid('id').$type<EnrolmentId>().primaryKey(),
    locator: text('locator').notNull(),
    verifier: text('verifier').notNull(),
    tries: integer('tries').notNull(),
    name: text('name').notNull(),
    labels: text('labels').array().notNull(),
    jkt: text('jkt').notNull(),
    ip: text('ip'),
    createdAt: instant('created_at').notNull(),
    expiresAt: instant('expires_at').notNull(),
    status: text('status').$type<EnrolmentStatus>().notNull(),
    workspaceId: uuid('workspace_id').$type<WorkspaceId>(),
    runnerId: uuid('runner_id').$type<RunnerId>(),
    expiresInDays: integer('expires_in_days'),
  },
  (table) => [
    uniqueIndex('runner_enrolments_locator').on(table.locator).where(sql`${table.status} = 'pending'`),
    index('runner_enrolments_expires').on(table.expiresAt),
  ],
);

/** Proofs of possession that were seen, so that none is taken twice (RFC 9449 section 11.1). Kept while one would be
 *  taken. */
export const dpopProofs = pgTable(
  'dpop_proofs',
  {
    jtiHash: bytea('jti_hash').primaryKey(),
    expiresAt: instant('expires_at').notNull(),
  },
  (table) => [index('dpop_proofs_expires').on(table.expiresAt)],
);

/** What the guard of a run decided about prompts and tools of its agent. Kept for 90 days. */
export const toolDecisions = pgTable(
  'tool_decisions',
  {
    workspaceId: uuid('workspace_id').$type<WorkspaceId>().notNull(),
    id: uuid('id').$type<ToolDecisionId>().notNull(),
    checkId: uuid('check_id').$type<CheckId>().notNull(),
    at: instant('at').notNull(),
    event: text('event').notNull(),
    tool: text('tool'),
    decision: text('decision').$type<'allow' | 'deny' | 'ask'>().notNull(),
    code: text('code').notNull(),
    rule: integer('rule'),
    detail: text('detail').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.workspaceId, table.id] }),
    index('tool_decisions_check').on(table.workspaceId, table.checkId, table.id),
    index('tool_decisions_at').on(table.at),
  ],
);

/** A person who signed in on the pages. `digest` is a keyed hash of the cookie's secret, like a token's. Kept for 30 days
 *  after its end, because tokens and events name it. */
export const sessions = pgTable(
  'sessions',
  {
    workspaceId: uuid('workspace_id').$type<WorkspaceId>().notNull(),
    id: uuid('id').$type<SessionId>().notNull(),
    memberId: uuid('member_id').$type<MemberId>().notNull(),
    method: text('method').$type<SessionMethod>().notNull(),
    digest: bytea('digest').notNull(),
    pepperKid: text('pepper_kid').notNull(),
    createdAt: instant('created_at').notNull(),
    lastUsedAt: instant('last_used_at').notNull(),
    expiresAt: instant('expires_at').notNull(),
    endedAt: instant('ended_at'),
    issuer: text('issuer'),
    subject: text('subject'),
    sid: text('sid'),
    ip: text('ip'),
    userAgent: text('user_agent'),
  },
  (table) => [
    primaryKey({ columns: [table.workspaceId, table.id] }),
    uniqueIndex('sessions_id').on(table.id),
    index('sessions_member').on(table.workspaceId, table.memberId, table.id),
    index('sessions_subject').on(table.issuer, table.subject).where(sql`${table.endedAt} is null`),
    index('sessions_expires').on(table.expiresAt),
    foreignKey({
      name: 'sessions_member_fk',
      columns: [table.workspaceId, table.memberId],
      foreignColumns: [members.workspaceId, members.id],
    }),
  ],
);

/** Which person of an OpenID provider a member is. The subject never changes; the e-mail address may. */
export const identities = pgTable(
  'identities',
  {
    workspaceId: uuid('workspace_id').$type<WorkspaceId>().notNull(),
    issuer: text('issuer').notNull(),
    subject: text('subject').notNull(),
    memberId: uuid('member_id').$type<MemberId>().notNull(),
    createdAt: instant('created_at').notNull(),
    lastSignInAt: instant('last_sign_in_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.workspaceId, table.issuer, table.subject] }),
    index('identities_subject').on(table.issuer, table.subject),
    index('identities_member').on(table.workspaceId, table.memberId),
    foreignKey({
      name: 'identities_member_fk',
      columns: [table.workspaceId, table.memberId],
      foreignColumns: [members.workspaceId, members.id],
    }),
  ],
);

/** What is taken once and never again: states of sign-ins, challenges, the `jti` of foreign tokens. Kept while one would be
 *  taken. `digest` says what kind of thing it is, too. */
export const seenOnce = pgTable(
  'seen_once',
  {
    digest: bytea('digest').primaryKey(),
    expiresAt: instant('expires_at').notNull(),
  },
  (table) => [index('seen_once_expires').on(table.expiresAt)],
);

/** A device that asks to act for a person (RFC 8628). `digest` is the keyed hash of the device code; `locator` finds the row
 *  for the user code, `verifier` is the argon2id string of its rest. `scopes` are those it asks for, all
 *  without any. It belongs to no workspace, and has no token, until somebody approves. */
export const deviceAuthorizations = pgTable(
  'device_authorizations',
  {
    id: uuid('id').$type<DeviceId>().primaryKey(),
    digest: bytea('digest').notNull(),
    pepperKid: text('pepper_kid').notNull(),
    locator: text('locator').notNull(),
    verifier: text('verifier').notNull(),
    tries: integer('tries').notNull(),
    clientName: text('client_name').notNull(),
    ip: text('ip'),
    createdAt: instant('created_at').notNull(),
    expiresAt: instant('expires_at').notNull(),
    status: text('status').$type<DeviceStatus>().notNull(),
    workspaceId: uuid('workspace_id').$type<WorkspaceId>(),
    memberId: uuid('member_id').$type<MemberId>(),
    sessionId: uuid('session_id').$type<SessionId>(),
    scopes: text('scopes').array(),
    tokenId: uuid('token_id').$type<TokenId>(),
  },
  (table) => [
    uniqueIndex('device_authorizations_locator').on(table.locator).where(sql`${table.status} = 'pending'`),
    index('device_authorizations_expires').on(table.expiresAt),
  ],
);

/** A key that a person signs in with (WebAuthn). The public half alone. */
export const passkeys = pgTable(
  'passkeys',
  {
    workspaceId: uuid('workspace_id').$type<WorkspaceId>().notNull(),
    id: uuid('id').$type<PasskeyId>().notNull(),
    memberId: uuid('member_id').$type<MemberId>().notNull(),
    credentialId: text('credential_id').notNull(),
    publicKey: bytea('public_key').notNull(),
    counter: bigint('counter', { mode: 'number' }).notNull(),
    transports: text('transports').array().notNull(),
    name: text('name').notNull(),
    createdAt: instant('created_at').notNull(),
    lastUsedAt: instant('last_used_at'),
  },
  (table) => [
    primaryKey({ columns: [table.workspaceId, table.id] }),
    uniqueIndex('passkeys_credential').on(table.credentialId),
    index('passkeys_member').on(table.workspaceId, table.memberId, table.id),
    foreignKey({
      name: 'passkeys_member_fk',
      columns: [table.workspaceId, table.memberId],
      foreignColumns: [members.workspaceId, members.id],
    }),
  ],
);

/** A token that asks its person to confirm a dangerous act with a passkey (RFC 9470). */
export const stepUps = pgTable(
  'step_ups',
  {
    id: uuid('id').$type<StepUpId>().primaryKey(),
    workspaceId: uuid('workspace_id').$type<WorkspaceId>().notNull(),
    tokenId: uuid('token_id').$type<TokenId>().notNull(),
    memberId: uuid('member_id').$type<MemberId>().notNull(),
    act: text('act').notNull(),
    ip: text('ip'),
    createdAt: instant('created_at').notNull(),
    expiresAt: instant('expires_at').notNull(),
    status: text('status').$type<StepUpStatus>().notNull(),
  },
  (table) => [index('step_ups_expires').on(table.expiresAt)],
);

/** Which jobs of a CI platform get a token for a workflow by the platform's own (RFC 8693). `createdBy` is accountable for
 *  them. */
export const trustRules = pgTable(
  'trust_rules',
  {
    workspaceId: uuid('workspace_id')
      .$type<WorkspaceId>()
      .notNull()
      .references(() => workspaces.id),
    id: uuid('id').$type<TrustRuleId>().notNull(),
    name: text('name').notNull(),
    preset: text('preset'),
    issuer: text('issuer').notNull(),
    audience: text('audience').notNull(),
    claims: jsonb('claims').$type<Claims>().notNull(),
    jwks: jsonb('jwks').$type<{ readonly keys: readonly VerifyKey[] }>(),
    workflow: text('workflow').notNull(),
    scopes: text('scopes').array().notNull(),
    constraints: jsonb('constraints').$type<Constraints>().notNull(),
    expiresInSeconds: integer('expires_in_seconds').notNull(),
    createdBy: uuid('created_by').$type<MemberId>().notNull(),
    createdAt: instant('created_at').notNull(),
    updatedAt: instant('updated_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.workspaceId, table.id] }),
    unique('trust_rules_name').on(table.workspaceId, table.name),
    index('trust_rules_issuer').on(table.issuer, table.audience),
    foreignKey({
      name: 'trust_rules_workflow_fk',
      columns: [table.workspaceId, table.workflow],
      foreignColumns: [workflows.workspaceId, workflows.label],
    }),
    foreignKey({
      name: 'trust_rules_creator_fk',
      columns: [table.workspaceId, table.createdBy],
      foreignColumns: [members.workspaceId, members.id],
    }),
  ],
);

/** A token that leaked, or whose dead secret was used: one for each token and kind while it is open. */
export const incidents = pgTable(
  'incidents',
  {
    workspaceId: uuid('workspace_id').$type<WorkspaceId>().notNull(),
    id: uuid('id').$type<IncidentId>().notNull(),
    kind: text('kind').$type<IncidentKind>().notNull(),
    tokenId: uuid('token_id').$type<TokenId>().notNull(),
    lineageId: uuid('lineage_id').$type<TokenId>().notNull(),
    openedAt: instant('opened_at').notNull(),
    lastSeenAt: instant('last_seen_at').notNull(),
    timesSeen: integer('times_seen').notNull(),
    source: jsonb('source').$type<IncidentRecord>().notNull(),
    closedAt: instant('closed_at'),
    closedBy: text('closed_by'),
    closedNote: text('closed_note'),
  },
  (table) => [
    primaryKey({ columns: [table.workspaceId, table.id] }),
    uniqueIndex('incidents_open')
      .on(table.workspaceId, table.tokenId, table.kind)
      .where(sql`${table.closedAt} is null`),
    index('incidents_token').on(table.workspaceId, table.tokenId, table.id),
  ],
);

/** Where a workspace wants to be told of what happens. The secret that signs is derived and not here. */
export const webhooks = pgTable(
  'webhooks',
  {
    workspaceId: uuid('workspace_id')
      .$type<WorkspaceId>()
      .notNull()
      .references(() => workspaces.id),
    id: uuid('id').$type<WebhookId>().notNull(),
    url: text('url').notNull(),
    form: text('form').$type<WebhookForm>().notNull(),
    events: text('events').array().notNull(),
    description: text('description').notNull(),
    secretVersion: integer('secret_version').notNull(),
    createdAt: instant('created_at').notNull(),
    createdBy: uuid('created_by').$type<MemberId>().notNull(),
    disabledAt: instant('disabled_at'),
  },
  (table) => [primaryKey({ columns: [table.workspaceId, table.id] })],
);

/** A message that is on its way, or was. Of the same occasion a webhook gets one: `occasion` says which. Kept for 30 days. */
export const webhookDeliveries = pgTable(
  'webhook_deliveries',
  {
    workspaceId: uuid('workspace_id').$type<WorkspaceId>().notNull(),
    id: uuid('id').$type<DeliveryId>().notNull(),
    webhookId: uuid('webhook_id').$type<WebhookId>().notNull(),
    occasion: text('occasion').notNull(),
    event: text('event').notNull(),
    payload: jsonb('payload').$type<Record<string, unknown>>().notNull(),
    status: text('status').$type<DeliveryStatus>().notNull(),
    attempts: integer('attempts').notNull(),
    createdAt: instant('created_at').notNull(),
    nextAttemptAt: instant('next_attempt_at'),
    lastAttemptAt: instant('last_attempt_at'),
    lastFault: text('last_fault'),
  },
  (table) => [
    primaryKey({ columns: [table.workspaceId, table.id] }),
    uniqueIndex('webhook_deliveries_occasion').on(table.workspaceId, table.webhookId, table.occasion),
    index('webhook_deliveries_due').on(table.nextAttemptAt).where(sql`${table.status} = 'pending'`),
    index('webhook_deliveries_webhook').on(table.workspaceId, table.webhookId, table.id),
    index('webhook_deliveries_created').on(table.createdAt),
  ],
);

/** A mail that is on its way, or was. Of the same occasion an address gets one. Kept for 30 days. */
export const mailDeliveries = pgTable(
  'mail_deliveries',
  {
    workspaceId: uuid('workspace_id').$type<WorkspaceId>().notNull(),
    id: uuid('id').$type<DeliveryId>().notNull(),
    recipient: text('recipient').notNull(),
    occasion: text('occasion').notNull(),
    event: text('event').notNull(),
    payload: jsonb('payload').$type<MailPayload>().notNull(),
    status: text('status').$type<DeliveryStatus>().notNull(),
    attempts: integer('attempts').notNull(),
    createdAt: instant('created_at').notNull(),
    nextAttemptAt: instant('next_attempt_at'),
    lastAttemptAt: instant('last_attempt_at'),
    lastFault: text('last_fault'),
  },
  (table) => [
    primaryKey({ columns: [table.workspaceId, table.id] }),
    uniqueIndex('mail_deliveries_occasion').on(table.workspaceId, sql`lower(${table.recipient})`, table.occasion),
    index('mail_deliveries_due').on(table.nextAttemptAt).where(sql`${table.status} = 'pending'`),
    index('mail_deliveries_created').on(table.createdAt),
  ],
);

/** Which notice of its expiry a token has had, by how many days were left: each once, on all nodes. */
export const expiryNotices = pgTable(
  'expiry_notices',
  {
    workspaceId: uuid('workspace_id').$type<WorkspaceId>().notNull(),
    tokenId: uuid('token_id').$type<TokenId>().notNull(),
    daysLeft: integer('days_left').notNull(),
    at: instant('at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.workspaceId, table.tokenId, table.daysLeft] })],
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

/** How far the files of the revocation journal have come, as far as the database was told: the last line begins with `mac`. */
export const journalFiles = pgTable('journal_files', {
  name: text('name').primaryKey(),
  mac: text('mac').notNull(),
  writtenAt: instant('written_at').notNull(),
});

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
