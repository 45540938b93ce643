import { type CheckId, idFloor, type ToolDecisionId } from './format.js';
import { addSeconds } from './lifetime.js';
import type { ToolVerdict } from './tool-rule.js';

/** What the guard of a run decided about a prompt or a tool of its agent. `rule` counts from 0, where one decided. */
export interface ToolDecisionRecord {
  readonly id: ToolDecisionId;
  readonly at: Date;
  /** The event of the agent's hook, such as `PreToolUse`. */
  readonly event: string;
  readonly tool: string | undefined;
  readonly decision: ToolVerdict;
  /** Why, for programs. */
  readonly code: string;
  readonly rule: number | undefined;
  /** Why, for people. */
  readonly detail: string;
}

/** What says when a run may have decided something. */
export interface DecidingRun {
  readonly id: CheckId;
  readonly asOf: Date;
  readonly leaseEndsAt: Date;
  readonly finishedAt: Date | null;
  readonly stoppedAt: Date | null;
}

/** How many decisions a run may have on record. */
export const MAX_TOOL_DECISIONS = 100_000;

/** How far the clock of a guard may be off, in seconds. */
const CLOCK_SKEW_SECONDS = 60;

/** For how long after a run's end its decisions are taken, in seconds: the last of them come late. */
export const LATE_SECONDS = 900;

/** Until when the decisions of a run are taken. What was told of its end goes before the end of its lease. */
export function takesDecisionsUntil(run: DecidingRun): Date {
  const told = [run.finishedAt, run.stoppedAt].flatMap((at) => (at === null ? [] : [at.getTime()]));
  return addSeconds(told.length > 0 ? new Date(Math.max(...told)) : run.leaseEndsAt, LATE_SECONDS);
}

/** What is wrong with the time of a decision, and at which member: it lies between the check and now, give or take a minute,
 *  and so does the time in its id, by which decisions are ordered. */
export function decisionFault(
  decision: Pick<ToolDecisionRecord, 'id' | 'at'>,
  run: DecidingRun,
  now: Date,
): { readonly member: 'id' | 'at'; readonly detail: string } | undefined {
  const earliest = addSeconds(run.asOf, -CLOCK_SKEW_SECONDS);
  const latest = addSeconds(now, CLOCK_SKEW_SECONDS);
  if (decision.at < earliest) return { member: 'at', detail: 'is before the check' };
  if (decision.at > latest) return { member: 'at', detail: 'is in the future' };
  const isWithin =
    decision.id >= idFloor('dec', earliest) && decision.id < idFloor('dec', new Date(latest.getTime() + 1));
  return isWithin ? undefined : { member: 'id', detail: 'is not of the time of the run' };
}
