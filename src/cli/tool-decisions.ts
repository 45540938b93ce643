import { everyPage, type ToolDecision, type ToolVerdict } from '../sdk/index.js';
import { collect, signedInClient } from './client.js';
import { relativeTime } from './instant.js';
import { type Colour, outputView, print, printJson, say } from './output.js';
import { type Column, renderTable } from './table.js';

export interface ToolDecisionListFlags {
  decision?: ToolVerdict;
  limit?: number;
  json?: true;
}

const USUAL_LIMIT = 50;
const COLOURS: Record<ToolVerdict, Colour> = { allow: 'green', deny: 'red', ask: 'yellow' };

/** `runs decisions`: the newest that match. */
export async function listToolDecisions(id: string, flags: ToolDecisionListFlags): Promise<number> {
  const client = await signedInClient();
  const limit = flags.limit ?? USUAL_LIMIT;
  const query = { decision: flags.decision, limit: Math.min(limit + 1, 200) };
  // A run has the id of its check.
  const runId = id.replace(/^chk_/, 'run_');
  const found = await collect(
    everyPage((cursor) => client.runs.toolDecisions(runId, { ...query, cursor })),
    limit + 1,
  );
  const decisions = found.slice(0, limit);
  if (flags.json) printJson({ data: decisions });
  else if (decisions.length === 0) say('No decisions match.');
  else for (const line of renderTable(columns(new Date()), decisions, outputView())) print(line);
  if (found.length > limit) say(`There are more: --limit ${limit * 10} shows older ones.`);
  return 0;
}

function columns(now: Date): Column<ToolDecision>[] {
  return [
    { title: 'AT', value: (one) => one.at, shown: (one) => relativeTime(one.at, now), isWhole: true },
    { title: 'DECISION', value: (one) => one.decision, colour: (one) => COLOURS[one.decision], isWhole: true },
    { title: 'EVENT', value: (one) => one.event },
    { title: 'TOOL', value: (one) => one.tool ?? '' },
    { title: 'CODE', value: (one) => one.code },
    { title: 'RULE', value: (one) => (one.rule === null ? '' : String(one.rule)) },
    { title: 'DETAIL', value: (one) => one.detail },
    { title: 'ID', value: (one) => one.id, isWhole: true, isSpare: true },
  ];
}
