/** What a step promised did not happen. The message says what; the evidence is what a command printed. */
export class StepFailed extends Error {
  override readonly name = 'StepFailed';
  readonly evidence: string;

  constructor(message: string, evidence = '') {
    super(message);
    this.evidence = evidence;
  }
}

const PATIENCE_MS = 30_000;

/** Waits for what a promise stands for, 30 s at most. */
export async function inTime<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new StepFailed(`waited ${PATIENCE_MS / 1000} s for ${what}`)), PATIENCE_MS);
  });
  return await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Goes on only when a promise is kept. */
export function expectThat(isKept: boolean, promise: string, evidence = ''): asserts isKept {
  if (!isKept) throw new StepFailed(`expected that ${promise}`, evidence);
}
