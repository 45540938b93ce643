import type { RunnerId } from './format.js';
import type { ServiceScope } from './scope.js';

/** A suspended runner proves nothing until it is reactivated; a removed one never again. */
export const RUNNER_STATUSES = ['active', 'suspended', 'removed'] as const;
export type RunnerStatus = (typeof RUNNER_STATUSES)[number];

/** An enrolment waits for an approval, and is over once its host has fetched what was approved. */
export type EnrolmentStatus = 'pending' | 'approved' | 'denied' | 'redeemed';

/** The workflow that the tokens of runners belong to. One of the service's own: revoking all of it ends every runner. */
export const RUNNER_WORKFLOW = 'countersign.runner';

/** What a runner's token may do: decide about the tokens of jobs, and nothing to any token but its own. */
export const RUNNER_SCOPES: readonly ServiceScope[] = ['exec:check', 'tokens:introspect'];

/** How long the token of a runner lives unless its approver says otherwise, in days, and what may be said. */
export const DEFAULT_RUNNER_DAYS = 90;
export const RUNNER_EXPIRY_DAYS: readonly number[] = [7, 30, 60, 90];

/** How many labels a runner may have. */
export const MAX_RUNNER_LABELS = 16;

/** A runner as far as it decides about its token and about the jobs on it. */
export interface RunnerFacts {
  readonly id: RunnerId;
  readonly name: string;
  readonly labels: readonly string[];
  readonly status: RunnerStatus;
}

const NAME = /^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$/;
const LABEL = /^(?=.{1,64}$)[a-z0-9]+([._:=/-]+[a-z0-9]+)*$/;

/** Whether a text is a runner's name: 1 to 64 of `a-z 0-9 . _ -`, a letter or digit at both ends. Never normalised. */
export function isRunnerName(text: string): boolean {
  return NAME.test(text);
}

/** Whether a text is a runner's label: as a name, with `:`, `=` and `/` inside. Segments parted by `/` are not empty, so
 *  that patterns reach them. */
export function isRunnerLabel(text: string): boolean {
  return LABEL.test(text) && !text.includes('//');
}

/** How long an enrolment may be approved, and what was approved be fetched, in seconds. */
export const ENROLMENT_SECONDS = 600;
