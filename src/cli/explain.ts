import { signedInClient } from './client.js';
import { bothTimes } from './instant.js';
import { outputView, paint, print, printJson } from './output.js';
import { printable } from './printable.js';

/** `token explain`: the state at a time and every fact that led to it. */
export async function explainToken(id: string, flags: { at?: string; json?: true }): Promise<number> {
  const explanation = await (await signedInClient()).tokens.explain(id, flags.at);
  if (flags.json) {
    printJson(explanation);
    return 0;
  }
  const view = outputView();
  const now = new Date();
  print(`${paint(explanation.status, 'bold', view)}  ${printable(explanation.summary)}`);
  for (const { at, fact, detail, by, reason } of explanation.facts) {
    const who = [by && `by ${by}`, reason && `reason: ${reason}`].filter((part) => part);
    print(printable([bothTimes(at, now), fact, detail, ...who].join('  ')));
  }
  return 0;
}
