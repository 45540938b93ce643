import {
  CONSTRAINT_KINDS,
  type ConstraintKind,
  type Constraints,
  narrowConstraints,
  widerKinds,
} from './constraint.js';
import { mayGrantRole, type Role, roleScopes } from './role.js';
import { coversScope, holdsScope, isServiceScope, serviceScopesIn } from './scope.js';
import { policyAllowsScope, type WorkflowPolicy } from './workflow.js';

/** What a caller holds, as far as it may hand it on. */
export interface Grantor {
  readonly role: Role;
  readonly scopes: readonly string[];
  readonly constraints: Constraints;
}

/** Why a scope cannot be granted: the workflow's policy has no place for it, or it is more than the grantor holds. */
export type GrantFault = 'policy' | 'grantor';

/** Why a grantor may not put a scope on a token of a workflow; `undefined` when it may. A service scope, alone or below
 *  a wildcard, must be the grantor's own by role and by token. Agent scopes are the policy's to allow; a token that runs
 *  jobs itself (it holds an agent scope) hands on only what it holds, so that a job cannot widen itself. */
export function scopeFault(
  grantor: Grantor,
  policy: Pick<WorkflowPolicy, 'allowedScopes'>,
  scope: string,
): GrantFault | undefined {
  if (!mayHandOn(grantor, scope)) return 'grantor';
  return policyAllowsScope(policy, scope) ? undefined : 'policy';
}

/** Whether a grantor has what a scope stands for, whatever the workflow's policy says. */
export function mayHandOn(grantor: Grantor, scope: string): boolean {
  if (!serviceScopesIn(scope).every((own) => holdsServiceScope(grantor, own))) return false;
  const runsJobs = grantor.scopes.some((held) => serviceScopesIn(held).length === 0);
  return isServiceScope(scope) || !runsJobs || holdsScope(grantor.scopes, scope);
}

/** Whether a grantor's own rights cover all that a role gives. */
export function mayHandOnRole(grantor: Grantor, role: Role): boolean {
  return roleScopes(role).every((scope) => holdsServiceScope(grantor, scope));
}

function holdsServiceScope(grantor: Grantor, scope: string): boolean {
  return (
    roleScopes(grantor.role).some((own) => own === scope) && grantor.scopes.some((held) => coversScope(held, scope))
  );
}

/** What a token is bound to when these constraints are asked for: the workflow's, narrowed. `widened` names the kinds
 *  that would reach further than the workflow's. */
export function grantedConstraints(
  asked: Constraints,
  workflow: Constraints,
): { readonly constraints: Constraints; readonly widened: readonly ConstraintKind[] } {
  const widened = widerKinds(asked, workflow).filter((kind) => asked[kind] !== undefined);
  return { constraints: narrowConstraints(asked, workflow), widened };
}

/** Why a grantor may not put this policy in the place of the one before; `undefined` when it may. What is new in it, a
 *  scope or a wider place, must be the grantor's own. What was there already stays. */
export function policyFault(
  grantor: Grantor,
  before: WorkflowPolicy | undefined,
  asked: WorkflowPolicy,
): string | undefined {
  const added = asked.allowedScopes.filter((scope) => before?.allowedScopes.includes(scope) !== true);
  const beyond = added.filter((scope) => !mayHandOn(grantor, scope));
  if (beyond.length > 0) return `the calling token may not hand on ${beyond.join(', ')}`;
  const widened = before === undefined ? CONSTRAINT_KINDS : widerKinds(asked.constraints, before.constraints);
  const wider = widerKinds(asked.constraints, grantor.constraints).filter((kind) => widened.includes(kind));
  return wider.length > 0 ? boundFault(wider) : undefined;
}

/** Why a grantor may not say what the jobs of a workflow do; `undefined` when it may. The workflow must lie within the place
 *  that the grantor is bound to. */
export function ruleFault(grantor: Grantor, workflow: Constraints): string | undefined {
  const wider = widerKinds(workflow, grantor.constraints);
  return wider.length > 0 ? boundFault(wider) : undefined;
}

/** Why a grantor may not say which name and labels a runner has, and with that which tokens may be used there; `undefined`
 *  when it may. It must be bound to no place itself, or it could name a runner so that its own place is there. */
export function runnerFault(grantor: Grantor): string | undefined {
  const wider = widerKinds({}, grantor.constraints);
  return wider.length > 0 ? boundFault(wider) : undefined;
}

/** Why a grantor may not say where the secrets of a workflow go; `undefined` when it may. Its tokens may reach beyond any place
 *  that the grantor is bound to, so that it must be bound to none. */
export function directionFault(grantor: Grantor): string | undefined {
  return runnerFault(grantor);
}

function boundFault(kinds: readonly ConstraintKind[]): string {
  return `the calling token is bound to narrower ${kinds.join(', ')}`;
}

/** Whether a grantor may bring a person into a role on the word of an identity provider, or give somebody who has it another
 *  address. The token of a provider need not hold what a plain member may do, since nobody gets a token by it: the person
 *  has to sign in at the provider. Any other role must be the grantor's own by its token too. */
export function mayProvision(grantor: Grantor, role: Role): boolean {
  return mayGrantRole(grantor.role, role) && (role === 'member' || mayHandOnRole(grantor, role));
}
