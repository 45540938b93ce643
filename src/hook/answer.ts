import type { HookEventName } from './event-name.js';
import type { Ruling } from './ruling.js';

/** What a hook prints on standard output and standard error, without line ends. An empty text is not printed. */
export interface Answer {
  readonly stdout: string;
  /** Why something was denied, for the log of the agent. */
  readonly stderr: string;
}

const MOST_REASON_LENGTH = 1_000;
const NO_REASON = 'denied, and no reason was given';

/** The one output by which an event is answered. An agent lets the tool run when the output has a member that it does
 *  not know, an empty reason, or a form that belongs to another event: nothing is printed that is not in the event's own
 *  strict schema. */
export function answerOf(event: HookEventName, ruling: Ruling): Answer {
  if (ruling.verdict === 'deny') {
    const reason = spoken(ruling.reason);
    return { stdout: JSON.stringify(denialOf(event, reason)), stderr: reason };
  }
  const allows = event === 'PermissionRequest' && ruling.verdict === 'allow';
  return { stdout: allows ? JSON.stringify(permission({ behavior: 'allow' })) : '', stderr: '' };
}

/** A reason as it is shown: never empty, on one line, `countersign` in front. */
export function spoken(reason: string): string {
  const line = reason
    .toWellFormed()
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim();
  const text = line === '' ? NO_REASON : line;
  return `countersign: ${[...text].slice(0, MOST_REASON_LENGTH).join('')}`;
}

function denialOf(event: HookEventName, reason: string): object {
  switch (event) {
    // At the start, `continue` alone stops; at the end, `decision` would mean "go on".
    case 'SessionStart':
    case 'Stop':
      return { continue: false, stopReason: reason };
    case 'UserPromptSubmit':
    case 'PostToolUse':
      return { decision: 'block', reason };
    case 'PreToolUse':
      return {
        hookSpecificOutput: {
          hookEventName: 'PreToolUse',
          permissionDecision: 'deny',
          permissionDecisionReason: reason,
        },
      };
    case 'PermissionRequest':
      return permission({ behavior: 'deny', message: reason });
  }
}

function permission(decision: object): object {
  return { hookSpecificOutput: { hookEventName: 'PermissionRequest', decision } };
}
