import { everyPage, type TrustRule } from '../sdk/index.js';
import { collect, signedInClient } from './client.js';
import { constraintLines } from './constraint-flags.js';
import { timeIn } from './instant.js';
import { outputView, print, printJson, say } from './output.js';
import { printable } from './printable.js';
import { type Column, renderDetails, renderTable } from './table.js';

const COLUMNS: Column<TrustRule>[] = [
  { title: 'NAME', value: (rule) => rule.name, isWhole: true },
  { title: 'PRESET', value: (rule) => rule.preset ?? '' },
  { title: 'CLAIMS', value: (rule) => claimTexts(rule).join(' ') },
  { title: 'WORKFLOW', value: (rule) => rule.workflow },
  { title: 'SCOPES', value: (rule) => rule.scopes.join(' ') },
  { title: 'SET BY', value: (rule) => rule.created_by.email, isSpare: true },
];

/** `trust-rule list`. */
export async function listTrustRules(flags: { json?: true }): Promise<number> {
  const client = await signedInClient();
  const rules = await collect(
    everyPage((cursor) => client.trustRules.list({ cursor, limit: 200 })),
    undefined,
  );
  if (flags.json) printJson({ data: rules });
  else if (rules.length === 0)
    say('There are no trust rules. `countersign trust-rule set --help` shows how to make one.');
  else for (const line of renderTable(COLUMNS, rules, outputView())) print(line);
  return 0;
}

/** `trust-rule show`. */
export async function showTrustRule(name: string, flags: { json?: true }): Promise<number> {
  printTrustRule(await (await signedInClient()).trustRules.show(name), flags);
  return 0;
}

/** `trust-rule remove`. */
export async function removeTrustRule(name: string, flags: { json?: true }): Promise<number> {
  await (await signedInClient()).trustRules.remove(name);
  if (flags.json) printJson({ name, removed: true });
  else say(`${printable(name)} is removed, and the tokens that it gave are revoked.`);
  return 0;
}

/** Prints a rule line by line, or as JSON. */
export function printTrustRule(rule: TrustRule, flags: { json?: true }): void {
  if (flags.json) {
    printJson(rule);
    return;
  }
  const view = outputView();
  const now = new Date();
  const lines = renderDetails(
    [
      ['name', rule.name],
      ['id', rule.id],
      ['preset', rule.preset],
      ['issuer', rule.issuer],
      ['audience', rule.audience],
      ...claimTexts(rule).map((text) => ['claim', text] as const),
      ['forks', rule.allow_forks ? 'let in' : undefined],
      ['keys', rule.jwks ? rule.jwks.keys.map(({ kid }) => kid).join(' ') : undefined],
      ['workflow', rule.workflow],
      ['scopes', rule.scopes.join(' ')],
      ...constraintLines(rule.constraints),
      ['expires in', `${rule.expires_in_seconds} s`],
      ['set by', rule.created_by.email],
      ['created', timeIn(view, rule.created_at, now)],
      ['updated', timeIn(view, rule.updated_at, now)],
    ],
    view,
  );
  for (const line of lines) print(line);
}

function claimTexts({ claims }: TrustRule): string[] {
  return Object.entries(claims).map(([claim, values]) => `${claim}=${values.join('|')}`);
}
