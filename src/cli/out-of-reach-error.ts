/** What a command on the host needs, the database above all, cannot be had now. Exit code 69. */
export class OutOfReachError extends Error {
  override readonly name = 'OutOfReachError';
}
