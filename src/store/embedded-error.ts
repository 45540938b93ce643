/** Why the embedded PostgreSQL cannot be used. The message is one line for a person and says what to do. */
export class EmbeddedError extends Error {
  override readonly name = 'EmbeddedError';
}

/** The `code` of an error of the operating system: `ENOENT`, `EACCES`. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
