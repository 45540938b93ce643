import { everyPage, type ReportedToken, type ReportKind } from '../sdk/index.js';
import { collect, signedInClient } from './client.js';
import { outputView, print, printJson, say } from './output.js';
import { type Column, renderTable } from './table.js';

export interface ReportFlags {
  days?: number;
  limit?: number;
  json?: true;
}

const COLUMNS: Column<ReportedToken>[] = [
  { title: 'ID', value: (token) => token.id, isWhole: true },
  { title: 'WORKFLOW', value: (token) => token.workflow },
  { title: 'NAME', value: (token) => token.name ?? '', isSpare: true },
  { title: 'OWNER', value: (token) => token.owner.email },
  { title: 'STATUS', value: (token) => token.status },
  { title: 'WHY', value: (token) => token.why.map(({ detail }) => detail).join('; ') },
];

/** `report ownerless`, `unused`, `beyond-policy` and `expiring`. */
export async function reportTokens(kind: ReportKind, flags: ReportFlags): Promise<number> {
  const client = await signedInClient();
  const query = { kind, days: flags.days, limit: Math.min(flags.limit ?? 200, 200) };
  const pages = everyPage((cursor) => client.reports.tokens({ ...query, cursor }));
  const tokens = await collect(pages, flags.limit);
  if (flags.json) printJson({ data: tokens });
  else if (tokens.length === 0) say('There are none.');
  else for (const line of renderTable(COLUMNS, tokens, outputView())) print(line);
  return 0;
}
