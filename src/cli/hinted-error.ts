/** An error with better advice than its kind alone gives. It counts as its `cause` in everything else. */
export class HintedError extends Error {
  override readonly name = 'HintedError';
  readonly hint: string;

  constructor(cause: unknown, hint: string) {
    super(hint, { cause });
    this.hint = hint;
  }
}
