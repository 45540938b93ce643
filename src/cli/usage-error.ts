/** The command was given in a way that cannot be carried out: the caller has to change it. Exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
