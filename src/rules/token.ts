import type { Constraints } from './constraint.js';
import type { MemberId, TokenId, WorkspaceId } from './format.js';
import type { Role } from './role.js';
import { overlapEnd, type Succession } from './rotation.js';
import type { RunnerFacts } from './runner.js';

export const REVOKE_REASONS = ['leaked', 'rotated', 'unused', 'owner_left', 'other'] as const;
export type RevokeReason = (typeof REVOKE_REASONS)[number];

export const MEMBER_STATUSES = ['invited', 'active', 'suspended', 'removed'] as const;
export type MemberStatus = (typeof MEMBER_STATUSES)[number];

export const TOKEN_STATUSES = [
  'active',
  'rotating',
  'superseded',
  'expired',
  'revoked',
  'suspended',
  'not_yet_valid',
] as const;
export type TokenStatus = (typeof TOKEN_STATUSES)[number];

/** Why a token is held back for good, until somebody decides about it. */
export const FREEZE_REASONS = ['owner_left', 'unused'] as const;
export type FreezeReason = (typeof FREEZE_REASONS)[number];

/** `access` opens endpoints and runs jobs; `invitation` is good for nothing but to accept it, once; `runner` is good only
 *  with a proof of its runner's key. */
export type TokenKind = 'access' | 'invitation' | 'runner';

/** All that decides about a token, read in one statement. */
export interface TokenFacts {
  readonly id: TokenId;
  readonly kind: TokenKind;
  readonly workspaceId: WorkspaceId;
  readonly workspaceSlug: string;
  readonly isWorkspaceSuspended: boolean;
  readonly workflowLabel: string;
  readonly isWorkflowPaused: boolean;
  readonly workflowConstraints: Constraints;
  readonly maxRunSeconds: number;
  /** Whether the workflow bounds how many runs there are at a time. */
  readonly isRunLimited: boolean;
  readonly creatorId: MemberId;
  readonly creatorEmail: string;
  readonly creatorRole: Role;
  readonly creatorStatus: MemberStatus;
  /** What it does not keep to of the workspace's policy, in plain words, where that policy blocks; otherwise none. */
  readonly policyFaults: readonly string[];
  readonly scopes: readonly string[];
  readonly constraints: Constraints;
  readonly createdAt: Date;
  readonly notBefore: Date | undefined;
  readonly expiresAt: Date;
  readonly firstUsedAt: Date | undefined;
  readonly isRevoked: boolean;
  /** Held back until somebody decides about it: its creator left, or nobody used it. */
  readonly isFrozen: boolean;
  readonly succession: (Succession & { readonly successorId: TokenId }) | undefined;
  /** The thumbprint of the key that the token is bound to (RFC 9449 section 6), and the runner that has it. */
  readonly jkt: string | undefined;
  readonly runner: RunnerFacts | undefined;
}

/** What a token's state depends on. */
export type LifeFacts = { readonly runner: Pick<RunnerFacts, 'status'> | undefined } & Pick<
  TokenFacts,
  | 'isWorkspaceSuspended'
  | 'isWorkflowPaused'
  | 'creatorStatus'
  | 'policyFaults'
  | 'notBefore'
  | 'expiresAt'
  | 'isRevoked'
  | 'isFrozen'
  | 'succession'
>;

/** A token's state at an instant. What ends it for good comes before what only holds it back. At `expiresAt` it is
 *  expired, at `notBefore` it is valid. */
export function tokenStatus(facts: LifeFacts, now: Date): TokenStatus {
  if (facts.isRevoked) return 'revoked';
  // What expired before its creator or runner was removed was left as it was.
  if (now >= facts.expiresAt) return 'expired';
  if (hasEnded(facts)) return 'revoked';
  if (facts.succession && now >= overlapEnd(facts.succession)) return 'superseded';
  if (isHeldBack(facts) || facts.isWorkflowPaused || facts.policyFaults.length > 0) return 'suspended';
  if (facts.notBefore && now < facts.notBefore) return 'not_yet_valid';
  return facts.succession ? 'rotating' : 'active';
}

function hasEnded({ isRevoked, creatorStatus, runner }: RightFacts): boolean {
  return isRevoked || creatorStatus === 'removed' || runner?.status === 'removed';
}

function isHeldBack({ isFrozen, isWorkspaceSuspended, creatorStatus, runner }: RightFacts): boolean {
  return isFrozen || isWorkspaceSuspended || creatorStatus !== 'active' || runner?.status === 'suspended';
}

/** Whether a token is valid at an instant. That of a runner is so only with its runner there. */
export function isActive(facts: LifeFacts & Pick<TokenFacts, 'kind'>, now: Date): boolean {
  const status = tokenStatus(facts, now);
  const isUsable = facts.kind === 'access' || (facts.kind === 'runner' && facts.runner !== undefined);
  return isUsable && (status === 'active' || status === 'rotating');
}

/** Why work under way under a token must stop. */
export type RunEnd = 'revoked' | 'paused' | 'suspended';

/** What decides whether work under way may go on. */
export type RightFacts = Pick<
  LifeFacts,
  'isRevoked' | 'isFrozen' | 'creatorStatus' | 'isWorkspaceSuspended' | 'isWorkflowPaused' | 'runner'
>;

/** Whether the right to go on running has ended, under a token or through that of a runner. Expiry, supersession and a
 *  policy that blocks end the right to start, not work under way. */
export function runEnd(facts: RightFacts): RunEnd | undefined {
  if (hasEnded(facts)) return 'revoked';
  if (isHeldBack(facts)) return 'suspended';
  return facts.isWorkflowPaused ? 'paused' : undefined;
}
