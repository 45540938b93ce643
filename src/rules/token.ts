import type { Constraints } from './constraint.js';
import type { MemberId, TokenId, WorkspaceId } from './format.js';
import type { Role } from './role.js';
import { overlapEnd, type Succession } from './rotation.js';

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
  readonly scopes: readonly string[];
  readonly constraints: Constraints;
  readonly createdAt: Date;
  readonly notBefore: Date | undefined;
  readonly expiresAt: Date;
  readonly firstUsedAt: Date | undefined;
  readonly isRevoked: boolean;
  readonly succession: (Succession & { readonly successorId: TokenId }) | undefined;
}

/** What a token's state depends on. */
export type LifeFacts = Pick<
  TokenFacts,
  'isWorkspaceSuspended' | 'isWorkflowPaused' | 'creatorStatus' | 'notBefore' | 'expiresAt' | 'isRevoked' | 'succession'
>;

/** A token's state at an instant. What ends it for good comes before what only holds it back. At `expiresAt` it is
 *  expired, at `notBefore` it is valid. */
export function tokenStatus(facts: LifeFacts, now: Date): TokenStatus {
  if (facts.isRevoked || facts.creatorStatus === 'removed') return 'revoked';
  if (now >= facts.expiresAt) return 'expired';
  if (facts.succession && now >= overlapEnd(facts.succession)) return 'superseded';
  if (facts.isWorkspaceSuspended || facts.isWorkflowPaused || facts.creatorStatus !== 'active') return 'suspended';
  if (facts.notBefore && now < facts.notBefore) return 'not_yet_valid';
  return facts.succession ? 'rotating' : 'active';
}

/** Whether a token is valid at an instant. */
export function isActive(facts: LifeFacts & Pick<TokenFacts, 'kind'>, now: Date): boolean {
  const status = tokenStatus(facts, now);
  return facts.kind === 'access' && (status === 'active' || status === 'rotating');
}

/** Why work under way under a token must stop. */
export type RunEnd = 'revoked' | 'paused' | 'suspended';

/** Whether the right to go on running has ended. Expiry and supersession end the right to start, not work under way. */
export function runEnd(
  facts: Pick<LifeFacts, 'isRevoked' | 'creatorStatus' | 'isWorkspaceSuspended' | 'isWorkflowPaused'>,
): RunEnd | undefined {
  if (facts.isRevoked || facts.creatorStatus === 'removed') return 'revoked';
  if (facts.isWorkspaceSuspended || facts.creatorStatus !== 'active') return 'suspended';
  return facts.isWorkflowPaused ? 'paused' : undefined;
}
