import { NOTICE_DAYS } from '../rules/expiry-notice.js';
import { printId, type TokenId, type WorkspaceId } from '../rules/format.js';
import type { Tx } from './database.js';
import { byAddress, type DueMail, queueMails, toldOf } from './mail-queue.js';

interface Noted {
  readonly token: { readonly workspaceId: WorkspaceId; readonly id: TokenId };
  /** The most urgent first, which is the one that is told. */
  readonly days: readonly number[];
}

/** Queues the mails of a pass of notices, in the transaction that remembers them: of each number of days one for an address,
 *  with all its tokens. A token and a number of days are in one pass alone, so that the first token of a mail tells it from
 *  all others. */
export async function queueExpiryMails(tx: Tx, noted: readonly Noted[], now: Date): Promise<void> {
  const told = await toldOf(
    tx,
    noted.map(({ token }) => token),
  );
  const daysOf = new Map(noted.map(({ token, days: [urgent] }) => [printId('tok', token.id), urgent]));
  const mails = NOTICE_DAYS.flatMap((daysLeft) =>
    byAddress(told.filter(({ token }) => daysOf.get(token.id) === daysLeft)).map((group): DueMail => {
      const {
        workspaceId,
        workspace,
        recipient: { address, to },
      } = group;
      const tokens = group.tokens.toSorted((a, b) => compare(a.expiresAt, b.expiresAt) || compare(a.id, b.id));
      const occasion = `expiring ${tokens[0]?.id} ${daysLeft}`;
      const timestamp = now.toISOString();
      return {
        workspaceId,
        recipient: address,
        occasion,
        payload: { type: 'token.expiring', timestamp, workspace, to, daysLeft, tokens },
      };
    }),
  );
  await queueMails(tx, mails, now);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
