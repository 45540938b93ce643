import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Client, MintedToken, MintRequest } from '../sdk/index.js';
import { MAX_MINTED } from '../wire/mints.js';
import { fieldErrors } from '../wire/primitives.js';
import { mintRequest } from '../wire/tokens.js';
import { signedInClient } from './client.js';
import { readJsonList } from './json-input.js';
import { usualPeriod } from './mint.js';
import { print, printJson, say } from './output.js';
import { printable } from './printable.js';
import { retryWhenLost } from './retry.js';
import { prepareFiles, type TokenFile } from './token-files.js';
import { UsageError } from './usage-error.js';

export interface MintManyFlags {
  intoDir?: string;
  json?: true;
}

const HINT = `echo '[{"workflow":"codex-review","scopes":["codex:exec"]}]' | countersign token mint-many -`;

// The period may be left out, as it may at `token mint`.
const mintList = z
  .array(mintRequest.partial({ expires_in_days: true }))
  .min(1, 'no token is asked for')
  .max(MAX_MINTED, `at most ${MAX_MINTED} at once: ask for the rest by another file`);

/** `token mint-many`. All are minted or none. A lost answer is asked for again under the same idempotency key. */
export async function mintMany(file: string | undefined, flags: MintManyFlags): Promise<number> {
  const asked = parseList(await readJsonList(file, 'what to mint', HINT));
  const files = flags.intoDir === undefined ? undefined : await prepareFiles(flags.intoDir, asked);
  const client = await signedInClient();
  const requests = await withPeriods(client, asked);
  const key = randomUUID();
  const minted = await retryWhenLost(() => client.tokens.mintMany(requests, key));
  if (files === undefined) printSecrets(minted, flags);
  else return await writeSecrets(minted, files, flags);
  return 0;
}

function parseList(list: unknown): z.output<typeof mintList> {
  const parsed = mintList.safeParse(list);
  if (parsed.success) return parsed.data;
  const faults = fieldErrors(parsed.error).map(({ pointer, detail }) => `${printable(pointer)} ${detail}`);
  throw new UsageError(`this is no list of tokens to mint: ${faults.slice(0, 5).join('; ')}`);
}

async function withPeriods(client: Client, asked: z.output<typeof mintList>): Promise<MintRequest[]> {
  const without = asked.filter(({ expires_in_days }) => expires_in_days === undefined);
  const usual = new Map<string, number>();
  for (const label of new Set(without.map(({ workflow }) => workflow))) {
    usual.set(label, await usualPeriod(client, label));
  }
  return asked.map((one) => {
    const days = one.expires_in_days ?? usual.get(one.workflow);
    if (days === undefined) throw new Error('a workflow has no period');
    return { ...one, expires_in_days: days };
  });
}

function printSecrets(minted: readonly MintedToken[], flags: MintManyFlags): void {
  if (flags.json) {
    printJson(minted);
    return;
  }
  for (const { token } of minted) print(token);
  say(`${minted.length} minted, one secret on a line, in the order of the list.`);
  if (process.stdout.isTTY) say('They are shown this once. --into-dir DIR writes each into a file of its own.');
}

/** Writes what was minted. What cannot be written any more is of no use: the person is told to revoke it. */
async function writeSecrets(
  minted: readonly MintedToken[],
  files: readonly TokenFile[],
  flags: MintManyFlags,
): Promise<number> {
  const written: { id: string; workflow: string; name: string | null; expires_at: string; file: string }[] = [];
  const lost: string[] = [];
  for (const [at, { id, workflow, name, expires_at, token }] of minted.entries()) {
    const fault = await files[at]?.write(token);
    if (fault === undefined) written.push({ id, workflow, name, expires_at, file: files[at]?.path ?? '' });
    else lost.push(`${id}: ${fault}`);
  }
  if (flags.json) printJson(written);
  else for (const { file } of written) print(file);
  if (!flags.json) say(`${written.length} minted, each in a file for you alone.`);
  for (const line of lost) say(`The secret of ${line}. It is lost: revoke the token.`);
  return lost.length === 0 ? 0 : 1;
}
