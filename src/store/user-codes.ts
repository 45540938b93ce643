import { accept, type Result, refuse } from '../rules/refusal.js';
import { newUserCode, printUserCode, type UserCode, type UserCodeSecret } from '../rules/user-code.js';
import type { Secrets } from './secret.js';

/** How many codes of a kind may wait at the same time, for all who ask together: they are made without credentials. */
export const MAX_WAITING_CODES = 1_000;
const LOCATOR_DRAWS = 8;

/** Draws a user code for something that is to wait for an approval. `insert` gives `undefined` when another one that waits
 *  has the same locator. `printed` is a secret. Refuses `busy` when no locator is free. */
export async function drawUserCode<Row>(
  secrets: Secrets,
  insert: (code: { readonly locator: string; readonly verifier: string }) => Promise<Row | undefined>,
): Promise<Result<{ readonly row: Row; readonly printed: string }>> {
  const { codeSecret } = newUserCode();
  const verifier = await secrets.hash(codeSecret);
  for (let draw = 0; draw < LOCATOR_DRAWS; draw += 1) {
    const { locator } = newUserCode();
    const row = await insert({ locator, verifier });
    if (row) return accept({ row, printed: printUserCode({ locator, codeSecret }) });
  }
  return refuse({ kind: 'busy', retryAfterSeconds: 1 });
}

/** The tries that a waiting code has left. */
export interface CodeTries<Row> {
  /** Puts a try on record, and gives what waits under the locator and has tries left. */
  take(locator: string): Promise<Row | undefined>;
  /** Takes the try back: its code was right. */
  giveBack(row: Row): Promise<void>;
}

/** Finds what a user code is of. A code that is not the right one gives `undefined`, whether it is mistyped, expired, used,
 *  or was tried too often. Each try is on record before its code is weighed, so that many at the same moment get no more
 *  than five in all; a right one is not counted. */
export async function weighUserCode<Row extends { readonly verifier: string }>(
  secrets: Secrets,
  { locator, codeSecret }: UserCode,
  tries: CodeTries<Row>,
): Promise<Row | undefined> {
  const row = await tries.take(locator);
  if (row === undefined) {
    await weighNothing(secrets, codeSecret);
    return undefined;
  }
  if (!(await secrets.verify(row.verifier, codeSecret))) return undefined;
  await tries.giveBack(row);
  return row;
}

let decoy: Promise<string> | undefined;

/** Takes as long as weighing a code does, so that the time tells nobody which first halves wait. */
async function weighNothing(secrets: Secrets, codeSecret: UserCodeSecret): Promise<void> {
  decoy ??= secrets.hash(newUserCode().codeSecret);
  const verifier = await decoy.catch((error: unknown) => {
    decoy = undefined;
    throw error;
  });
  await secrets.verify(verifier, codeSecret);
}
