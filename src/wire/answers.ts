import { z } from 'zod';
import { ROLES } from '../rules/role.js';
import { MEMBER_STATUSES, REVOKE_REASONS, TOKEN_STATUSES } from '../rules/token.js';
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
  Me,
  Member,
  MintedToken,
  Person,
  Revocation,
  Token,
  Workflow,
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
export function page<T>(item: z.ZodType<T>) {
  return z.object({ data: z.array(item), next_cursor: z.string().nullable() });
}

const list = z.array(z.string()).optional();

/** Constraints as an answer shows them: an empty list means that nothing passes. */
const shownConstraints: z.ZodType<Constraints> = z.object({
  repositories: list,
  refs: list,
  environments: list,
  runners: list,
  networks: list,
});

const person: z.ZodType<Person> = z.object({ id: z.string(), email: z.string(), name: z.string().nullable() });

const tokenShape = {
  id: z.string(),
  name: z.string().nullable(),
  workspace_id: z.string(),
  workflow: z.string(),
  creator: person,
  owner: person,
  scopes: z.array(z.string()),
  constraints: shownConstraints,
  status: tokenStatus,
  created_at: timestamp,
  not_before: timestamp.nullable(),
  expires_at: timestamp,
  last_used_at: timestamp.nullable(),
  last_used_ip: z.string().nullable(),
  last_used_by: z.string().nullable(),
  lineage_id: z.string(),
  rotated_from: z.string().nullable(),
  rotated_to: z.string().nullable(),
  overlap_ends_at: timestamp.nullable(),
  revoked_at: timestamp.nullable(),
  revoked_by: z.string().nullable(),
  revoked_reason: revokeReason.nullable(),
};

export const token: z.ZodType<Token> = z.object(tokenShape).meta({ id: 'Token' });
export const mintedToken: z.ZodType<MintedToken> = z
  .object({ ...tokenShape, token: z.string().meta({ description: 'The printed token, shown this once.' }) })
  .meta({ id: 'MintedToken' });

export const tokenPage = page(token);

export const revocation: z.ZodType<Revocation> = z
  .object({ revoked: z.int(), token_ids: z.array(z.string()) })
  .meta({ id: 'Revocation' });

export const explanation: z.ZodType<Explanation> = z
  .object({
    id: z.string(),
    at: timestamp,
    status: tokenStatus,
    summary: z.string(),
    facts: z.array(
      z.object({
        at: timestamp,
        fact: z.string(),
        detail: z.string(),
        by: z.string().nullable(),
        reason: z.string().nullable(),
        event_id: z.string().nullable(),
      }),
    ),
  })
  .meta({ id: 'Explanation' });

export const workflow: z.ZodType<Workflow> = z
  .object({
    id: z.string(),
    label: z.string(),
    description: z.string(),
    allowed_scopes: z.array(z.string()),
    allowed_expiry_days: z.array(z.int()),
    constraints: shownConstraints,
    max_run_seconds: z.int(),
    status: z.enum(['active', 'paused']),
    paused_at: timestamp.nullable(),
    created_at: timestamp,
    updated_at: timestamp,
  })
  .meta({ id: 'Workflow' });

export const workflowPage = page(workflow);

const memberShape = {
  id: z.string(),
  email: z.string(),
  name: z.string().nullable(),
  role,
  status: memberStatus,
  created_at: timestamp,
};

export const member: z.ZodType<Member> = z.object(memberShape).meta({ id: 'Member' });
export const memberPage = page(member);

export const invitedMember: z.ZodType<InvitedMember> = z
  .object({ ...memberShape, invitation: z.string() })
  .meta({ id: 'InvitedMember' });

export const acceptedMember: z.ZodType<AcceptedMember> = z
  .object({ ...memberShape, token: z.string() })
  .meta({ id: 'AcceptedMember' });

export const me: z.ZodType<Me> = z
  .object({
    ...memberShape,
    workspace: z.object({ id: z.string(), slug: z.string() }),
    permissions: z.array(z.string()),
    token,
  })
  .meta({ id: 'Me' });

export const auditEvent: z.ZodType<AuditEvent> = z
  .object({
    id: z.string(),
    seq: z.int(),
    at: timestamp,
    actor: z.object({ type: z.enum(['member', 'token', 'host', 'system']), id: z.string() }),
    action: z.string(),
    target: z.string(),
    ip: z.string().nullable(),
    user_agent: z.string().nullable(),
    request_id: z.string().nullable(),
    data: z.record(z.string(), z.unknown()),
    prev_hash: z.string(),
    hash: z.string(),
  })
  .meta({ id: 'AuditEvent' });

export const auditPage = page(auditEvent);

export const checkpoint: z.ZodType<Checkpoint> = z.object({ checkpoint: z.string() }).meta({ id: 'Checkpoint' });

const agentExec = z.object({
  type: z.literal('agent_exec'),
  repositories: z.array(z.string()).optional(),
  refs: z.array(z.string()).optional(),
  environments: z.array(z.string()).optional(),
  runners: z.array(z.string()).optional(),
  networks: z.array(z.string()).optional(),
});

/** RFC 7662 section 2.2. */
export const introspection: z.ZodType<Introspection> = z
  .discriminatedUnion('active', [
    z.object({ active: z.literal(false) }),
    z.object({
      active: z.literal(true),
      iss: z.string(),
      sub: z.string(),
      username: z.string(),
      client_id: z.string(),
      scope: z.string(),
      token_type: z.literal('Bearer'),
      iat: z.int(),
      nbf: z.int(),
      exp: z.int(),
      jti: z.string(),
      workspace_id: z.string(),
      workspace: z.string(),
      workflow: z.string(),
      authorization_details: z.array(agentExec),
      superseded_by: z.string().optional(),
    }),
  ])
  .meta({ id: 'Introspection' });

const reasons = z.array(z.object({ code: z.string(), detail: z.string() }));
export const decision = z.enum(['allow', 'deny']);

export const execDecision: z.ZodType<ExecDecision> = z
  .object({
    check_id: z.string(),
    decision,
    reasons,
    as_of: timestamp,
    token: introspection,
    valid_until: timestamp.nullable(),
  })
  .meta({ id: 'ExecDecision' });

const shownContext: z.ZodType<ExecContext> = z.object({
  repository: z.string().optional(),
  ref: z.string().optional(),
  environment: z.string().optional(),
  job: z.string().optional(),
  command: z.string().optional(),
});

export const execCheck: z.ZodType<ExecCheck> = z
  .object({
    check_id: z.string(),
    decision,
    reasons,
    as_of: timestamp,
    valid_until: timestamp.nullable(),
    token_id: z.string().nullable(),
    caller_token_id: z.string(),
    workflow: z.string(),
    scopes: z.array(z.string()),
    context: shownContext,
    ip: z.string().nullable(),
    finished_at: timestamp.nullable(),
    exit_code: z.int().nullable(),
    signal: z.string().nullable(),
  })
  .meta({ id: 'ExecCheck' });

export const execCheckPage = page(execCheck);
