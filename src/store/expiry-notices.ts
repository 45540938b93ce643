import { and, asc, eq, gt, isNull, lte, notExists, sql } from 'drizzle-orm';
import { FIRST_NOTICE_DAYS, NOTICE_DAYS, noticesDue } from '../rules/expiry-notice.js';
import { printId, type TokenId } from '../rules/format.js';
import { addDays } from '../rules/lifetime.js';
import type { WebhookPayload } from '../rules/webhook.js';
import { SERVICE_WORKFLOW } from '../rules/workflow.js';
import { type Db, inTransaction, isMailed, type Tx } from './database.js';
import { queueExpiryMails } from './expiry-mails.js';
import { expiryNotices, members, tokens, workspaces } from './schema.js';
import { queueOccasions } from './webhook-queue.js';

const NOTICES_LOCK = 4_837_201_189;
const MAX_AT_ONCE = 500;

/** The tokens that end after `from`, and no later than `to`. */
interface Window {
  readonly from: Date;
  readonly to: Date;
}

/** Where the reading of tokens goes on, in the order of their ends. */
interface Place {
  readonly expiresAt: Date;
  readonly id: TokenId;
}

/** Sends the notices of expiry that are due: each once for a token and a number of days, whichever process comes first, in
 *  the transaction that remembers it. Of several that were missed the most urgent is sent. With `since`, the time of a pass
 *  that was whole, it looks at those tokens alone that have come nearer to their end by a number of days after it. Gives how
 *  many tokens had a notice; `undefined` when another process is at it. */
export async function noteExpiries(db: Db, now: Date, since?: Date): Promise<number | undefined> {
  // One range of the index for each statement, so that no plan takes them for one long one.
  const windows =
    since === undefined
      ? [{ from: now, to: addDays(now, FIRST_NOTICE_DAYS) }]
      : NOTICE_DAYS.map((days) => ({ from: addDays(since, days), to: addDays(now, days) }));
  let noted = 0;
  for (const window of windows) {
    const some = await noteWindow(db, now, window);
    if (some === undefined) return undefined;
    noted += some;
  }
  return noted;
}

async function noteWindow(db: Db, now: Date, window: Window): Promise<number | undefined> {
  let noted = 0;
  for (let after: Place | undefined; ; ) {
    const due = await inTransaction(db, (tx) => noteSome(tx, now, window, after));
    if (due === undefined) return undefined;
    noted += due.length;
    after = due.at(-1);
    if (due.length < MAX_AT_ONCE) return noted;
  }
}

async function noteSome(tx: Tx, now: Date, window: Window, after: Place | undefined) {
  const [lock] = await tx.execute<{ taken: boolean }>(
    sql`select pg_try_advisory_xact_lock(${NOTICES_LOCK}::bigint) as taken`,
  );
  if (lock?.taken !== true) return undefined;
  const due = await dueTokens(tx, now, window, after);
  const told = due.map((token) => ({ token, days: noticesDue(token, now) }));
  const rows = told.flatMap(({ token, days }) =>
    days.map((daysLeft) => ({ workspaceId: token.workspaceId, tokenId: token.id, daysLeft, at: now })),
  );
  if (rows.length === 0) return due;
  await tx.insert(expiryNotices).values(rows).onConflictDoNothing();
  const occasions = told.flatMap(({ token, days: [urgent] }) => {
    if (urgent === undefined) return [];
    const occasion = `expiring ${printId('tok', token.id)} ${urgent}`;
    return [{ workspaceId: token.workspaceId, occasion, payload: payloadOf(token, urgent, now) }];
  });
  await queueOccasions(tx, occasions, now);
  if (isMailed(tx)) await queueExpiryMails(tx, told, now);
  return due;
}

/** How many tokens that have no successor end within each of the days of notice, the soonest counted in all of them. */
export async function countExpiring(db: Db, now: Date): Promise<ReadonlyMap<number, number>> {
  const within = NOTICE_DAYS.map(
    (days) => sql`count(*) filter (where ${tokens.expiresAt} <= ${addDays(now, days).toISOString()}::timestamptz)`,
  );
  const [row] = await db
    .select({ counts: sql<string[]>`array[${sql.join(within, sql`, `)}]::text[]` })
    .from(tokens)
    .where(
      and(
        isNull(tokens.revokedAt),
        gt(tokens.expiresAt, now),
        lte(tokens.expiresAt, addDays(now, FIRST_NOTICE_DAYS)),
        isNull(tokens.rotatedTo),
        eq(tokens.kind, 'access'),
        isOfJob,
      ),
    );
  return new Map(NOTICE_DAYS.map((days, at) => [days, Number(row?.counts[at] ?? 0)]));
}

const isOfJob = sql`${tokens.workflow} <> ${SERVICE_WORKFLOW}
  and not starts_with(${tokens.workflow}, ${`${SERVICE_WORKFLOW}.`})`;

/** Tokens that have come into another span of days and were not told of it: none that has a successor or ends already, none
 *  that is held back for good, and no sign-in. */
function dueTokens(tx: Tx, now: Date, window: Window, after: Place | undefined) {
  const beyond =
    after &&
    sql`(${tokens.expiresAt}, ${tokens.id}) > (${after.expiresAt.toISOString()}::timestamptz, ${after.id}::uuid)`;
  const spans = NOTICE_DAYS.map(
    (days) =>
      sql`when ${tokens.expiresAt} <= ${addDays(now, days).toISOString()}::timestamptz then ${sql.raw(String(days))}`,
  );
  const span = sql`(case ${sql.join(spans, sql` `)} end)`;
  const noted = tx
    .select({ daysLeft: expiryNotices.daysLeft })
    .from(expiryNotices)
    .where(
      and(
        eq(expiryNotices.workspaceId, tokens.workspaceId),
        eq(expiryNotices.tokenId, tokens.id),
        sql`${expiryNotices.daysLeft} <= ${span}`,
      ),
    );
  return tx
    .select({
      workspaceId: tokens.workspaceId,
      workspace: workspaces.slug,
      id: tokens.id,
      name: tokens.name,
      workflow: tokens.workflow,
      createdAt: tokens.createdAt,
      expiresAt: tokens.expiresAt,
      ownerId: tokens.ownerId,
      ownerEmail: members.email,
    })
    .from(tokens)
    .innerJoin(workspaces, eq(workspaces.id, tokens.workspaceId))
    .innerJoin(members, and(eq(members.workspaceId, tokens.workspaceId), eq(members.id, tokens.ownerId)))
    .where(
      and(
        beyond,
        isNull(tokens.revokedAt),
        gt(tokens.expiresAt, window.from),
        lte(tokens.expiresAt, window.to),
        isNull(tokens.rotatedTo),
        isNull(tokens.frozenAt),
        eq(tokens.kind, 'access'),
        isOfJob,
        isNull(workspaces.suspendedAt),
        sql`extract(epoch from ${tokens.expiresAt} - ${tokens.createdAt}) > ${span} * 86400`,
        notExists(noted),
      ),
    )
    .orderBy(asc(tokens.expiresAt), asc(tokens.id))
    .limit(MAX_AT_ONCE);
}

type Due = Awaited<ReturnType<typeof dueTokens>>[number];

function payloadOf(token: Due, daysLeft: number, now: Date): WebhookPayload {
  return {
    type: 'token.expiring',
    timestamp: now.toISOString(),
    data: {
      workspace_id: printId('ws', token.workspaceId),
      workspace: token.workspace,
      target: printId('tok', token.id),
      name: token.name,
      workflow: token.workflow,
      owner: { id: printId('mem', token.ownerId), email: token.ownerEmail },
      expires_at: token.expiresAt.toISOString(),
      days_left: daysLeft,
    },
  };
}
