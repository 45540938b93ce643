import type { MemberId } from './format.js';

/** What becomes of a workflow's tokens when their creator leaves: they stay inactive (`freeze`), end (`revoke`), or stay
 *  inactive for some days in which a named member may take over (`transfer`), and then end. */
export type LeaverRule = 'freeze' | 'revoke' | 'transfer';

/** The longest window of a transfer, in days. */
export const MAX_WINDOW_DAYS = 30;

/** What a workflow says about leavers. Who makes a workflow and says nothing has none: a suspension then holds its tokens
 *  back while it lasts. */
export type LeaverPolicy =
  | { readonly rule: Exclude<LeaverRule, 'transfer'> }
  | { readonly rule: 'transfer'; readonly successorId: MemberId; readonly windowDays: number };
