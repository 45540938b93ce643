import { CONSTRAINT_KINDS, type Constraints } from '../rules/constraint.js';
import { type CheckId, type MemberId, printId, type TokenId } from '../rules/format.js';
import type { LeaverPolicy } from '../rules/leaver.js';
import { runStatus } from '../rules/run.js';
import { isSessionAlive } from '../rules/session.js';
import type { BeyondPolicyView } from '../store/beyond-policy.js';
import type { CheckRow } from '../store/checks.js';
import { type AuditEventRow, shownEvent } from '../store/events.js';
import type { LastRun } from '../store/last-runs.js';
import type { MemberRow } from '../store/members.js';
import type { PasskeyRow } from '../store/passkeys.js';
import type { RunnerView } from '../store/runners.js';
import type { RunView } from '../store/runs.js';
import type { SessionRow } from '../store/sessions.js';
import type { TokenView } from '../store/tokens.js';
import type { ToolDecisionRow } from '../store/tool-decisions.js';
import { shownRotations } from '../store/workflow-rotations.js';
import { leaverOf, type WorkflowRow } from '../store/workflows.js';
import type { Passkey } from '../wire/passkey-resources.js';
import type { BeyondPolicy } from '../wire/policy-resources.js';
import type * as wire from '../wire/resources.js';
import type { Runner } from '../wire/runner-resources.js';

/** A token as the wire shows it. */
export function presentToken(view: TokenView): wire.Token {
  const { token } = view;
  return {
    id: printId('tok', token.id),
    name: token.name,
    workspace_id: printId('ws', token.workspaceId),
    workflow: token.workflow,
    creator: presentPerson(view.creator),
    owner: presentPerson(view.owner),
    scopes: token.scopes,
    constraints: presentConstraints(token.constraints),
    status: view.status,
    created_at: token.createdAt.toISOString(),
    not_before: time(token.notBefore),
    expires_at: token.expiresAt.toISOString(),
    last_used_at: time(token.lastUsedAt),
    last_used_ip: token.lastUsedIp,
    last_used_by: tokenId(token.lastUsedBy),
    last_used_run: view.lastRun === undefined ? null : presentLastRun(view.lastRun),
    lineage_id: printId('tok', token.lineageId),
    rotated_from: tokenId(token.rotatedFrom),
    rotated_to: tokenId(token.rotatedTo),
    overlap_ends_at: time(view.overlapEndsAt),
    revoked_at: time(token.revokedAt),
    revoked_by: token.revokedBy,
    revoked_reason: token.revokedReason,
    runner_id: token.runnerId && printId('rnr', token.runnerId),
    frozen_at: time(token.frozenAt),
    frozen_reason: token.frozenReason,
    takeover_by: token.takeoverBy && printId('mem', token.takeoverBy),
    takeover_until: time(token.takeoverUntil),
  };
}

function presentLastRun({ id, at, context, runner }: LastRun): wire.LastRun {
  return {
    run_id: printId('run', id),
    check_id: checkId(id),
    started_at: at.toISOString(),
    repository: context['repository'] ?? null,
    ref: context['ref'] ?? null,
    job: context['job'] ?? null,
    runner: runner && { id: printId('rnr', runner.id), name: runner.name },
  };
}

/** A token that does not comply with a policy, as the wire shows it. */
export function presentBeyondPolicy({ token, creator, faults }: BeyondPolicyView): BeyondPolicy {
  return {
    id: printId('tok', token.id),
    name: token.name,
    workflow: token.workflow,
    creator: presentPerson(creator),
    expires_at: token.expiresAt.toISOString(),
    why: faults.map(({ rule, detail }) => ({ rule, detail })),
  };
}

/** A workflow as the wire shows it. */
export function presentWorkflow(row: WorkflowRow): wire.Workflow {
  return {
    id: printId('wfl', row.id),
    label: row.label,
    description: row.description,
    allowed_scopes: row.allowedScopes,
    allowed_expiry_days: row.allowedExpiryDays,
    constraints: presentConstraints(row.constraints),
    max_run_seconds: row.maxRunSeconds,
    max_concurrent_runs: row.maxConcurrentRuns,
    max_concurrent_runs_per_token: row.maxConcurrentRunsPerToken,
    leaver: presentLeaver(leaverOf(row)),
    reuse_rule: row.reuseRule ?? 'alarm',
    contacts: row.contacts ?? [],
    rotations: shownRotations(row.rotations ?? []),
    status: row.pausedAt === null ? 'active' : 'paused',
    paused_at: time(row.pausedAt),
    created_at: row.createdAt.toISOString(),
    updated_at: row.updatedAt.toISOString(),
  };
}

function presentLeaver(leaver: LeaverPolicy | undefined): wire.Leaver | null {
  if (leaver === undefined) return null;
  if (leaver.rule !== 'transfer') return { rule: leaver.rule };
  return { rule: leaver.rule, successor_id: printId('mem', leaver.successorId), window_days: leaver.windowDays };
}

/** A member as the wire shows it. */
export function presentMember(row: MemberRow): wire.Member {
  return {
    id: printId('mem', row.id),
    email: row.email,
    name: row.name,
    role: row.role,
    status: row.status,
    created_at: row.createdAt.toISOString(),
  };
}

/** A session as the wire shows it, at an instant. */
export function presentSession(row: SessionRow, now: Date): wire.Session {
  return {
    id: printId('ses', row.id),
    member_id: printId('mem', row.memberId),
    method: row.method,
    status: isSessionAlive(row, now) ? 'active' : 'ended',
    created_at: row.createdAt.toISOString(),
    last_used_at: row.lastUsedAt.toISOString(),
    expires_at: row.expiresAt.toISOString(),
    ended_at: time(row.endedAt),
    ip: row.ip,
    user_agent: row.userAgent,
  };
}

/** A runner as the wire shows it. */
export function presentRunner({ runner, approver, token, lastSeenAt }: RunnerView): Runner {
  return {
    id: printId('rnr', runner.id),
    name: runner.name,
    labels: runner.labels,
    status: runner.status,
    thumbprint: runner.jkt,
    created_at: runner.createdAt.toISOString(),
    approved_by: presentPerson(approver),
    last_seen_at: time(lastSeenAt),
    token_id: tokenId(token?.id ?? null),
    token_expires_at: time(token?.expiresAt),
  };
}

/** A decision as the wire shows it. */
export function presentCheck(row: CheckRow): wire.ExecCheck {
  return {
    check_id: checkId(row.id),
    decision: row.decision,
    reasons: row.reasons.map((reason) => ({ ...reason })),
    as_of: row.asOf.toISOString(),
    valid_until: time(row.validUntil),
    token_id: tokenId(row.tokenId),
    caller_token_id: printId('tok', row.callerTokenId),
    workflow: row.workflow,
    scopes: row.scopes,
    context: row.context,
    ip: row.ip,
    finished_at: time(row.finishedAt),
    exit_code: row.exitCode,
    signal: row.signal,
  };
}

/** A run as the wire shows it, where it stands at `now`. */
export function presentRun({ run, creator, runner }: RunView, now: Date): wire.Run {
  return {
    run_id: printId('run', run.id),
    check_id: checkId(run.id),
    status: runStatus(run, now),
    workflow: run.workflow,
    token_id: tokenId(run.tokenId),
    creator: presentPerson(creator),
    caller_token_id: printId('tok', run.callerTokenId),
    scopes: run.scopes,
    context: run.context,
    ip: run.ip,
    runner: runner && { id: printId('rnr', runner.id), name: runner.name },
    started_at: run.asOf.toISOString(),
    lease_ends_at: run.leaseEndsAt.toISOString(),
    valid_until: run.validUntil.toISOString(),
    exit_code: run.exitCode,
    signal: run.signal,
    finished_at: time(run.finishedAt),
    stopped_at: time(run.stoppedAt),
    stopped_by: run.stoppedBy,
    stopped_reason: run.stoppedReason,
  };
}

/** What a guard decided, as the wire shows it. */
export function presentToolDecision(row: ToolDecisionRow): wire.ToolDecision {
  return {
    id: printId('dec', row.id),
    at: row.at.toISOString(),
    event: row.event,
    tool: row.tool,
    decision: row.decision,
    code: row.code,
    rule: row.rule,
    detail: row.detail,
  };
}

/** A passkey as the wire shows it: nothing of its key. */
export function presentPasskey(row: PasskeyRow): Passkey {
  return {
    id: printId('pky', row.id),
    name: row.name,
    member_id: printId('mem', row.memberId),
    created_at: row.createdAt.toISOString(),
    last_used_at: time(row.lastUsedAt),
  };
}

/** An audit event as the wire shows it, which is what its hash is made of. */
export function presentEvent(row: AuditEventRow): wire.AuditEvent {
  return { ...shownEvent(row), hash: row.hash };
}

/** A person as the wire shows one. */
export function presentPerson(person: {
  readonly id: MemberId;
  readonly email: string;
  readonly name: string | null;
}): wire.Person {
  return { id: printId('mem', person.id), email: person.email, name: person.name };
}

/** Constraints as the wire shows them. */
export function presentConstraints(constraints: Constraints): wire.Constraints {
  const kinds = CONSTRAINT_KINDS.flatMap((kind) =>
    constraints[kind] ? [[kind, [...constraints[kind]]] as const] : [],
  );
  return Object.fromEntries(kinds);
}

function checkId(id: CheckId): string {
  return printId('chk', id);
}

function tokenId(id: TokenId | null): string | null {
  return id && printId('tok', id);
}

function time(instant: Date | null | undefined): string | null {
  return instant?.toISOString() ?? null;
}
