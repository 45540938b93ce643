import { isOutOfReach } from '../sdk/index.js';
import { signedInClient } from './client.js';
import { HintedError } from './hinted-error.js';
import { print, printJson, say } from './output.js';
import { printable } from './printable.js';
import { sayWhereItGoes } from './secret-advice.js';

/** `token take-over`. It is asked for once: a second time the service would refuse what a lost answer had done. */
export async function takeOver(id: string, flags: { json?: true }): Promise<number> {
  const client = await signedInClient();
  const taken = await client.tokens.takeOver(id).catch((error: unknown) => {
    throw isOutOfReach(error) ? new HintedError(error, LOST) : error;
  });
  if (flags.json) {
    printJson(taken);
    return 0;
  }
  print(taken.token);
  sayWhereItGoes(taken, `countersign token take-over ${id}`);
  say(`${printable(id)} has ended.`);
  return 0;
}

const LOST = 'If only the answer was lost, the new token is in `countersign token list`: rotate it.';

/** `token unfreeze`. */
export async function unfreeze(id: string, flags: { json?: true }): Promise<number> {
  const token = await (await signedInClient()).tokens.unfreeze(id);
  if (flags.json) printJson(token);
  else say(`${token.id} is ${token.status}.`);
  return 0;
}
