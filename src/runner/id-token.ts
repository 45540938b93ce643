/** Where a job's identity comes from. `generic` is whatever somebody put into a variable, a file or standard input. */
export const PLATFORMS = ['github_actions', 'gitlab_ci', 'buildkite', 'kubernetes', 'generic'] as const;
export type PlatformName = (typeof PLATFORMS)[number];

/** What gives the token by which a platform tells who a job is: a JWT (RFC 7519) that lives for minutes. */
export interface IdTokenSource {
  readonly platform: PlatformName;
  /** Whether the platform makes a token for an audience that it is asked for. Elsewhere the audience was set with the job. */
  readonly takesAudience: boolean;
  /** What is secret here beside the token: by it anybody gets another one. */
  readonly secrets: readonly string[];
  /** Gives a token, a fresh one where the platform makes one for each request. Throws {@link IdTokenError}. */
  take(audience: string): Promise<string>;
}

/** The platform gave no token that could be one. Its text holds no secret. */
export class IdTokenError extends Error {
  override readonly name = 'IdTokenError';
}

/** The longest token that the service takes. Those of the platforms are of 1 to 2 KiB. */
const MOST_TOKEN_BYTES = 16_384;
/** A file or answer that is longer holds no token, whatever stands around it. */
export const MOST_ID_TOKEN_INPUT_BYTES = 65_536;
const COMPACT_JWT = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** Takes what a platform gave for a token, without the white space around it. Refuses what is empty, too long, or not of
 *  a JWT's form (RFC 7515 section 7.1). `origin` says where it is from. */
export function idTokenIn(text: string, origin: string): string {
  const token = text.trim();
  if (token === '') throw new IdTokenError(`${origin} is empty`);
  if (token.length > MOST_TOKEN_BYTES) throw new IdTokenError(`${origin} is longer than ${MOST_TOKEN_BYTES} bytes`);
  if (!COMPACT_JWT.test(token)) throw new IdTokenError(`${origin} is no JSON Web Token`);
  return token;
}

/** A claim of a token, unverified: what its job may say of itself. `undefined` when it has none of that name that is a text. */
export function claimIn(token: string, name: string): string | undefined {
  try {
    const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
    const value: unknown = typeof claims === 'object' && claims !== null ? Reflect.get(claims, name) : undefined;
    return typeof value === 'string' && value !== '' ? value : undefined;
  } catch {
    return undefined;
  }
}
