import type { WorkflowRotation } from '../rules/workflow-rotation.js';

/** Where secrets live, in the wire's words, as answers and the audit trail have it. */
export function shownRotations(rotations: readonly WorkflowRotation[]) {
  return rotations.map((one) => ({
    name: one.name,
    into: [...one.into],
    if_expires_within_days: one.ifExpiresWithinDays,
    every_days: one.everyDays,
    expires_in_days: one.expiresInDays,
    overlap_seconds: one.overlapSeconds,
    drain_seconds: one.drainSeconds,
  }));
}
