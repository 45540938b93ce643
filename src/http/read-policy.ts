import type { WorkspacePolicy } from '../rules/workspace-policy.js';
import type * as wire from '../wire/policy-resources.js';

/** A policy as the rules take it. */
export function readPolicy(shown: wire.WorkspacePolicy): WorkspacePolicy {
  return {
    enforcement: shown.enforcement,
    longestExpiryDays: shown.longest_expiry_days ?? undefined,
    allowedScopes: shown.allowed_scopes ?? undefined,
    requiredConstraints: shown.required_constraints ?? undefined,
    allowedRepositories: shown.allowed_repositories ?? undefined,
    maxTokensPerWorkflow: shown.max_tokens_per_workflow ?? undefined,
    minters: shown.minters ?? undefined,
    freezeUnusedAfterDays: shown.freeze_unused_after_days ?? undefined,
  };
}
