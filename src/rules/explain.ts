import { type EventId, printId, type TokenId } from './format.js';
import { overlapEnd } from './rotation.js';
import type { RunnerStatus } from './runner.js';
import { type LifeFacts, type MemberStatus, type TokenStatus, tokenStatus } from './token.js';

/** An event of the audit trail, as far as it tells of a token's life. */
export interface TrailEvent {
  readonly id: EventId;
  readonly at: Date;
  readonly actorId: string;
  readonly action: string;
  readonly target: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** What a token's life hangs on that no event changes. */
export interface ExplainedToken {
  readonly id: TokenId;
  readonly createdAt: Date;
  readonly firstUsedAt: Date | null;
  readonly notBefore: Date | null;
  readonly expiresAt: Date;
  readonly rotatedTo: TokenId | null;
  readonly overlapEndsAt: Date | null;
  readonly drainSeconds: number | null;
  /** What it does not keep to of the policy that blocked at the time in question. */
  readonly policyFaults: readonly string[];
}

/** One thing that led to the state, in the wire's words. */
export interface Fact {
  readonly at: string;
  readonly fact: string;
  readonly detail: string;
  readonly by: string | null;
  readonly reason: string | null;
  readonly event_id: string | null;
}

export interface Explained {
  readonly status: TokenStatus;
  readonly summary: string;
  readonly facts: readonly Fact[];
}

/** Explains a token's state at a time from the trail of itself, its workflow, its creator, its runner and its workspace up
 *  to then. */
export function explainToken(token: ExplainedToken, trail: readonly TrailEvent[], at: Date): Explained {
  const life = lifeAt(token, trail);
  const status = tokenStatus(life, at);
  const told = trail.filter((event) => event.at >= token.createdAt);
  const facts = [...told.flatMap(factOf), ...instants(token, life, at)];
  facts.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
  return { status, summary: summaryOf(status, life, told), facts };
}

function lifeAt(token: ExplainedToken, trail: readonly TrailEvent[]): LifeFacts {
  const last = (...actions: string[]) => trail.findLast((event) => actions.includes(event.action));
  const isRotated = last('token.rotated') !== undefined;
  return {
    isRevoked: last('token.revoked') !== undefined,
    isFrozen: last('token.frozen', 'token.unfrozen')?.action === 'token.frozen',
    creatorStatus: creatorStatus(last('member.suspended', 'member.reactivated', 'member.removed')?.action),
    isWorkspaceSuspended: last('workspace.suspended', 'workspace.resumed')?.action === 'workspace.suspended',
    isWorkflowPaused: last('workflow.paused', 'workflow.resumed')?.action === 'workflow.paused',
    policyFaults: token.policyFaults,
    notBefore: token.notBefore ?? undefined,
    expiresAt: token.expiresAt,
    succession:
      isRotated && token.overlapEndsAt
        ? {
            overlapEndsAt: token.overlapEndsAt,
            drainSeconds: token.drainSeconds ?? 0,
            firstUsedAt: last('token.drain_started')?.at,
            successorId: token.rotatedTo ?? token.id,
          }
        : undefined,
    runner: { status: runnerStatus(last('runner.suspended', 'runner.reactivated', 'runner.removed')?.action) },
  };
}

function runnerStatus(action: string | undefined): RunnerStatus {
  if (action === 'runner.suspended') return 'suspended';
  return action === 'runner.removed' ? 'removed' : 'active';
}

function creatorStatus(action: string | undefined): MemberStatus {
  if (action === 'member.suspended') return 'suspended';
  return action === 'member.removed' ? 'removed' : 'active';
}

const DETAILS: Readonly<Record<string, (event: TrailEvent) => string>> = {
  'token.minted': ({ data }) => {
    const from = data['rotated_from']
      ? `rotated from ${said(data['rotated_from'])}`
      : data['taken_over_from']
        ? `minted to take over ${said(data['taken_over_from'])}`
        : 'minted';
    return `${from} for workflow ${said(data['workflow'])}, good until ${said(data['expires_at'])}`;
  },
  'token.secret_replaced': () => 'never used, so its secret was replaced after a lost answer',
  'token.rotated': ({ data }) =>
    `rotated to ${said(data['successor'])}; valid beside it until ${said(data['overlap_ends_at'])} at the latest`,
  'token.drain_started': ({ data }) => `its successor ${said(data['successor'])} was used for the first time`,
  'token.reused': () => 'used after it was superseded, and refused',
  'token.revoked': (event) => `revoked${causeOf(event)}`,
  'token.transferred': ({ data }) => `handed over from ${said(data['from'])} to ${said(data['to'])}`,
  'token.frozen': ({ data }) => {
    const offer = data['takeover_by']
      ? ` (${said(data['takeover_by'])} may take over until ${said(data['takeover_until'])})`
      : '';
    if (data['reason'] === 'unused') return `frozen, because it was not used for ${String(data['after_days'])} days`;
    return `frozen, because its creator is gone${offer}`;
  },
  'token.unfrozen': () => 'unfrozen',
  'token.taken_over': ({ data }) => `taken over by ${said(data['by'])} with ${said(data['successor'])}`,
  'workflow.paused': () => 'its workflow was paused',
  'workflow.resumed': () => 'its workflow was resumed',
  'member.suspended': ({ data }) =>
    data['left'] === true ? 'its creator was taken out as having left' : 'its creator was suspended',
  'member.reactivated': () => 'its creator was reactivated',
  'member.removed': () => 'its creator was removed',
  'runner.approved': ({ data }) => `its runner ${said(data['name'])} was approved`,
  'runner.enrolled': () => 'its runner fetched it',
  'runner.suspended': () => 'its runner was suspended',
  'runner.reactivated': () => 'its runner was reactivated',
  'runner.removed': () => 'its runner was removed',
  'policy.set': ({ data }) =>
    isBlocking(data['after'])
      ? "the workspace's policy was set, and blocks what does not comply"
      : "the workspace's policy was set, and blocks nothing",
  'workspace.suspended': () => 'its workspace was suspended',
  'workspace.resumed': () => 'its workspace was resumed',
};

function isBlocking(policy: unknown): boolean {
  return typeof policy === 'object' && policy !== null && 'enforcement' in policy && policy.enforcement === 'block';
}

/** Why a token was revoked, as it goes on after "revoked". Who only holds a token is not asked for a reason. */
function causeOf(event: TrailEvent): string {
  if (isByHolder(event)) return ' by its holder (RFC 7009)';
  const { reason, note } = event.data;
  return ` as ${said(reason)}${note ? `: ${said(note)}` : ''}`;
}

function isByHolder(event: TrailEvent): boolean {
  return event.actorId === event.target;
}

function factOf(event: TrailEvent): Fact[] {
  const detail = DETAILS[event.action];
  if (detail === undefined) return [];
  return [
    {
      at: event.at.toISOString(),
      fact: event.action,
      detail: detail(event),
      by: event.actorId,
      reason: typeof event.data['reason'] === 'string' ? event.data['reason'] : null,
      event_id: printId('evt', event.id),
    },
  ];
}

/** What no event tells, up to the time in question: what the clock did, and the first use. */
function instants(token: ExplainedToken, life: LifeFacts, at: Date): Fact[] {
  const known: [Date | undefined, string, string][] = [
    [token.firstUsedAt ?? undefined, 'token.first_used', 'used for the first time'],
    [life.notBefore, 'token.not_before', 'became valid'],
    [life.succession && overlapEnd(life.succession), 'token.overlap_ends', 'ended in favour of its successor'],
    [token.expiresAt, 'token.expires', 'expired'],
  ];
  return known.flatMap(([instant, fact, detail]) =>
    instant !== undefined && instant <= at
      ? [{ at: instant.toISOString(), fact, detail, by: null, reason: null, event_id: null }]
      : [],
  );
}

function summaryOf(status: TokenStatus, life: LifeFacts, trail: readonly TrailEvent[]): string {
  const last = (...actions: string[]) => trail.findLast((event) => actions.includes(event.action));
  switch (status) {
    case 'active':
      return `active until it expires at ${life.expiresAt.toISOString()}`;
    case 'rotating':
      return `active beside its successor until ${endOf(life)}`;
    case 'superseded':
      return `superseded by its successor since ${endOf(life)}`;
    case 'expired':
      return `expired at ${life.expiresAt.toISOString()}`;
    case 'not_yet_valid':
      return `not valid before ${life.notBefore?.toISOString() ?? 'its time'}`;
    case 'revoked':
      return because(status, last('token.revoked') ?? last('member.removed'));
    case 'suspended':
      return heldBack(life, (action) => last(action));
  }
}

function heldBack(life: LifeFacts, last: (action: string) => TrailEvent | undefined): string {
  const action = holdUp(life);
  const told = because('suspended', last(action));
  return action === 'policy.set' ? `${told}: the token ${life.policyFaults.join('; ')}` : told;
}

/** Which act holds the token back; a policy that blocks only where nothing else does. */
function holdUp({ isFrozen, isWorkspaceSuspended, isWorkflowPaused, creatorStatus, runner }: LifeFacts): string {
  if (isFrozen) return 'token.frozen';
  if (isWorkspaceSuspended) return 'workspace.suspended';
  if (isWorkflowPaused) return 'workflow.paused';
  if (runner?.status === 'suspended') return 'runner.suspended';
  return creatorStatus === 'active' ? 'policy.set' : 'member.suspended';
}

function endOf(life: LifeFacts): string {
  return (life.succession ? overlapEnd(life.succession) : life.expiresAt).toISOString();
}

function because(status: TokenStatus, event: TrailEvent | undefined): string {
  if (event === undefined) return status;
  const since = `${status} since ${event.at.toISOString()}`;
  if (event.action !== 'token.revoked') return `${since}: ${DETAILS[event.action]?.(event)} by ${event.actorId}`;
  return isByHolder(event) ? `${since}${causeOf(event)}` : `${since} by ${event.actorId}${causeOf(event)}`;
}

function said(value: unknown): string {
  return typeof value === 'string' ? value : 'unknown';
}
