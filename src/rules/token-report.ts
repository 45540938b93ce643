import { type Constraints, widerKinds } from './constraint.js';
import type { Role } from './role.js';
import { policyAllowsScope, type WorkflowPolicy } from './workflow.js';
import { policyFaults, type WorkspacePolicy } from './workspace-policy.js';

/** What a report lists: tokens whose owner is not active, that nobody uses, that are more than the policies of today allow,
 *  or that end soon. */
export const REPORT_KINDS = ['ownerless', 'unused', 'beyond_policy', 'expiring'] as const;
export type ReportKind = (typeof REPORT_KINDS)[number];

/** How many days `unused` and `expiring` speak of unless it is said. */
export const REPORT_DAYS = 30;

/** Why a token is in a report: stable codes, for programs. Those of the workspace's policy are its own. */
export interface Finding {
  readonly code: string;
  readonly detail: string;
}

/** A token as it is measured by the policies. */
export interface MeasuredToken {
  readonly scopes: readonly string[];
  readonly constraints: Constraints;
  readonly expiresInDays: number;
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

/** Everything in which a token is more than the policies of today allow: its workflow's, and its workspace's where there is
 *  one. None when it keeps to both. */
export function policyFindings(
  token: MeasuredToken,
  workflow: Pick<WorkflowPolicy, 'allowedScopes' | 'allowedExpiryDays' | 'constraints'> & { readonly label: string },
  workspace: { readonly policy: WorkspacePolicy | undefined; readonly creatorRole: Role },
): Finding[] {
  const beyond = token.scopes.filter((scope) => !policyAllowsScope(workflow, scope));
  const longest = Math.max(...workflow.allowedExpiryDays);
  const wider = widerKinds(token.constraints, workflow.constraints);
  const place = { workflowLabel: workflow.label, workflowConstraints: workflow.constraints };
  const policed = { ...token, ...place, kind: 'access', creatorRole: workspace.creatorRole } as const;
  const faults = workspace.policy === undefined ? [] : policyFaults(policed, workspace.policy);
  return [
    ...beyond.map((scope) => ({ code: 'workflow_scopes', detail: `its workflow does not allow ${scope}` })),
    ...(token.expiresInDays > longest
      ? [
          {
            code: 'workflow_expiry_days',
            detail: `made for ${token.expiresInDays} days; its workflow allows ${longest}`,
          },
        ]
      : []),
    ...wider.map((kind) => ({ code: 'workflow_constraints', detail: `reaches ${kind} beyond its workflow's` })),
    ...faults.map(({ rule, detail }) => ({ code: rule, detail })),
  ];
}
