import { z } from 'zod';
import { timeFault } from '../rules/foreign-token.js';
import type { TrustDryRun } from '../sdk/index.js';
import { signedInClient } from './client.js';
import { constraintLines } from './constraint-flags.js';
import { outputView, paint, print, printJson, say } from './output.js';
import { printable } from './printable.js';
import { readSecret } from './stdin.js';
import { type Column, renderTable } from './table.js';
import { UsageError } from './usage-error.js';

const HINT = 'countersign trust-rule test NAME < job.jwt';

const COLUMNS: Column<TrustDryRun['checks'][number]>[] = [
  { title: 'CLAIM', value: ({ claim }) => claim, isWhole: true },
  {
    title: 'MATCHES',
    value: ({ matched }) => (matched ? 'yes' : 'no'),
    colour: ({ matched }) => (matched ? 'green' : 'red'),
    isWhole: true,
  },
  { title: 'EXPECTED', value: ({ expected }) => expected.join('|') },
  { title: 'FOUND', value: ({ found }) => found ?? '' },
];

/** `trust-rule test`: the exit code is 0 when the rule takes the token, 1 when it does not. The signature is neither sent
 *  nor verified. */
export async function testTrustRule(name: string, flags: { json?: true }): Promise<number> {
  const claims = claimsOf(await readSecret("the job's token", HINT));
  const answer = await (await signedInClient()).trustRules.dryRun(name, { claims });
  const late = timeFault(claims, new Date());
  const reasons = [...answer.reasons, ...(late === undefined ? [] : [late])];
  if (flags.json) printJson({ ...answer, reasons });
  else printAnswer(answer, reasons);
  return answer.verdict === 'match' && late === undefined ? 0 : 1;
}

/** What a JWT claims. What was read is not repeated: it is a secret. */
function claimsOf(token: string): Record<string, unknown> {
  const [, payload = '', signature, ...rest] = token.split('.');
  if (signature === undefined || rest.length > 0)
    throw new UsageError('standard input is no JWT: it has not three parts');
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')));
  } catch {
    throw new UsageError('standard input is no JWT: its second part holds no claims');
  }
}

function printAnswer({ checks, grant }: TrustDryRun, reasons: readonly string[]): void {
  const view = outputView();
  for (const line of renderTable(COLUMNS, checks, view)) print(line);
  for (const reason of reasons) say(`${paint('but:', 'red', view)} ${printable(reason)}`);
  if (grant === null) {
    say('The rule does not take it.');
    return;
  }
  const place = constraintLines(grant.constraints).map(([kind, text]) => `${kind} ${text}`);
  const words = [`workflow ${grant.workflow}`, `scopes ${grant.scopes.join(' ')}`, ...place];
  say(`It gives a token of ${grant.expires_in_seconds} s: ${printable(words.join(', '))}.`);
}
