import { printId, type WorkspaceId } from '../rules/format.js';

/** What made something inactive, as the revocation journal tells it. Nothing in it is a secret. */
export interface Ending {
  readonly workspace: string;
  /** The audit event that tells of it. */
  readonly seq: number;
  readonly hash: string;
  readonly at: string;
  readonly action: EndingAction;
  readonly target: string;
}

/** The audit events after which something is not active any more that was. */
export const ENDING_ACTIONS = [
  'workspace.suspended',
  'member.suspended',
  'member.removed',
  'workflow.paused',
  'token.revoked',
  'token.frozen',
  'runner.suspended',
  'runner.removed',
  'trust_rule.removed',
  'passkey.removed',
  'session.ended',
] as const;
export type EndingAction = (typeof ENDING_ACTIONS)[number];

/** What a transaction has put on record so far. */
interface Noted {
  readonly endings: Ending[];
  events: number;
}

const noted = new WeakMap<object, Noted>();
const NOTHING: Noted = { endings: [], events: 0 };

/** Whether an event tells of an ending. */
export function isEnding(action: string): action is EndingAction {
  return ENDING_ACTIONS.some((one) => one === action);
}

/** Keeps the endings among events of a transaction until it has committed. */
export function noteEvents(
  tx: object,
  workspaceId: WorkspaceId,
  rows: readonly { seq: number; hash: string; at: Date; action: string; target: string }[],
): void {
  const workspace = printId('ws', workspaceId);
  const sofar = noted.get(tx) ?? { endings: [], events: 0 };
  sofar.events += rows.length;
  for (const { seq, hash, at, action, target } of rows) {
    if (isEnding(action)) sofar.endings.push({ workspace, seq, hash, at: at.toISOString(), action, target });
  }
  noted.set(tx, sofar);
}

/** What a transaction has put on record. */
export function notedBy(tx: object): Noted {
  return noted.get(tx) ?? NOTHING;
}
