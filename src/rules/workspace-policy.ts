import type { ConstraintKind } from './constraint.js';
import type { Role } from './role.js';

/** What every workflow of a workspace is held to. What is `undefined` is not bounded. `block` makes a token that does not
 *  comply inactive; `report` only lists it. */
export interface WorkspacePolicy {
  readonly enforcement: 'report' | 'block';
  readonly longestExpiryDays?: number | undefined;
  readonly allowedScopes?: readonly string[] | undefined;
  readonly requiredConstraints?: readonly ConstraintKind[] | undefined;
  readonly allowedRepositories?: readonly string[] | undefined;
  readonly maxTokensPerWorkflow?: number | undefined;
  readonly minters?: readonly Role[] | undefined;
}
