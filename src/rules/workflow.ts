import type { Constraints } from './constraint.js';
import type { ReuseRule } from './incident.js';
import type { LeaverPolicy } from './leaver.js';
import type { RunLimits } from './run-limit.js';
import { coversScope, isServiceScope } from './scope.js';
import type { WorkflowRotation } from './workflow-rotation.js';

const LABEL = /^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$/;

/** The workflow that people's own sign-in tokens belong to. Its name and `countersign.…` are the service's own. */
export const SERVICE_WORKFLOW = 'countersign';

/** Rotation periods offered unless the workflow says otherwise, in whole days. */
export const DEFAULT_EXPIRY_DAYS: readonly number[] = [7, 30, 60, 90];

/** How many contacts a workflow may have. */
export const MAX_CONTACTS = 10;

/** How long a job may run after its check unless the workflow says otherwise, in seconds. */
export const DEFAULT_MAX_RUN_SECONDS = 21_600;

/** What a workflow lets its tokens be. */
export interface WorkflowPolicy extends RunLimits {
  readonly description: string;
  readonly allowedScopes: readonly string[];
  readonly allowedExpiryDays: readonly number[];
  readonly constraints: Constraints;
  readonly maxRunSeconds: number;
  /** What becomes of its tokens when their creator leaves. */
  readonly leaver?: LeaverPolicy | undefined;
  /** What the use of a dead secret does to the lineage of its token. */
  readonly reuseRule?: ReuseRule | undefined;
  /** Where its secrets live. */
  readonly rotations?: readonly WorkflowRotation[] | undefined;
  /** E-mail addresses that hear of its tokens beside their owners. */
  readonly contacts?: readonly string[] | undefined;
}

/** Whether a text is a workflow label: 1 to 64 of `a-z 0-9 . _ -`, a letter or digit at both ends. Never normalised. */
export function isWorkflowLabel(text: string): boolean {
  return LABEL.test(text);
}

/** Whether two e-mail addresses are the same one: upper and lower case do not tell them apart. */
export function isSameAddress(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}

/** Whether a label is the service's own, so that nobody makes, changes, pauses or mints for it. */
export function isReservedLabel(label: string): boolean {
  return label === SERVICE_WORKFLOW || label.startsWith(`${SERVICE_WORKFLOW}.`);
}

/** Whether the policy lets a scope be granted. It speaks of agent scopes, and of wildcards, which always reach some; who
 *  may hand on a service scope is decided by what the grantor holds. */
export function policyAllowsScope(policy: Pick<WorkflowPolicy, 'allowedScopes'>, scope: string): boolean {
  return isServiceScope(scope) || policy.allowedScopes.some((allowed) => coversScope(allowed, scope));
}
