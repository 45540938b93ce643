import { type Client, everyPage, type Leaver, type Workflow } from '../sdk/index.js';
import { collect, signedInClient } from './client.js';
import { constraintLines } from './constraint-flags.js';
import { timeIn } from './instant.js';
import { outputView, print, printJson, say } from './output.js';
import { printable } from './printable.js';
import { type Column, renderDetails, renderTable } from './table.js';
import { rotationDetails } from './workflow-rotations.js';

const COLUMNS: Column<Workflow>[] = [
  { title: 'LABEL', value: (workflow) => workflow.label, isWhole: true },
  {
    title: 'STATUS',
    value: (workflow) => workflow.status,
    colour: (workflow) => (workflow.status === 'active' ? 'green' : 'yellow'),
  },
  { title: 'SCOPES', value: (workflow) => workflow.allowed_scopes.join(' ') },
  { title: 'DAYS', value: (workflow) => workflow.allowed_expiry_days.join(' ') },
  { title: 'DESCRIPTION', value: (workflow) => workflow.description },
];

/** `workflow list`. */
export async function listWorkflows(flags: { limit?: number; json?: true }): Promise<number> {
  const client = await signedInClient();
  const pageSize = Math.min(flags.limit ?? 200, 200);
  const pages = everyPage((cursor) => client.workflows.list({ cursor, limit: pageSize }));
  const workflows = await collect(pages, flags.limit);
  if (flags.json) printJson({ data: workflows });
  else if (workflows.length === 0) say('There are no workflows. `countersign workflow set LABEL` makes one.');
  else for (const line of renderTable(COLUMNS, workflows, outputView())) print(line);
  return 0;
}

/** `workflow show`. */
export async function showWorkflow(label: string, flags: { json?: true }): Promise<number> {
  const client = await signedInClient();
  const workflow = await client.workflows.show(label);
  printWorkflow(workflow, flags);
  if (!flags.json && (await isBounded(client))) {
    say('The policy of the workspace bounds it too: countersign policy show');
  }
  return 0;
}

/** Whether the workspace has a policy. It is a hint: what goes wrong with it is not told. */
async function isBounded(client: Client): Promise<boolean> {
  try {
    const { enforcement: _, ...bounds } = await client.policy.show();
    return Object.values(bounds).some((bound) => bound !== null);
  } catch {
    return false;
  }
}

/** `workflow pause`. */
export async function pauseWorkflow(label: string, flags: { json?: true }): Promise<number> {
  const workflow = await (await signedInClient()).workflows.pause(label);
  if (flags.json) printJson(workflow);
  else say(`${printable(label)} is paused: its tokens are inactive and its jobs stop.`);
  return 0;
}

/** `workflow resume`. */
export async function resumeWorkflow(label: string, flags: { json?: true }): Promise<number> {
  const workflow = await (await signedInClient()).workflows.resume(label);
  if (flags.json) printJson(workflow);
  else say(`${printable(label)} runs again.`);
  return 0;
}

function leaverText(leaver: Leaver | null): string | undefined {
  if (leaver === null) return undefined;
  if (leaver.rule !== 'transfer') return leaver.rule;
  return `transfer to ${leaver.successor_id}, within ${leaver.window_days} d`;
}

/** Prints a workflow: its policy line by line, or as JSON. */
export function printWorkflow(workflow: Workflow, flags: { json?: true }): void {
  if (flags.json) {
    printJson(workflow);
    return;
  }
  const view = outputView();
  const time = (at: string | null) => timeIn(view, at, new Date());
  const lines = renderDetails(
    [
      ['label', workflow.label],
      ['id', workflow.id],
      ['description', workflow.description],
      ['status', workflow.status],
      ['paused', time(workflow.paused_at)],
      ['scopes', workflow.allowed_scopes.join(' ') || 'none'],
      ['expiry days', workflow.allowed_expiry_days.join(' ')],
      ...constraintLines(workflow.constraints),
      ['max run', `${workflow.max_run_seconds} s`],
      ['max runs at a time', workflow.max_concurrent_runs?.toString()],
      ['and per token', workflow.max_concurrent_runs_per_token?.toString()],
      ['when a creator leaves', leaverText(workflow.leaver)],
      ['when a dead secret is used', workflow.reuse_rule],
      ...rotationDetails(workflow.rotations),
      ['contacts', workflow.contacts.length === 0 ? undefined : workflow.contacts.join(' ')],
      ['created', time(workflow.created_at)],
      ['updated', time(workflow.updated_at)],
    ],
    view,
  );
  for (const line of lines) print(line);
}
