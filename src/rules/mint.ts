import { type Constraints, widerKinds } from './constraint.js';
import { type Grantor, grantedConstraints, scopeFault } from './grant.js';
import { addDays } from './lifetime.js';
import { accept, type FieldError, invalid, type Result, refuse } from './refusal.js';
import { isReservedLabel, type WorkflowPolicy } from './workflow.js';

/** What is asked of a token that is to be minted, beside its workflow. */
export interface MintTerms {
  readonly scopes: readonly string[];
  readonly constraints: Constraints;
  readonly expiresInDays: number;
  readonly notBefore: Date | undefined;
}

/** A workflow, as far as it decides which tokens it may have. */
export type MintingWorkflow = Pick<WorkflowPolicy, 'allowedScopes' | 'allowedExpiryDays' | 'constraints'> & {
  readonly label: string;
  readonly pausedAt: Date | null;
};

/** Whether a grantor may mint such a token of a workflow: gives the constraints that the token is bound to. Refuses
 *  `invalid` for what the workflow's policy does not allow, `not_allowed` for more than the grantor holds, `conflict` while
 *  the workflow is paused. */
export function judgeMint(
  grantor: Grantor,
  workflow: MintingWorkflow | undefined,
  terms: MintTerms,
  now: Date,
): Result<Constraints> {
  if (workflow === undefined) return invalid(['workflow'], 'is not a workflow of this workspace');
  if (isReservedLabel(workflow.label)) return invalid(['workflow'], "is the service's own");
  if (workflow.pausedAt) {
    return refuse({ kind: 'conflict', code: 'workflow_not_active', detail: 'the workflow is paused' });
  }
  const faults = terms.scopes.map((scope) => scopeFault(grantor, workflow, scope));
  const beyond = terms.scopes.filter((_, at) => faults[at] === 'grantor');
  if (beyond.length > 0) {
    return refuse({ kind: 'not_allowed', detail: `the calling token may not hand on ${beyond.join(', ')}` });
  }
  const { constraints, widened } = grantedConstraints(terms.constraints, workflow.constraints);
  const errors: FieldError[] = [
    ...terms.scopes.flatMap((scope, at) =>
      faults[at] === 'policy' ? [{ pointer: `#/scopes/${at}`, detail: `the workflow does not allow ${scope}` }] : [],
    ),
    ...widened.map((kind) => ({ pointer: `#/constraints/${kind}`, detail: "reaches beyond the workflow's" })),
    ...(workflow.allowedExpiryDays.includes(terms.expiresInDays)
      ? []
      : [{ pointer: '#/expires_in_days', detail: `must be one of ${workflow.allowedExpiryDays.join(', ')}` }]),
    ...(terms.notBefore !== undefined && terms.notBefore >= addDays(now, terms.expiresInDays)
      ? [{ pointer: '#/not_before', detail: 'must lie before the expiry' }]
      : []),
  ];
  if (errors.length > 0) return refuse({ kind: 'invalid', errors });
  const wider = widerKinds(constraints, grantor.constraints);
  if (wider.length > 0) {
    return refuse({ kind: 'not_allowed', detail: `the calling token is bound to narrower ${wider.join(', ')}` });
  }
  return accept(constraints);
}

/** Whether two states of a workflow decide the same about every mint. */
export function decidesAlike(one: MintingWorkflow | undefined, other: MintingWorkflow | undefined): boolean {
  return JSON.stringify(one && deciding(one)) === JSON.stringify(other && deciding(other));
}

function deciding({ label, allowedScopes, allowedExpiryDays, constraints, pausedAt }: MintingWorkflow) {
  return [label, allowedScopes, allowedExpiryDays, constraints, pausedAt !== null];
}
