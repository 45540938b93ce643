/** Where a secret of a workflow lives, and when the rotator makes another. It names places and never credentials. */
export interface WorkflowRotation {
  /** Which of the workflow's tokens, by its name; without one the only one that it has. */
  readonly name?: string;
  /** Sinks, as `countersign rotate --into` takes them. */
  readonly into: readonly string[];
  readonly ifExpiresWithinDays?: number;
  readonly everyDays?: number;
  /** How long the successor lives, in days; unless said as long as the one before. */
  readonly expiresInDays?: number;
  readonly overlapSeconds?: number;
  readonly drainSeconds?: number;
}
