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
  /** Until when a token is good that another secret took the place of. A release that does not know of it ends it at once. */
  readonly until?: string | undefined;
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

/** The audit events after which a secret ends in favour of another. They are journaled as revocations with an `until`. */
export const SUPERSEDING_ACTIONS = ['token.rotated', 'token.secret_replaced'] as const;

/** Whether one of them was promised with the answer, so that there is none before it is in the journal. Of a secret that was
 *  superseded nobody was told that it is dead. */
export function arePromised(endings: readonly Ending[]): boolean {
  return endings.some(({ until }) => until === undefined);
}

/** An audit event, as far as it may tell of an ending. */
interface EndingEvent {
  readonly seq: number;
  readonly hash: string;
  readonly at: Date;
  readonly action: string;
  readonly target: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** The ending that an event tells of; `undefined` when it tells of none. */
export function endingOf(workspaceId: WorkspaceId, event: EndingEvent): Ending | undefined {
  const { seq, hash, target, data } = event;
  const at = event.at.toISOString();
  const told = { workspace: printId('ws', workspaceId), seq, hash, at, target };
  if (SUPERSEDING_ACTIONS.some((one) => one === event.action)) {
    const until = data['overlap_ends_at'];
    return { ...told, action: 'token.revoked', until: typeof until === 'string' ? until : at };
  }
  const action = ENDING_ACTIONS.find((one) => one === event.action);
  return action && { ...told, action };
}

/** Keeps the endings among events of a transaction until it has committed. */
export function noteEvents(tx: object, workspaceId: WorkspaceId, rows: readonly EndingEvent[]): void {
  const sofar = noted.get(tx) ?? { endings: [], events: 0 };
  sofar.events += rows.length;
  for (const row of rows) {
    const ending = endingOf(workspaceId, row);
    if (ending) sofar.endings.push(ending);
  }
  noted.set(tx, sofar);
}

/** What a transaction has put on record. */
export function notedBy(tx: object): Noted {
  return noted.get(tx) ?? NOTHING;
}
