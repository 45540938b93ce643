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
  /** When it ends, where that is not at once. */
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
  'token.rotated',
  'token.secret_replaced',
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

/** What ends with a rotation, in favour of another secret: nobody was promised that it is dead with the answer. */
const SUPERSEDING: readonly EndingAction[] = ['token.rotated', 'token.secret_replaced'];

/** Whether one of them was promised with the answer, so that there is none before it is in the journal. */
export function arePromised(endings: readonly Ending[]): boolean {
  return endings.some(({ action }) => !SUPERSEDING.includes(action));
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
  const { seq, hash, at, target, data } = event;
  const action = ENDING_ACTIONS.find((one) => one === event.action);
  if (action === undefined) return undefined;
  const until = action === 'token.rotated' ? data['overlap_ends_at'] : undefined;
  const told = { workspace: printId('ws', workspaceId), seq, hash, at: at.toISOString(), action, target };
  return typeof until === 'string' ? { ...told, until } : told;
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
