import { type ConstraintFault, type ConstraintKind, constraintFaults, type RunContext } from './constraint.js';
import { holdsScope } from './scope.js';
import { isActive, type TokenFacts } from './token.js';

/** Why a job may not start: stable codes, for programs. */
export type DenialCode =
  | 'inactive'
  | 'policy'
  | 'workflow_mismatch'
  | 'scope_missing'
  | 'repository_not_allowed'
  | 'ref_not_allowed'
  | 'environment_not_allowed'
  | 'runner_not_allowed'
  | 'network_not_allowed'
  | 'too_many_runs';

export interface Denial {
  readonly code: DenialCode;
  readonly detail: string;
}

export interface ExecRequest {
  readonly workflow: string;
  readonly scopes: readonly string[];
  readonly context: RunContext;
}

const CODES: Record<ConstraintKind, DenialCode> = {
  repositories: 'repository_not_allowed',
  refs: 'ref_not_allowed',
  environments: 'environment_not_allowed',
  runners: 'runner_not_allowed',
  networks: 'network_not_allowed',
};

const NOUNS: Record<ConstraintKind, string> = {
  repositories: 'repository',
  refs: 'ref',
  environments: 'environment',
  runners: 'runner',
  networks: 'network address',
};

/** Everything that speaks against starting a job; an empty list is the only yes. The token's own constraints and its
 *  workflow's of today must both be met. A subject of another workspace is inactive to the caller. */
export function execDenials(
  subject: TokenFacts | undefined,
  caller: TokenFacts,
  request: ExecRequest,
  now: Date,
): Denial[] {
  const inactive: Denial = { code: 'inactive', detail: 'the token is not active' };
  if (subject === undefined) return [inactive];
  if (subject.workspaceId !== caller.workspaceId || !isActive(subject, now)) return [inactive];
  if (subject.kind !== 'access') {
    return [{ code: 'inactive', detail: "the token is a runner's, which decides about jobs and runs none" }];
  }
  return [
    ...workflowDenials(subject, request.workflow),
    ...request.scopes.filter((scope) => !holdsScope(subject.scopes, scope)).map(scopeDenial),
    ...placeDenials(subject, request.context),
  ];
}

/** Why a token may not be used that only a policy of its workspace holds back: the caller is told what is wrong with it.
 *  Empty for every other one. */
export function policyDenials(subject: TokenFacts, caller: TokenFacts, now: Date): Denial[] {
  const { policyFaults } = subject;
  if (subject.workspaceId !== caller.workspaceId || !isActive({ ...subject, policyFaults: [] }, now)) return [];
  return policyFaults.map((detail) => ({ code: 'policy', detail: `the token ${detail}` }));
}

function workflowDenials(subject: TokenFacts, wanted: string): Denial[] {
  if (subject.workflowLabel === wanted) return [];
  return [
    {
      code: 'workflow_mismatch',
      detail: `the token belongs to workflow ${subject.workflowLabel}, the job to ${wanted}`,
    },
  ];
}

function scopeDenial(scope: string): Denial {
  return { code: 'scope_missing', detail: `the token does not hold ${scope}` };
}

function placeDenials(subject: TokenFacts, context: RunContext): Denial[] {
  const faults = [
    ...constraintFaults(subject.constraints, context),
    ...constraintFaults(subject.workflowConstraints, context),
  ];
  const byKind = new Map(faults.map((fault) => [fault.kind, fault]));
  return [...byKind.values()].map(placeDenial);
}

function placeDenial(fault: ConstraintFault): Denial {
  const noun = NOUNS[fault.kind];
  const detail = fault.isMissing
    ? `the token is bound to a ${noun} and the request proves none`
    : `the ${noun} is outside the token's constraints`;
  return { code: CODES[fault.kind], detail };
}
