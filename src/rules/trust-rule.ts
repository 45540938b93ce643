import type { Constraints } from './constraint.js';
import type { MemberId, TrustRuleId, WorkspaceId } from './format.js';
import type { VerifyKey } from './verify-key.js';

/** What a CI platform's token must say, by claim: one of the values. */
export type Claims = Readonly<Record<string, readonly string[]>>;

/** The platforms whose claims are known here, and with them what a rule must pin. */
export const TRUST_PRESETS = ['github_actions', 'gitlab_ci', 'buildkite', 'kubernetes'] as const;
export type TrustPreset = (typeof TRUST_PRESETS)[number];

/** How long a token that a rule gives may live, in seconds. */
export const MIN_EXCHANGE_SECONDS = 60;
export const MAX_EXCHANGE_SECONDS = 3_600;

/** How many rules a workspace may have. */
export const MAX_TRUST_RULES = 100;

/** What a rule says: whose tokens, what they must claim, and what is given for them. */
export interface TrustRuleTerms {
  readonly preset: TrustPreset | undefined;
  readonly issuer: string;
  readonly audience: string;
  readonly claims: Claims;
  /** The issuer's public keys, where nobody outside reaches it. Otherwise they are fetched. */
  readonly jwks: { readonly keys: readonly VerifyKey[] } | undefined;
  readonly workflow: string;
  readonly scopes: readonly string[];
  readonly constraints: Constraints;
  readonly expiresInSeconds: number;
}

/** A rule as it is stored. `createdBy` set it last, and is accountable for what it gives. */
export interface TrustRule extends TrustRuleTerms {
  readonly workspaceId: WorkspaceId;
  readonly id: TrustRuleId;
  readonly name: string;
  readonly createdBy: MemberId;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}
