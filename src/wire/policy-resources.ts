import type { Person } from './resources.js';

export type PolicyEnforcement = 'report' | 'block';
export type ConstraintKind = 'repositories' | 'refs' | 'environments' | 'runners' | 'networks';
export type MinterRole = 'owner' | 'admin' | 'member';

/** What every workflow of a workspace is held to. What is left out or `null` is not bounded. */
export interface PolicyRequest {
  /** `block` makes a token that does not comply inactive; `report`, the default, only lists it. */
  enforcement?: PolicyEnforcement | undefined;
  longest_expiry_days?: number | null | undefined;
  allowed_scopes?: string[] | null | undefined;
  required_constraints?: ConstraintKind[] | null | undefined;
  allowed_repositories?: string[] | null | undefined;
  max_tokens_per_workflow?: number | null | undefined;
  minters?: MinterRole[] | null | undefined;
  /** 7 to 366. An unfreezing counts as a use. */
  freeze_unused_after_days?: number | null | undefined;
}

export interface WorkspacePolicy {
  enforcement: PolicyEnforcement;
  longest_expiry_days: number | null;
  allowed_scopes: string[] | null;
  required_constraints: ConstraintKind[] | null;
  allowed_repositories: string[] | null;
  max_tokens_per_workflow: number | null;
  minters: MinterRole[] | null;
  freeze_unused_after_days: number | null;
}

/** A token that does not comply, and each bound that it does not keep to. */
export interface BeyondPolicy {
  id: string;
  name: string | null;
  workflow: string;
  creator: Person;
  expires_at: string;
  why: { rule: string; detail: string }[];
}

/** A policy, and all that does not comply with it. */
export interface PolicyOutcome {
  policy: WorkspacePolicy;
  /** How many tokens do not comply. */
  not_complying: number;
  /** The first 200 of them, oldest first. */
  tokens: BeyondPolicy[];
  /** How many tokens were not used for so long that they are frozen soon. */
  to_freeze: number;
  /** The first 200 workflows that have more tokens than the policy allows, by label: they get no further ones. */
  crowded_workflows: { workflow: string; tokens: number }[];
}
