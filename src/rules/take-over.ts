import { type Constraints, narrowConstraints } from './constraint.js';
import { type Grantor, scopeFault } from './grant.js';
import { periodWithin } from './lifetime.js';
import type { WorkflowPolicy } from './workflow.js';
import { periodsWithin, placeWithin, scopesWithin, type WorkspacePolicy } from './workspace-policy.js';

/** What a token may do, where, and for how many whole days. */
export interface Grant {
  readonly scopes: readonly string[];
  readonly constraints: Constraints;
  readonly expiresInDays: number;
}

/** The policies of today, the workflow's and the workspace's. */
export interface TodaysPolicies {
  readonly workflow: Pick<WorkflowPolicy, 'allowedScopes' | 'allowedExpiryDays' | 'constraints'>;
  readonly workspace: WorkspacePolicy;
}

/** What is left of a token's rights for who takes it over: no more than it has, than the policies of today allow, and than
 *  the successor may hand on. Gives `undefined` when that is nothing. */
export function takenOver(grantor: Grantor, { workflow, workspace }: TodaysPolicies, token: Grant): Grant | undefined {
  const held = token.scopes.filter((scope) => scopeFault(grantor, workflow, scope) === undefined);
  const scopes = scopesWithin(held, workspace);
  const place = narrowConstraints(narrowConstraints(token.constraints, workflow.constraints), grantor.constraints);
  const constraints = placeWithin(place, workspace);
  const isShut = Object.values(constraints).some((patterns) => patterns?.length === 0);
  const expiresInDays = periodWithin(periodsWithin(workflow.allowedExpiryDays, workspace), token.expiresInDays);
  if (scopes.length === 0 || isShut || expiresInDays === undefined) return undefined;
  return { scopes, constraints, expiresInDays };
}
