import type { Explanation } from '../sdk/index.js';
import { signedInClient } from './client.js';
import { bothTimes } from './instant.js';
import { outputView, paint, print, printJson, type View } from './output.js';
import { printable } from './printable.js';
import { statusColour } from './tokens.js';

/** `token explain`: the state at a time and every fact that led to it. */
export async function explainToken(id: string, flags: { at?: string; json?: true }): Promise<number> {
  const explanation = await (await signedInClient()).tokens.explain(id, flags.at);
  if (flags.json) printJson(explanation);
  else for (const line of explanationLines(explanation, flags.at, outputView(), new Date())) print(line);
  return 0;
}

/** Lays an explanation out: sentences at a terminal; elsewhere the state and its summary, then time, fact, detail and who
 *  of each fact, separated by tabs. `at` is the time that was asked about, if one was. */
export function explanationLines(
  { id, status, summary, facts }: Explanation,
  at: string | undefined,
  view: View,
  now: Date,
): string[] {
  if (!view.isTerminal) {
    const rows = facts.map((fact) => [fact.at, fact.fact, fact.detail, fact.by ?? '']);
    return [[status, summary], ...rows].map((row) => row.map(printable).join('\t'));
  }
  const asked = at === undefined ? '' : ` at ${at}`;
  const lines = facts.map((fact) => {
    // A token that was ended by its holder ended itself: the detail says so.
    const who = fact.by === null || fact.by === id ? '' : `, by ${fact.by}`;
    return printable(`${bothTimes(fact.at, now)}  ${fact.detail}${who}`);
  });
  return [`${printable(id)}${asked}: ${paint(printable(summary), statusColour(status), view)}`, ...lines];
}
