import { readConfig } from '../config.js';
import { printId } from '../rules/format.js';
import { listWorkspaces, setSuspended, type WorkspaceRow } from '../store/workspaces.js';
import { HostRefusal } from './host-refusal.js';
import { timeIn } from './instant.js';
import { outputView, print, printJson, say } from './output.js';
import { printable } from './printable.js';
import { type Column, renderTable } from './table.js';
import { visit } from './visit.js';

/** `workspace list`. */
export async function listAll(flags: { json?: true }): Promise<number> {
  const rows = await visit(readConfig(process.env), ({ database }) => listWorkspaces(database.db));
  if (flags.json) printJson({ data: rows.map(shown) });
  else if (rows.length === 0) say('There is no workspace yet. `countersign init` makes one.');
  else for (const line of renderTable(columns(), rows, outputView())) print(line);
  return 0;
}

/** `workspace suspend`. */
export async function suspend(slug: string, flags: { json?: true }): Promise<number> {
  const row = await change(slug, true);
  if (flags.json) printJson(shown(row));
  else say(`${printable(slug)} is suspended: its tokens are inactive, nobody is signed in, its jobs stop.`);
  return 0;
}

/** `workspace resume`. */
export async function resume(slug: string, flags: { json?: true }): Promise<number> {
  const row = await change(slug, false);
  if (flags.json) printJson(shown(row));
  else say(`${printable(slug)} goes on.`);
  return 0;
}

async function change(slug: string, isSuspended: boolean): Promise<WorkspaceRow> {
  const row = await visit(readConfig(process.env), ({ database }) =>
    setSuspended(database.db, slug, isSuspended, new Date()),
  );
  if (row === undefined) throw new HostRefusal('not_found', `no workspace ${printable(slug)}`);
  return row;
}

function shown(row: WorkspaceRow) {
  return {
    id: printId('ws', row.id),
    slug: row.slug,
    status: statusOf(row),
    created_at: row.createdAt.toISOString(),
    suspended_at: row.suspendedAt?.toISOString() ?? null,
  };
}

function statusOf({ suspendedAt }: WorkspaceRow): 'active' | 'suspended' {
  return suspendedAt === null ? 'active' : 'suspended';
}

function columns(): Column<WorkspaceRow>[] {
  const view = outputView();
  return [
    { title: 'SLUG', value: (row) => row.slug, isWhole: true },
    { title: 'STATUS', value: statusOf, colour: (row) => (row.suspendedAt === null ? 'green' : 'yellow') },
    { title: 'ID', value: (row) => printId('ws', row.id), isWhole: true },
    { title: 'CREATED', value: (row) => timeIn(view, row.createdAt.toISOString(), new Date()) ?? '' },
  ];
}
