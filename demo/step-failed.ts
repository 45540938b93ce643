/** What a step promised did not happen. The message says what; the evidence is what a command printed. */
export class StepFailed extends Error {
  override readonly name = 'StepFailed';
  readonly evidence: string;

  constructor(message: string, evidence = '') {
    super(message);
    this.evidence = evidence;
  }
}

/** Goes on only when a promise is kept. */
export function expectThat(isKept: boolean, promise: string, evidence = ''): asserts isKept {
  if (!isKept) throw new StepFailed(`expected that ${promise}`, evidence);
}
