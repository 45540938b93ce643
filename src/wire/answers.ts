import { z } from 'zod';
import { REUSE_RULES } from '../rules/incident.js';
import { ROLES } from '../rules/role.js';
import { RUN_STATUSES } from '../rules/run.js';
import { FREEZE_REASONS, MEMBER_STATUSES, REVOKE_REASONS, TOKEN_STATUSES } from '../rules/token.js';
import type {
  AcceptedMember,
  AuditEvent,
  Checkpoint,
  Constraints,
  ExecCheck,
  ExecContext,
  ExecDecision,
  Explanation,
  Introspection,
  InvitedMember,
  LastRun,
  Leaver,
  Me,
  Member,
  MintedToken,
  MintedTokens,
  Person,
  Revocation,
  Run,
  Token,
  Workflow,
  WorkflowRotation,
} from './resources.js';

export const timestamp = z.iso
  .datetime({ offset: true, error: 'must be an RFC 3339 time, such as 2026-01-31T12:00:00Z' })
  .refine((text) => {
    const year = new Date(text).getUTCFullYear();
    return year >= 1970 && year <= 9999;
  }, 'must lie between the years 1970 and 9999')
  .meta({ format: 'date-time' });

export const role = z.enum(ROLES);
export const memberStatus = z.enum(MEMBER_STATUSES);
export const tokenStatus = z.enum(TOKEN_STATUSES);
export const revokeReason = z.enum(REVOKE_REASONS);

/** Wraps a resource's schema in the form of a page. */
export function page<T>(id: string, item: z.ZodType<T>) {
  const nextCursor = z
    .string()
    .nullable()
    .describe(
      'Pass it as `cursor` for the next page; `null` on the last. Where few entries match a filter a page may hold fewer than `limit`, even none, and still not be the last.',
    );
  return z.object({ data: z.array(item), next_cursor: nextCursor }).meta({ id });
}

const list = z.array(z.string()).optional();

/** Constraints as an answer shows them: an empty list means that nothing passes. */
export const shownConstraints: z.ZodType<Constraints> = z
  .object({ repositories: list, refs: list, environments: list, runners: list, networks: list })
  .meta({
    id: 'ShownConstraints',
    description: 'Where tokens may be used. An absent kind does not constrain; an empty list lets nothing through.',
  });

export const person: z.ZodType<Person> = z
  .object({ id: z.string(), email: z.string(), name: z.string().nullable() })
  .meta({ id: 'Person' });

const lastRun: z.ZodType<LastRun> = z
  .object({
    run_id: z.string(),
    check_id: z.string(),
    started_at: timestamp,
    repository: z.string().nullable(),
    ref: z.string().nullable(),
    job: z.string().nullable(),
    runner: z.object({ id: z.string(), name: z.string() }).nullable().describe('The trusted runner that asked.'),
  })
  .meta({ id: 'LastRun', description: 'The last run that began by a token. Where it ran is what its job said.' });

export const tokenShape = {
  id: z.string().describe('`tok_…`. Public: it proves nothing.'),
  name: z.string().nullable(),
  workspace_id: z.string(),
  workflow: z.string().describe('The label of the workflow that the token belongs to.'),
  creator: person.describe('Who made it. Never changes.'),
  owner: person.describe('Who is accountable for it now.'),
  scopes: z.array(z.string()),
  constraints: shownConstraints,
  status: tokenStatus.describe(
    '`rotating` is active with a successor out; `suspended` means that its creator is, that it is frozen, that its workflow is paused, or that it does not comply with a policy of the workspace that blocks.',
  ),
  created_at: timestamp,
  not_before: timestamp.nullable(),
  expires_at: timestamp.describe('At this instant it is expired.'),
  last_used_at: timestamp.nullable(),
  last_used_ip: z.string().nullable(),
  last_used_by: z.string().nullable().describe('The token that asked, when another one did, such as a runner’s.'),
  last_used_run: lastRun
    .nullable()
    .default(null)
    .describe('The last run that it was let in for, whatever it was used for since. Kept for 13 months.'),
  lineage_id: z.string().describe('The id of the first token of its line of rotations.'),
  rotated_from: z.string().nullable().describe('The predecessor.'),
  rotated_to: z.string().nullable().describe('The successor.'),
  overlap_ends_at: timestamp.nullable().describe('When it stops being valid for having a successor.'),
  revoked_at: timestamp.nullable(),
  revoked_by: z.string().nullable(),
  revoked_reason: revokeReason.nullable(),
  runner_id: z
    .string()
    .nullable()
    .default(null)
    .describe('The trusted runner that it is bound to: good only with a proof of its key.'),
  frozen_at: timestamp.nullable().default(null).describe('Since when it is held back until somebody unfreezes it.'),
  frozen_reason: z
    .enum(FREEZE_REASONS)
    .nullable()
    .default(null)
    .describe('`owner_left`: its creator left. `unused`: nobody used it for as long as the workspace’s policy says.'),
  takeover_by: z.string().nullable().default(null).describe('The member who may take it over.'),
  takeover_until: timestamp.nullable().default(null).describe('Until when; from then on it ends.'),
};

export const token: z.ZodType<Token> = z.object(tokenShape).meta({ id: 'Token' });
export const mintedToken: z.ZodType<MintedToken> = z
  .object({ ...tokenShape, token: z.string().describe('The printed token, shown this once.') })
  .meta({ id: 'MintedToken' });

export const mintedTokens: z.ZodType<MintedTokens> = z
  .object({ tokens: z.array(mintedToken).describe('In the order of the request.') })
  .meta({ id: 'MintedTokens' });

export const tokenPage = page('TokenPage', token);

export const revocation: z.ZodType<Revocation> = z
  .object({
    revoked: z.int().describe('How many were revoked, or would be on a dry run.'),
    token_ids: z.array(z.string()).describe('The first 200 of them.'),
  })
  .meta({ id: 'Revocation' });

export const explanation: z.ZodType<Explanation> = z
  .object({
    id: z.string(),
    at: timestamp,
    status: tokenStatus,
    summary: z.string().describe('The state in a sentence.'),
    facts: z.array(
      z.object({
        at: timestamp,
        fact: z
          .string()
          .describe('What happened: an action of the audit trail, what the clock does, or the first use.'),
        detail: z.string(),
        by: z.string().nullable().describe('Who did it; `null` for what no event tells.'),
        reason: z.string().nullable(),
        event_id: z.string().nullable().describe('The audit event that proves it.'),
      }),
    ),
  })
  .meta({ id: 'Explanation' });

const shownLeaver: z.ZodType<Leaver> = z
  .discriminatedUnion('rule', [
    z.object({ rule: z.literal('freeze') }),
    z.object({ rule: z.literal('revoke') }),
    z.object({ rule: z.literal('transfer'), successor_id: z.string(), window_days: z.int() }),
  ])
  .meta({ id: 'ShownLeaver' });

const shownRotation: z.ZodType<WorkflowRotation> = z
  .object({
    name: z.string().optional(),
    into: z.array(z.string()),
    if_expires_within_days: z.number().optional(),
    every_days: z.number().optional(),
    expires_in_days: z.int().optional(),
    overlap_seconds: z.int().optional(),
    drain_seconds: z.int().optional(),
  })
  .meta({ id: 'ShownWorkflowRotation' });

export const workflow: z.ZodType<Workflow> = z
  .object({
    id: z.string(),
    label: z.string(),
    description: z.string(),
    allowed_scopes: z.array(z.string()),
    allowed_expiry_days: z.array(z.int()),
    constraints: shownConstraints,
    max_run_seconds: z.int().describe('How long a job may run after its check.'),
    // A service of before there were limits says nothing of them.
    max_concurrent_runs: z.int().nullable().default(null).describe('`null` for no limit.'),
    max_concurrent_runs_per_token: z.int().nullable().default(null).describe('`null` for no limit.'),
    leaver: shownLeaver.nullable().default(null).describe('What becomes of its tokens when their creator leaves.'),
    reuse_rule: z.enum(REUSE_RULES).default('alarm').describe('What the use of a dead secret does to its lineage.'),
    rotations: z.array(shownRotation).default([]).describe('Where its secrets live.'),
    contacts: z.array(z.string()).default([]).describe('Who hears of its tokens by e-mail beside their owners.'),
    status: z.enum(['active', 'paused']),
    paused_at: timestamp.nullable(),
    created_at: timestamp,
    updated_at: timestamp,
  })
  .meta({ id: 'Workflow' });

export const workflowPage = page('WorkflowPage', workflow);

const memberShape = {
  id: z.string(),
  email: z.string(),
  name: z.string().nullable(),
  role,
  status: memberStatus,
  created_at: timestamp,
};

export const member: z.ZodType<Member> = z.object(memberShape).meta({ id: 'Member' });
export const memberPage = page('MemberPage', member);

export const invitedMember: z.ZodType<InvitedMember> = z
  .object({
    ...memberShape,
    invitation: z.string().describe('Shown this once. Single use, 72 hours, good for `POST /v1/members/accept` alone.'),
  })
  .meta({ id: 'InvitedMember' });

export const acceptedMember: z.ZodType<AcceptedMember> = z
  .object({ ...memberShape, token: z.string().describe('A token of 7 days to sign in with, shown this once.') })
  .meta({ id: 'AcceptedMember' });

export const me: z.ZodType<Me> = z
  .object({
    ...memberShape,
    workspace: z.object({ id: z.string(), slug: z.string() }),
    permissions: z.array(z.string()).describe('The service scopes it can use: its role’s, cut by its token’s.'),
    token,
  })
  .meta({ id: 'Me' });

/** Members that a client does not know stay: the hash covers the event exactly as shown. */
export const auditEvent: z.ZodType<AuditEvent> = z
  .looseObject({
    id: z.string(),
    seq: z.int().describe('Starts at 1 in each workspace and has no gaps.'),
    at: timestamp,
    actor: z.looseObject({ type: z.enum(['member', 'token', 'host', 'system']), id: z.string() }),
    action: z.string().describe('What was done, such as `token.revoked`.'),
    target: z.string().describe('The id of the thing changed.'),
    ip: z.string().nullable(),
    user_agent: z.string().nullable(),
    request_id: z.string().nullable(),
    data: z.record(z.string(), z.unknown()),
    prev_hash: z.string().describe('The `hash` of the event before; 64 zeros for the first.'),
    hash: z.string().describe('Lower-case hex SHA-256 of the RFC 8785 form of this event without `hash`.'),
  })
  .meta({ id: 'AuditEvent' });

export const auditPage = page('AuditEventPage', auditEvent);

export const checkpoint: z.ZodType<Checkpoint> = z
  .object({ checkpoint: z.string().describe('A compact JWS over `{"workspace_id","seq","hash","at"}`.') })
  .meta({ id: 'Checkpoint' });

export const agentExec = z
  .object({
    type: z.literal('agent_exec'),
    repositories: list,
    refs: list,
    environments: list,
    runners: list,
    networks: list,
  })
  .meta({ id: 'AgentExec', description: 'Where the token may be used (RFC 9396 section 2).' });

/** RFC 7662 section 2.2. */
export const introspection: z.ZodType<Introspection> = z
  .discriminatedUnion('active', [
    z.object({ active: z.literal(false) }),
    z.object({
      active: z.literal(true),
      iss: z.string().describe('The service that issued it.'),
      sub: z.string().describe('The creator: `mem_…`.'),
      username: z.string().describe('The creator’s e-mail address.'),
      client_id: z.string().describe('The label of the workflow.'),
      scope: z.string().describe('Scopes, separated by single spaces.'),
      token_type: z.enum(['Bearer', 'DPoP']).describe('`DPoP` for a token that is good only with a proof (RFC 9449).'),
      iat: z.int().describe('Seconds since the epoch.'),
      nbf: z.int().describe('Seconds since the epoch.'),
      exp: z.int().describe('Seconds since the epoch.'),
      jti: z.string().describe('The public id: `tok_…`.'),
      workspace_id: z.string(),
      workspace: z.string(),
      workflow: z.string(),
      authorization_details: z.array(agentExec).describe('One entry at most; none when nothing constrains.'),
      superseded_by: z.string().optional().describe('The successor, while this one is still valid beside it.'),
      cnf: z
        .object({ jkt: z.string() })
        .optional()
        .describe('The thumbprint of the key that the token is bound to (RFC 9449 section 6.2).'),
    }),
  ])
  .meta({ id: 'Introspection' });

const reasons = z
  .array(z.object({ code: z.string(), detail: z.string() }))
  .describe(
    'What speaks against it; empty when allowed. `code` is stable: `inactive`, `workflow_mismatch`, `scope_missing`, `…_not_allowed` for repository, ref, environment, runner and network, or `too_many_runs`.',
  );
export const decision = z.enum(['allow', 'deny']);

export const execDecision: z.ZodType<ExecDecision> = z
  .object({
    check_id: z.string(),
    decision,
    reasons,
    as_of: timestamp.describe('The instant at which it was true.'),
    token: introspection,
    valid_until: timestamp
      .nullable()
      .describe('When the right to run ends, whatever else happens; `null` on a denial.'),
    // A service of before there were runs says nothing of them.
    run_id: z.string().nullable().default(null).describe('The run that begins; `null` on a denial.'),
    lease_ends_at: timestamp
      .nullable()
      .default(null)
      .describe('When the run counts as lost unless it is renewed; `null` on a denial.'),
  })
  .meta({ id: 'ExecDecision' });

const shownContext: z.ZodType<ExecContext> = z
  .object({
    repository: z.string().optional(),
    ref: z.string().optional(),
    environment: z.string().optional(),
    job: z.string().optional(),
    command: z.string().optional(),
  })
  .meta({ id: 'ShownExecContext' });

export const execCheck: z.ZodType<ExecCheck> = z
  .object({
    check_id: z.string(),
    decision,
    reasons,
    as_of: timestamp,
    valid_until: timestamp.nullable(),
    token_id: z.string().nullable().describe('The token that was checked; `null` when it stands for nothing here.'),
    caller_token_id: z.string().describe('The token that asked.'),
    workflow: z.string(),
    scopes: z.array(z.string()),
    context: shownContext,
    ip: z.string().nullable(),
    finished_at: timestamp.nullable(),
    exit_code: z.int().nullable(),
    signal: z.string().nullable(),
  })
  .meta({ id: 'ExecCheck' });

export const execCheckPage = page('ExecCheckPage', execCheck);

export const runStatus = z.enum(RUN_STATUSES);

export const run: z.ZodType<Run> = z
  .object({
    run_id: z.string().describe('The same as `check_id`, as a run: `run_…`.'),
    check_id: z.string(),
    status: runStatus.describe(
      '`running` while the lease lasts; `lost` when it ran out without a word; `stopped` when somebody ended it.',
    ),
    workflow: z.string(),
    token_id: z.string().nullable(),
    creator: person.describe('Who made the token.'),
    caller_token_id: z.string().describe('The token that asked.'),
    scopes: z.array(z.string()),
    context: shownContext,
    ip: z.string().nullable(),
    runner: z
      .object({ id: z.string(), name: z.string() })
      .nullable()
      .describe('The runner that proved itself; `null` where none did.'),
    started_at: timestamp,
    lease_ends_at: timestamp.describe('At this instant it is lost, unless it is renewed before.'),
    valid_until: timestamp.describe('When the right to run ends, whatever else happens.'),
    exit_code: z.int().nullable(),
    signal: z.string().nullable(),
    finished_at: timestamp.nullable(),
    stopped_at: timestamp.nullable(),
    stopped_by: z.string().nullable().describe('The member who stopped it.'),
    stopped_reason: z.string().nullable(),
  })
  .meta({ id: 'Run' });

export const runPage = page('RunPage', run);
