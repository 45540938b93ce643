import { randomUUID } from 'node:crypto';
import { periodWithin } from '../rules/lifetime.js';
import { type Client, ProblemError } from '../sdk/index.js';
import { signedInClient } from './client.js';
import { type ConstraintFlags, constraintsOf } from './constraint-flags.js';
import { print, printJson, say } from './output.js';
import { retryWhenLost } from './retry.js';
import { sayWhereItGoes } from './secret-advice.js';

export interface MintFlags extends ConstraintFlags {
  workflow: string;
  scope: string[];
  expiresInDays?: number;
  notBefore?: string;
  name?: string;
  json?: true;
}

const USUAL_DAYS = 30;

/** `token mint`. A lost answer is asked for again under the same idempotency key, so that no second token is made. */
export async function mint(flags: MintFlags): Promise<number> {
  const client = await signedInClient();
  const request = {
    workflow: flags.workflow,
    scopes: flags.scope,
    expires_in_days: flags.expiresInDays ?? (await usualPeriod(client, flags.workflow)),
    name: flags.name,
    constraints: constraintsOf(flags),
    not_before: flags.notBefore,
  };
  const key = randomUUID();
  const minted = await retryWhenLost(() => client.tokens.mint(request, key));
  if (flags.json) {
    printJson(minted);
    return 0;
  }
  print(minted.token);
  if (flags.expiresInDays === undefined)
    say(`It lives ${request.expires_in_days} days: --expires-in-days was not given.`);
  sayWhereItGoes(minted, 'countersign token mint');
  return 0;
}

/** The longest period of a workflow up to 30 days, else its shortest. Who may not read the workflow gets 30, which the
 *  service then accepts or refuses. */
export async function usualPeriod(client: Client, workflow: string): Promise<number> {
  try {
    const { allowed_expiry_days } = await client.workflows.show(workflow);
    return periodWithin(allowed_expiry_days, USUAL_DAYS) ?? USUAL_DAYS;
  } catch (error) {
    if (error instanceof ProblemError && (error.status === 403 || error.status === 404)) return USUAL_DAYS;
    throw error;
  }
}
