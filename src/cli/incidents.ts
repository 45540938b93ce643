import { everyPage, type Incident, type IncidentReport } from '../sdk/index.js';
import { collect, signedInClient } from './client.js';
import { incidentMarkdown } from './incident-markdown.js';
import { relativeTime, timeIn } from './instant.js';
import { outputView, print, printJson, say } from './output.js';
import { personText } from './people.js';
import { retryWhenLost } from './retry.js';
import { type Column, renderDetails, renderTable } from './table.js';
import { UsageError } from './usage-error.js';

export interface IncidentListFlags {
  status?: 'open' | 'closed';
  token?: string;
  limit?: number;
  json?: true;
}

export interface ShowIncidentFlags {
  format?: 'text' | 'md';
  json?: true;
}

export interface CloseIncidentFlags {
  note?: string;
  json?: true;
}

/** `incident list`: the newest that match. */
export async function listIncidents(flags: IncidentListFlags): Promise<number> {
  const client = await signedInClient();
  const { status, token, limit } = flags;
  const pageSize = Math.min(limit ?? 200, 200);
  const pages = everyPage((cursor) => client.incidents.list({ status, token, limit: pageSize, cursor }));
  const incidents = await collect(pages, limit);
  if (flags.json) printJson({ data: incidents });
  else if (incidents.length === 0) say('There are no incidents that match.');
  else for (const line of renderTable(columns(new Date()), incidents, outputView())) print(line);
  return 0;
}

/** `incident show`: for a person, for a program, or as a report to hand in. */
export async function showIncident(id: string, flags: ShowIncidentFlags): Promise<number> {
  if (flags.json && flags.format !== undefined) throw new UsageError('give either --json or --format');
  const report = await (await signedInClient()).incidents.show(id);
  if (flags.json) printJson(report);
  else if (flags.format === 'md') print(incidentMarkdown(report));
  else printIncident(report);
  return 0;
}

/** `incident close`. */
export async function closeIncident(id: string, flags: CloseIncidentFlags): Promise<number> {
  const client = await signedInClient();
  const report = await retryWhenLost(() => client.incidents.close(id, { note: flags.note }));
  if (flags.json) printJson(report);
  else say(`${report.id} is closed.`);
  return 0;
}

function columns(now: Date): Column<Incident>[] {
  return [
    { title: 'ID', value: (one) => one.id, isWhole: true },
    { title: 'OPENED', value: (one) => one.opened_at, shown: (one) => relativeTime(one.opened_at, now), isWhole: true },
    { title: 'KIND', value: (one) => one.kind },
    { title: 'STATUS', value: (one) => one.status, colour: (one) => (one.status === 'open' ? 'red' : undefined) },
    { title: 'TOKEN', value: (one) => one.token_id, isWhole: true },
    { title: 'WORKFLOW', value: (one) => one.workflow },
    { title: 'SEEN', value: (one) => one.times_seen.toString() },
    { title: 'REVOKED', value: (one) => one.revoked.length.toString(), isSpare: true },
  ];
}

function printIncident(report: IncidentReport): void {
  const view = outputView();
  const time = (at: string | null) => timeIn(view, at, new Date());
  const lines = renderDetails(
    [
      ['id', report.id],
      ['kind', report.kind],
      ['status', report.status],
      ['token', report.token_id],
      ['workflow', report.workflow],
      ['owner', personText(report.token.owner)],
      ['the token was', report.token_was],
      ['and is', report.token.status],
      ['opened', time(report.opened_at)],
      ['last seen', time(report.last_seen_at)],
      ['times seen', report.times_seen.toString()],
      ...report.seen.map(
        ({ type, url, ip, by, at }) =>
          ['seen', [type, url, ip, by && `asked by ${by}`, at].filter((part) => part).join(', ')] as const,
      ),
      ['revoked', report.revoked.join(' ') || 'nothing'],
      ...report.siblings.map(({ id, status }) => ['sibling', `${id} ${status}`] as const),
      ['last used', time(report.token.last_used_at)],
      ['exec checks', `${report.uses.length}${report.uses.length === 50 ? ' or more' : ''}`],
      ['closed', time(report.closed_at)],
      ['closed by', report.closed_by],
      ['note', report.closed_note],
    ],
    view,
  );
  for (const line of lines) print(line);
  say(`All of it, to hand in: countersign incident show ${report.id} --format md`);
}
