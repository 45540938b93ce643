/** A suspended runner proves nothing until it is reactivated; a removed one never again. */
export type RunnerStatus = 'active' | 'suspended' | 'removed';

/** An enrolment waits for an approval, and is over once its host has fetched what was approved. */
export type EnrolmentStatus = 'pending' | 'approved' | 'denied' | 'redeemed';
