/** How a person proved who they are: at an OpenID provider, or with a passkey. */
export const SESSION_METHODS = ['oidc', 'passkey'] as const;
export type SessionMethod = (typeof SESSION_METHODS)[number];

/** Whether a session goes on. */
export const SESSION_STATUSES = ['active', 'ended'] as const;

/** How long a session lasts at most, and how long without use, in seconds. */
export const SESSION_SECONDS = 12 * 3600;
export const SESSION_IDLE_SECONDS = 3600;

/** What a session's state depends on. */
export interface SessionLife {
  readonly expiresAt: Date;
  readonly lastUsedAt: Date;
  readonly endedAt: Date | null;
}

/** Whether a session is good at an instant. At its end it is not. */
export function isSessionAlive({ expiresAt, lastUsedAt, endedAt }: SessionLife, now: Date): boolean {
  const idleSeconds = (now.getTime() - lastUsedAt.getTime()) / 1000;
  return endedAt === null && now < expiresAt && idleSeconds < SESSION_IDLE_SECONDS;
}
