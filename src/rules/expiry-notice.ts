const DAY_MS = 86_400_000;

/** How many days before its end a token is told of, the most urgent first. */
export const NOTICE_DAYS = [1, 7, 30, 60] as const;

/** The longest of them. */
export const FIRST_NOTICE_DAYS = 60;

/** The notices that are due: the most urgent one, which is sent, and those before it, which then count as sent. One that is
 *  no earlier than the token itself is none: a token of 30 days has those of 7 and 1. */
export function noticesDue(
  token: { readonly createdAt: Date; readonly expiresAt: Date },
  now: Date,
): readonly number[] {
  const left = token.expiresAt.getTime() - now.getTime();
  const life = token.expiresAt.getTime() - token.createdAt.getTime();
  if (left <= 0) return [];
  return NOTICE_DAYS.filter((days) => left <= days * DAY_MS && life > days * DAY_MS);
}
